// What a media child that foreign bytes took over could send: everything that is accepted must be
// within the limits that were asked for.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "common/av/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet::av;
  constexpr DecodeLimits kLimits{.max_pixels = 10'000, .max_frames = 50};
  if (size == 0) return 0;
  const auto task = static_cast<RecordOrder::Task>(data[0] % 4);
  RecordOrder order(task, kLimits.max_pixels, kLimits.max_frames);
  std::uint64_t frames = 0;
  for (auto left = std::span(data, size).subspan(1); left.size() >= sizeof(RecordHeader);) {
    const auto header = decode_header(left.first<sizeof(RecordHeader)>());
    left = left.subspan(sizeof(RecordHeader));
    if (!header.ok() || !order.accept(*header).ok()) return 0;
    if (header->payload_bytes >
        std::max<std::uint64_t>({3 * 10'000, kMaxFailureBytes, kMaxNotesBytes}))
      std::abort();
    if (header->type == RecordType::kFrame && ++frames > 50) std::abort();
    const auto payload = left.first(std::min<std::size_t>(left.size(), header->payload_bytes));
    left = left.subspan(payload.size());
    if (header->type == RecordType::kFailure) static_cast<void>(decode_failure(payload));
    if (header->type == RecordType::kNotes) static_cast<void>(decode_notes(payload));
    if (header->type != RecordType::kInfo) continue;
    const auto info = decode_info(payload, kLimits);
    if (!info.ok()) return 0;
    if (std::int64_t{info->video.width} * info->video.height > kLimits.max_pixels) std::abort();
    order.accept(*info);
  }
  return 0;
}
