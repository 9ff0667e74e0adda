#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/id.h"
#include "common/wire/codec.h"

namespace mimicfleet::wire {

// The protocol's version (docs/protocol.md). Peers of another minor version work together; another
// major is refused with a message that says which side is the older.
inline constexpr std::uint32_t kProtocolMajor = 1;
inline constexpr std::uint32_t kProtocolMinor = 0;

// What every message is: a type that says what `body` holds, and the request that it is or answers.
struct Envelope {
  std::uint32_t major = kProtocolMajor;
  std::uint32_t minor = kProtocolMinor;
  std::string type;
  RequestId request;
  Value body;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("major", self.major);
    field("minor", self.minor);
    field("type", self.type);
    field("request", self.request);
    field("body", self.body);
  }
};

// T names its type: `static constexpr std::string_view kType`.
template <typename T>
[[nodiscard]] std::string seal(const T& message, RequestId request) {
  Envelope envelope;
  envelope.type = T::kType;
  envelope.request = request;
  envelope.body = to_value(message);
  return encode_struct(envelope);
}

// kBadInput for malformed bytes, kUnsupported for a peer of another major version.
[[nodiscard]] Result<Envelope> open_envelope(std::string_view bytes, const Limits& limits = {});

// The body as a T; kBadInput naming the member at fault.
template <typename T>
[[nodiscard]] Result<T> body_as(const Envelope& envelope) {
  T message;
  if (Status failure = from_value(envelope.body, message); !failure.ok())
    return failure.prefixed(T::kType);
  return message;
}

}  // namespace mimicfleet::wire
