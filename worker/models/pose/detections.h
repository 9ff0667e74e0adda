#pragma once

#include <span>
#include <vector>

#include "worker/models/pose/warp.h"

namespace mimicfleet::pose {

// What a YOLOX row starts with: box (centre offset and log size in strides of its cell), whether
// there is an object, and the first class, a person.
inline constexpr int kRowValues = 6;

// Rows that YOLOX gives for an input of this size: one a cell of its three grids.
[[nodiscard]] int yolox_rows(int input_height, int input_width);

// The persons in a frame, the most confident first: boxes decoded, non-maximum suppression, scores
// above 0.3 (dwpose/onnxdet.py: demo_postprocess, multiclass_nms, inference_detector). rows:
// yolox_rows() x kRowValues. `ratio` as of letterbox_ratio().
[[nodiscard]] std::vector<Box> find_persons(std::span<const float> rows, int input_height,
                                            int input_width, double ratio);

}  // namespace mimicfleet::pose
