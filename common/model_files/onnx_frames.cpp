#include "common/model_files/onnx_frames.h"

#include <optional>

// Wire format: https://protobuf.dev/programming-guides/encoding
namespace mimicfleet::model_root {
namespace {

constexpr int kMaxFields = 100'000;
constexpr std::uint64_t kGraphField = 7;  // of onnx.ModelProto

using Bytes = std::span<const std::uint8_t>;

Status bad(const char* cause) { return {StatusCode::kBadInput, cause}; }

// Takes a number of at most ten bytes of seven bits each.
std::optional<std::uint64_t> take_varint(Bytes& rest) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70 && !rest.empty(); shift += 7) {
    const std::uint8_t byte = rest.front();
    rest = rest.subspan(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// How many bytes follow a tag.
std::optional<std::uint64_t> value_bytes(std::uint64_t wire_type, Bytes& rest) {
  switch (wire_type) {
    case 0:  // the number is taken here
      return take_varint(rest) ? std::optional<std::uint64_t>(0) : std::nullopt;
    case 1:
      return 8;
    case 2:
      return take_varint(rest);
    case 5:
      return 4;
    default:
      return std::nullopt;
  }
}

}  // namespace

Status check_onnx_frames(Bytes file) {
  bool has_graph = false;
  Bytes rest = file;
  for (int fields = 0; !rest.empty(); ++fields) {
    const auto tag = take_varint(rest);
    const auto size = tag ? value_bytes(*tag & 7, rest) : std::nullopt;
    if ((!size && rest.empty()) || (size && *size > rest.size())) return bad("it is cut off");
    if (!size || fields == kMaxFields) return bad("its fields are damaged");
    rest = rest.subspan(static_cast<std::size_t>(*size));
    has_graph = has_graph || *tag >> 3 == kGraphField;
  }
  return has_graph ? Status() : bad("it has no graph");
}

}  // namespace mimicfleet::model_root
