#include "coordinator/cli/exit_code.h"

#include <cstdio>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::coordinator {

int exit_code_of(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return kAllDone;
    case StatusCode::kUnavailable:
      return kUnreachable;
    case StatusCode::kCancelled:
      return kInterruptedExit;
    case StatusCode::kInvalidArgument:
    case StatusCode::kNotFound:
    case StatusCode::kBadInput:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kResourceExhausted:
      return kUsage;
    default:
      return kSomeFailed;
  }
}

int report(const Status& status) {
  if (!status.ok() && status.code() != StatusCode::kCancelled) {
    fmt::print(stderr, "error: {}\n", log::printable(status.message()));
  }
  return exit_code_of(status);
}

}  // namespace mimicfleet::coordinator
