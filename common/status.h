#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "common/check.h"

namespace mimicfleet {

// Why something did not work, in terms of what the caller can do about it.
enum class StatusCode {
  kOk,
  kInvalidArgument,  // the caller's flags or values; nothing was tried
  kNotFound,         // a file, job or artefact that is not there
  kBadInput,      // foreign bytes that are damaged or of the wrong kind; trying again cannot help
  kInputChanged,  // a file is not what it was when the job was made
  kFailedPrecondition,  // the state does not allow it (folder not writable, stale lease)
  kResourceExhausted,   // memory, disk, a limit of ours
  kUnavailable,         // a peer or server that may come back; trying again can help
  kTimeout,
  kCancelled,
  kCorruption,   // our own data failed its check
  kUnsupported,  // well-formed, but this build does not implement it
  kInternal,     // a fault of ours or of a library
};

[[nodiscard]] std::string_view to_string(StatusCode code);
[[nodiscard]] std::optional<StatusCode> status_code_from(std::string_view name);

// Success, or a code with a message for people. Messages name the file, the cause and, where there
// is one, the remedy, in one line.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {
    CHECK(code != StatusCode::kOk);
  }

  [[nodiscard]] bool ok() const { return code_ == StatusCode::kOk; }
  [[nodiscard]] StatusCode code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }

  // True if the same attempt may succeed later or elsewhere.
  [[nodiscard]] bool retryable() const;

  // The same failure with `context: ` before its message.
  [[nodiscard]] Status prefixed(std::string_view context) const;

  friend bool operator==(const Status&, const Status&) = default;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

std::ostream& operator<<(std::ostream& out, const Status& status);

// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::move(status)) {
    CHECK(!std::get<Status>(state_).ok());
  }  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return std::holds_alternative<T>(state_); }
  [[nodiscard]] Status status() const { return ok() ? Status() : std::get<Status>(state_); }

  [[nodiscard]] T& value() & {
    CHECK(ok());
    return std::get<T>(state_);
  }
  [[nodiscard]] const T& value() const& {
    CHECK(ok());
    return std::get<T>(state_);
  }
  [[nodiscard]] T&& value() && {
    CHECK(ok());
    return std::get<T>(std::move(state_));
  }
  [[nodiscard]] T value_or(T fallback) && {
    return ok() ? std::get<T>(std::move(state_)) : std::move(fallback);
  }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<Status, T> state_;
};

}  // namespace mimicfleet

#define MIMICFLEET_CONCAT_INNER(a, b) a##b
#define MIMICFLEET_CONCAT(a, b) MIMICFLEET_CONCAT_INNER(a, b)

// Leaves the function with the Status of `expression` unless it is ok.
#define RETURN_IF_ERROR(expression)                                                 \
  do {                                                                              \
    if (::mimicfleet::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

// ASSIGN_OR_RETURN(auto x, f()): x becomes the value of f(), or the function returns f()'s Status.
#define ASSIGN_OR_RETURN(declaration, expression) \
  MIMICFLEET_ASSIGN_OR_RETURN(MIMICFLEET_CONCAT(result_, __LINE__), declaration, expression)
#define MIMICFLEET_ASSIGN_OR_RETURN(result, declaration, expression) \
  auto result = (expression);                                        \
  if (!result.ok()) return result.status();                          \
  declaration = std::move(result).value()
