#include "common/status.h"

#include <array>

namespace mimicfleet {
namespace {

constexpr std::array<std::pair<StatusCode, std::string_view>, 13> kNames = {{
    {StatusCode::kOk, "ok"},
    {StatusCode::kInvalidArgument, "invalid_argument"},
    {StatusCode::kNotFound, "not_found"},
    {StatusCode::kBadInput, "bad_input"},
    {StatusCode::kInputChanged, "input_changed"},
    {StatusCode::kFailedPrecondition, "failed_precondition"},
    {StatusCode::kResourceExhausted, "resource_exhausted"},
    {StatusCode::kUnavailable, "unavailable"},
    {StatusCode::kTimeout, "timeout"},
    {StatusCode::kCancelled, "cancelled"},
    {StatusCode::kCorruption, "corruption"},
    {StatusCode::kUnsupported, "unsupported"},
    {StatusCode::kInternal, "internal"},
}};

}  // namespace

std::string_view to_string(StatusCode code) {
  for (const auto& [candidate, name] : kNames) {
    if (candidate == code) return name;
  }
  return "internal";
}

std::optional<StatusCode> status_code_from(std::string_view name) {
  for (const auto& [code, candidate] : kNames) {
    if (candidate == name) return code;
  }
  return std::nullopt;
}

bool Status::retryable() const {
  switch (code_) {
    case StatusCode::kResourceExhausted:
    case StatusCode::kUnavailable:
    case StatusCode::kTimeout:
    case StatusCode::kCorruption:
    case StatusCode::kInternal:
      return true;
    default:
      return false;
  }
}

Status Status::prefixed(std::string_view context) const {
  if (ok()) return *this;
  return {code_, std::string(context) + ": " + message_};
}

std::ostream& operator<<(std::ostream& out, const Status& status) {
  return out << to_string(status.code()) << (status.ok() ? "" : ": ") << status.message();
}

}  // namespace mimicfleet
