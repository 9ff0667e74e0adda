#pragma once

// CHECK(condition): ends the process with file and line when a programmer's assumption is false.
// For expected failures use Status. LibTorch's logging has a macro of this name that ends the
// process, too: whichever header comes last wins.
#ifdef CHECK
#undef CHECK
#endif
#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::mimicfleet::check_failed(#condition, __FILE__, __LINE__))

namespace mimicfleet {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace mimicfleet
