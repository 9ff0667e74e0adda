#pragma once

#include <cstdint>
#include <string>

#include "common/av/image.h"
#include "common/status.h"

namespace mimicfleet::coordinator {

// How near one video is to another.
struct Quality {
  std::int64_t frames = 0;
  double psnr_db = 0;  // of the mean squared error of all RGB values; kPsnrOfEqual if there is none
  double ssim = 0;     // mean over the frames
};

inline constexpr double kPsnrOfEqual = 100;

// The mean squared error of two images of one size, over all RGB values.
[[nodiscard]] double mean_squared_error(const av::Image& a, const av::Image& b);

// Structural similarity of the luma (Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861) of
// two images of one size, 8x8 pixels or more: the mean over windows of 8x8 pixels, 4 apart, as
// FFmpeg's and x264's. 1: equal.
[[nodiscard]] double structural_similarity(const av::Image& a, const av::Image& b);

// Frame by frame; no more than a few are in memory. kInvalidArgument: other sizes or lengths.
// Otherwise as av::VideoFrames.
[[nodiscard]] Result<Quality> compare_videos(const std::string& video,
                                             const std::string& reference);

}  // namespace mimicfleet::coordinator
