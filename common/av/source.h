#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/av/sniff.h"
#include "common/files/unique_fd.h"
#include "common/status.h"

namespace mimicfleet::av {

enum class Wanted { kVideo, kImage };

// Looks at the first bytes of an open file. The demuxer or image decoder for it, or why there is
// none: empty, something else (and what), or of a kind that is not supported.
[[nodiscard]] Result<std::string> find_format(int fd, std::string_view name, Wanted wanted);

// Refuses an image file of more bytes than the limit.
[[nodiscard]] Status check_image_bytes(std::uint64_t bytes, std::string_view name,
                                       std::int64_t limit);

}  // namespace mimicfleet::av
