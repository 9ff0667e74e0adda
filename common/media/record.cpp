#include "common/media/record.h"

#include <algorithm>
#include <cstring>

namespace mimicfleet::media {
namespace {

constexpr std::int32_t kMaxSide = 1 << 16;

// The layout of an info payload.
struct InfoPayload {
  std::int32_t width, height, rotation;
  std::int32_t fps_numerator, fps_denominator;
  std::int32_t reserved;
  std::int64_t declared_frames;
  double declared_seconds;
  std::int64_t stride;
  std::array<char, 24> container;  // padded with zeros
  std::array<char, 24> codec;
};
static_assert(sizeof(InfoPayload) == kInfoPayloadBytes);

Status malformed(std::string_view what) {
  return {StatusCode::kInternal,
          "the media program sent a wrong record (" + std::string(what) + ")"};
}

std::array<char, 24> pack_name(const std::string& name) {
  std::array<char, 24> out{};
  std::copy_n(name.begin(), std::min(name.size(), out.size() - 1), out.begin());
  return out;
}

std::optional<std::string> unpack_name(const std::array<char, 24>& packed) {
  const std::string name(packed.data(), strnlen(packed.data(), packed.size()));
  const bool plain =
      std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (name.empty() || !plain) return std::nullopt;
  return name;
}

// One line, and no terminal escapes.
std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

}  // namespace

std::array<std::uint8_t, kInfoPayloadBytes> encode_info(const StreamInfo& info) {
  const InfoPayload payload{.width = info.video.width,
                            .height = info.video.height,
                            .rotation = info.video.rotation,
                            .fps_numerator = info.video.average_fps.numerator,
                            .fps_denominator = info.video.average_fps.denominator,
                            .reserved = 0,
                            .declared_frames = info.video.declared_frames,
                            .declared_seconds = info.video.declared_seconds,
                            .stride = info.stride,
                            .container = pack_name(info.video.container),
                            .codec = pack_name(info.video.codec)};
  std::array<std::uint8_t, kInfoPayloadBytes> bytes;
  std::memcpy(bytes.data(), &payload, bytes.size());
  return bytes;
}

// The steps, then a line a warning.
std::string encode_notes(const ReadingNotes& notes) {
  std::string bytes = notes.done.text();
  for (const std::string& warning : notes.warnings) {
    if (bytes.size() + 1 + warning.size() > kMaxNotesBytes) break;
    bytes += '\n';
    bytes += warning;
  }
  return bytes;
}

std::string encode_failure(const Status& status) {
  std::string bytes(to_string(status.code()));
  bytes += '\n';
  bytes += status.message();
  return bytes.substr(0, kMaxFailureBytes);
}

Result<RecordHeader> decode_header(std::span<const std::uint8_t, sizeof(RecordHeader)> bytes) {
  RecordHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.magic != RecordHeader::kMagic) return malformed("magic");
  if (header.type < RecordType::kInfo || header.type > RecordType::kNotes) return malformed("type");
  return header;
}

Result<StreamInfo> decode_info(std::span<const std::uint8_t> payload, const DecodeLimits& limits) {
  if (payload.size() != kInfoPayloadBytes) return malformed("info size");
  InfoPayload in;
  std::memcpy(&in, payload.data(), sizeof(in));
  const auto container = unpack_name(in.container);
  const auto codec = unpack_name(in.codec);
  if (!container || !codec) return malformed("name");
  if (in.width < 1 || in.height < 1 || in.width > kMaxSide || in.height > kMaxSide ||
      std::int64_t{in.width} * in.height > limits.max_pixels) {
    return malformed("frame size");
  }
  if (in.rotation < 0 || in.rotation > 270 || in.rotation % 90 != 0) return malformed("rotation");
  if (in.fps_numerator < 0 || in.fps_denominator < 1) return malformed("fps");
  if (in.declared_frames < 0 || !(in.declared_seconds >= 0)) return malformed("length");
  if (in.stride < 1 || in.stride > kMaxStride) return malformed("stride");
  return StreamInfo{.video = {.width = in.width,
                              .height = in.height,
                              .rotation = in.rotation,
                              .average_fps = {in.fps_numerator, in.fps_denominator},
                              .declared_frames = in.declared_frames,
                              .declared_seconds = in.declared_seconds,
                              .container = *container,
                              .codec = *codec},
                    .stride = in.stride};
}

Result<ReadingNotes> decode_notes(std::span<const std::uint8_t> payload) {
  std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  const std::string_view steps = text.substr(0, text.find('\n'));
  const auto done = Reading::parse(steps);
  if (!done) return malformed("notes");
  ReadingNotes notes{.done = *done, .warnings = {}};
  text.remove_prefix(steps.size());
  while (!text.empty()) {
    text.remove_prefix(1);  // the line break
    const std::string_view line = text.substr(0, text.find('\n'));
    notes.warnings.push_back(printable(line));
    text.remove_prefix(line.size());
  }
  return notes;
}

Status decode_failure(std::span<const std::uint8_t> payload) {
  const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  const auto line_break = text.find('\n');
  const auto code = status_code_from(text.substr(0, line_break));
  if (line_break == std::string_view::npos || !code || *code == StatusCode::kOk)
    return malformed("failure");
  return {*code, printable(text.substr(line_break + 1))};
}

RecordOrder::RecordOrder(Task task, std::int64_t max_pixels, std::int64_t max_frames)
    : task_(task),
      max_pixels_(static_cast<std::uint64_t>(max_pixels)),
      max_frames_(static_cast<std::uint64_t>(max_frames)) {}

Status RecordOrder::accept(const RecordHeader& header) {
  if (over_) return malformed("after the end");
  const bool needs_info = task_ == Task::kDecode || task_ == Task::kProbe;
  switch (header.type) {
    case RecordType::kInfo:
      if (!needs_info || info_announced_) return malformed("unexpected info");
      info_announced_ = true;
      return header.payload_bytes == kInfoPayloadBytes ? Status() : malformed("info size");
    case RecordType::kFailure:
      over_ = true;
      return header.payload_bytes <= kMaxFailureBytes ? Status() : malformed("failure size");
    case RecordType::kNotes:
      return accept_notes(header);
    case RecordType::kFrame:
      return accept_frame(header);
    case RecordType::kEnd:
      if (needs_info && !info_) return malformed("no info");
      over_ = true;
      return accept_end(header);
  }
  return malformed("type");
}

void RecordOrder::accept(const StreamInfo& info) { info_ = info; }

Status RecordOrder::accept_notes(const RecordHeader& header) {
  const bool is_late = task_ == Task::kDecode && notes_announced_ && delivered_ > 0;
  const bool is_their_turn =
      !notes_announced_ && delivered_ == 0 && (task_ == Task::kImage || info_);
  if (task_ == Task::kEncode || !(is_late ? ++late_notes_ <= kMaxLateNotes : is_their_turn)) {
    return malformed("unexpected notes");
  }
  notes_announced_ = true;
  return header.payload_bytes <= kMaxNotesBytes ? Status() : malformed("notes size");
}

Status RecordOrder::accept_frame(const RecordHeader& header) {
  // Both 32 bits: no overflow.
  const std::uint64_t pixels = std::uint64_t{header.width} * header.height;
  if (task_ == Task::kImage) {
    if (delivered_ != 0 || header.index != 0) return malformed("second image");
  } else if (task_ != Task::kDecode || !info_) {
    return malformed("unexpected frame");
  } else if (header.width != static_cast<std::uint32_t>(info_->video.width) ||
             header.height != static_cast<std::uint32_t>(info_->video.height)) {
    return malformed("frame size");
  } else if (header.index >= max_frames_ ||
             header.index != delivered_ * static_cast<std::uint64_t>(info_->stride)) {
    return malformed("frame index");
  }
  if (header.width == 0 || header.height == 0 || pixels > max_pixels_)
    return malformed("frame size");
  if (header.payload_bytes != pixels * 3) return malformed("frame bytes");
  ++delivered_;
  return {};
}

Status RecordOrder::accept_end(const RecordHeader& header) const {
  if (header.payload_bytes != 0) return malformed("end size");
  if (header.index > max_frames_) return malformed("frame count");
  if (task_ == Task::kImage && delivered_ != 1) return malformed("no image");
  if (task_ != Task::kDecode) return {};
  // Frames 0, s, 2s, … of n: ceil(n / s) of them, and a video without frames is a failure.
  const auto stride = static_cast<std::uint64_t>(info_->stride);
  const std::uint64_t expected = header.index / stride + (header.index % stride != 0 ? 1 : 0);
  return header.index > 0 && delivered_ == expected ? Status() : malformed("frame count");
}

}  // namespace mimicfleet::media
