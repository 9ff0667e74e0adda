#pragma once

#include <cstdint>

#include "common/av/image.h"
#include "common/av/record.h"
#include "common/status.h"

// Writing records to the parent. When it no longer listens, the process ends.
namespace mimicfleet::av::child {

void send_info(const StreamInfo& info);
void send_notes(const ReadingNotes& notes);
void send_frame(const Image& image, std::uint64_t index);
void send_end(std::uint64_t count);
void send_failure(const Status& status);

}  // namespace mimicfleet::av::child
