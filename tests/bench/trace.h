#pragma once

#include <functional>
#include <string>

namespace mimicfleet {

// Runs `call` under LibTorch's profiler and writes what the CPU and, if asked for, the GPU did into
// `path`, as JSON for chrome://tracing or ui.perfetto.dev. `call` returns when the GPU has done its
// work.
void trace(const std::string& path, bool gpu, const std::function<void()>& call);

}  // namespace mimicfleet
