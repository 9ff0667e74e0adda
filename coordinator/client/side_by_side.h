#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/av/image.h"
#include "common/status.h"

namespace mimicfleet::coordinator {

// One video of a side-by-side film and the lines above it.
struct Panel {
  std::string video;
  std::vector<std::string> label;
};

// Writes `text` in white, letters of 5x7 dots of `scale` pixels, its upper left corner at (x, y).
// Lower case becomes upper case; characters that the font lacks become '?'. What does not fit is
// cut off.
void draw_text(av::Image& image, int x, int y, std::string_view text, int scale);

// `text` in lines of at most `width` letters, broken after commas and spaces where that is
// possible.
[[nodiscard]] std::vector<std::string> wrapped(std::string_view text, std::size_t width);

// Writes an MP4 with all panels in a row, each with its label above. kInvalidArgument: the videos
// have other sizes or lengths. Otherwise as av::VideoFrames and av::VideoWriter.
[[nodiscard]] Status write_side_by_side(const std::string& path, const std::vector<Panel>& panels);

}  // namespace mimicfleet::coordinator
