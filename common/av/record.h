#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/av/video.h"
#include "common/status.h"

// What `media` writes to its output: records of a fixed header and a payload. Both sides are one
// build on one machine, so integers are in its byte order; the reader trusts nothing.
//
//   decode   info, notes, (notes) frame…, end       image   notes, frame, end
//   probe    info, notes, end               encode  end
// Notes before a later frame of a video hold warnings of what comes up with it. A failure may come
// instead of any record and is the last.
namespace mimicfleet::av {

enum class RecordType : std::uint32_t { kInfo = 1, kFrame = 2, kEnd = 3, kFailure = 4, kNotes = 5 };

struct RecordHeader {
  static constexpr std::uint32_t kMagic = 0x314d464d;  // "MFM1"

  std::uint32_t magic = kMagic;
  RecordType type = RecordType::kEnd;
  std::uint32_t width = 0;   // of a frame
  std::uint32_t height = 0;  // of a frame
  std::uint64_t index = 0;   // of a frame; of the end: how many frames were decoded or encoded
  std::uint64_t payload_bytes = 0;  // that follow
};
static_assert(sizeof(RecordHeader) == 32);

// The payload of an info record.
struct StreamInfo {
  VideoInfo video;
  std::int64_t stride = 1;
};

inline constexpr std::size_t kInfoPayloadBytes = 96;
inline constexpr std::size_t kMaxFailureBytes = 1024;
inline constexpr std::size_t kMaxNotesBytes = 2048;
inline constexpr int kMaxLateNotes = 8;                    // records, of a video
inline constexpr std::int64_t kMaxStride = 1'000'000'000;  // of one frame only

[[nodiscard]] std::array<std::uint8_t, kInfoPayloadBytes> encode_info(const StreamInfo& info);
[[nodiscard]] std::string encode_notes(const ReadingNotes& notes);
[[nodiscard]] std::string encode_failure(const Status& status);

// kInternal for anything that a sound writer would not have written.
[[nodiscard]] Result<RecordHeader> decode_header(
    std::span<const std::uint8_t, sizeof(RecordHeader)> bytes);
[[nodiscard]] Result<StreamInfo> decode_info(std::span<const std::uint8_t> payload,
                                             const DecodeLimits& limits);
[[nodiscard]] Result<ReadingNotes> decode_notes(std::span<const std::uint8_t> payload);
[[nodiscard]] Status decode_failure(std::span<const std::uint8_t> payload);

// Holds the records of one child against the order, the sizes and the limits that were asked for.
// To be asked before a payload is read, so that nothing is allocated for a lie.
class RecordOrder {
 public:
  enum class Task { kDecode, kProbe, kImage, kEncode };
  RecordOrder(Task task, std::int64_t max_pixels, std::int64_t max_frames);

  [[nodiscard]] Status accept(const RecordHeader& header);
  void accept(const StreamInfo& info);  // after an info record

 private:
  [[nodiscard]] Status accept_notes(const RecordHeader& header);
  [[nodiscard]] Status accept_frame(const RecordHeader& header);
  [[nodiscard]] Status accept_end(const RecordHeader& header) const;

  Task task_;
  std::uint64_t max_pixels_;
  std::uint64_t max_frames_;
  std::optional<StreamInfo> info_;
  std::uint64_t delivered_ = 0;
  bool info_announced_ = false;
  bool notes_announced_ = false;
  int late_notes_ = 0;
  bool over_ = false;
};

}  // namespace mimicfleet::av
