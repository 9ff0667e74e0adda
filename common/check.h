#pragma once

// CHECK(condition): ends the process with file and line when a programmer's assumption is false. For expected
// failures use Status.
#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::mimicfleet::check_failed(#condition, __FILE__, __LINE__))

namespace mimicfleet {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace mimicfleet
