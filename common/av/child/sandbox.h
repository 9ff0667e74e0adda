#pragma once

#include <cstdint>

#include "common/status.h"

namespace mimicfleet::av::child {

struct SandboxLimits {
  std::int64_t memory_bytes = 0;  // address space
  std::int64_t cpu_seconds = 0;
  bool may_write_file = false;     // and start threads: for encoding
  bool may_receive_files = false;  // one after the other, over kChildFrames
};

// From here on this process computes and nothing else: it may read the file it was given (or write
// it, when encoding), write records, and allocate memory within the limit. It cannot open, connect,
// start programs, map code or gain rights, and ends when its parent does. To be called before the
// first foreign byte is read.
[[nodiscard]] Status enter_sandbox(const SandboxLimits& limits);

}  // namespace mimicfleet::av::child
