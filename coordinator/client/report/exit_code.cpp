#include "coordinator/client/report/exit_code.h"

#include <cstdio>

#include <fmt/format.h>

#include "common/json/json.h"
#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

bool as_json = false;  // of the process, whose stdout is one

}  // namespace

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

void errors_as_json() { as_json = true; }

void print_error_document(const std::string& message, StatusCode code, int exit_code) {
  if (!as_json) return;
  const wire::Map error = {{"error", message},
                           {"code", std::string(to_string(code))},
                           {"exit_code", static_cast<std::uint64_t>(exit_code)}};
  fmt::print("{}", json::write(wire::Value(error)));
}

int report(const Status& status) {
  if (!status.ok() && status.code() != StatusCode::kCancelled) {
    print_error_document(status.message(), status.code(), exit_code_of(status));
  }
  return report_on_stderr(status);
}

int report_on_stderr(const Status& status) {
  if (!status.ok() && status.code() != StatusCode::kCancelled) {
    fmt::print(stderr, "error: {}\n", log::printable(status.message()));
    log::note(fmt::format("error: {}", log::printable(status.message())));
  }
  return exit_code_of(status);
}

}  // namespace mimicfleet::coordinator
