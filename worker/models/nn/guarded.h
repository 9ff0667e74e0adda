#pragma once

#include <string_view>
#include <utility>

#include <ATen/core/grad_mode.h>

#include "common/status.h"

namespace mimicfleet::nn {

// The exception being handled, as a Status: kResourceExhausted when memory ran out (of the host or
// a device), else kInternal. `what` says what was being computed. Only inside a catch block.
[[nodiscard]] Status status_of_exception(std::string_view what);

// Runs `compute`, which returns a Status or a Result, without autograd; what LibTorch throws
// becomes a Status.
template <typename Compute>
[[nodiscard]] auto guarded(std::string_view what, Compute&& compute) -> decltype(compute()) {
  const at::NoGradGuard no_grad;
  try {
    return std::forward<Compute>(compute)();
  } catch (...) {
    return status_of_exception(what);
  }
}

}  // namespace mimicfleet::nn
