#pragma once

#include <cstdint>

#include "common/media/image.h"
#include "common/media/record.h"
#include "common/status.h"

// Writing records to the parent. When it no longer listens, the process ends.
namespace mimicfleet::media::child {

void send_info(const StreamInfo& info);
void send_notes(const ReadingNotes& notes);
void send_frame(const Image& image, std::uint64_t index);
void send_end(std::uint64_t count);
void send_failure(const Status& status);

}  // namespace mimicfleet::media::child
