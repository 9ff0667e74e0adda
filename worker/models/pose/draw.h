#pragma once

#include <span>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/models/pose/pose.h"

namespace mimicfleet::pose {

// Short side of the canvas that poses are drawn on before they are scaled to the frame. The line
// widths are pixels of this canvas, so another value gives other pictures than the original's.
inline constexpr int kCanvasShortSide = 2160;

// Pictures of the poses as the original draws them (dwpose/util.py: draw_pose): uint8 [n, 3,
// height, width] on the CPU. Frames are drawn in parallel on at::get_num_threads() threads; the
// result does not depend on their number.
[[nodiscard]] Result<at::Tensor> draw_poses(std::span<const DrawablePose> poses, int height,
                                            int width, int canvas_short_side = kCanvasShortSide);

}  // namespace mimicfleet::pose
