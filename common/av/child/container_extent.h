#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mimicfleet::av::child {

// How far the container itself says it reaches, in bytes from the start of the file: the end of an
// MP4's index boxes (moov, moof; its frames are checked by that index), of a Matroska segment, of a
// RIFF. FFmpeg does not mind when the file is shorter and delivers what is there; here it is a
// truncated file. Nothing when the container does not say.
[[nodiscard]] std::optional<std::uint64_t> container_extent(int fd, std::string_view format);

}  // namespace mimicfleet::av::child
