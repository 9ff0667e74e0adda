#pragma once

#include <cstdint>
#include <span>

#include "common/status.h"

namespace mimicfleet::model_root {

// Whether the outermost fields of an ONNX file (protobuf's ModelProto) fill it to its last byte and
// a graph is among them: that shows a download that was cut, without reading the graph. kBadInput
// with the cause.
[[nodiscard]] Status check_onnx_frames(std::span<const std::uint8_t> file);

}  // namespace mimicfleet::model_root
