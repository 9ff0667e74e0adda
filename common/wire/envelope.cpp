#include "common/wire/envelope.h"

#include <fmt/format.h>

namespace mimicfleet::wire {

Result<Envelope> open_envelope(std::string_view bytes, const Limits& limits) {
  ASSIGN_OR_RETURN(Envelope envelope, decode_struct<Envelope>(bytes, limits));
  if (envelope.major != kProtocolMajor) {
    return Status(StatusCode::kUnsupported,
                  fmt::format("the peer speaks protocol {}.{}, this program {}.{}: bring both to "
                              "one version of mimicfleet",
                              envelope.major, envelope.minor, kProtocolMajor, kProtocolMinor));
  }
  if (envelope.type.empty())
    return Status(StatusCode::kBadInput, "malformed message: it has no type");
  return envelope;
}

}  // namespace mimicfleet::wire
