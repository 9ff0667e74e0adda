#pragma once

#include <string>

#include <onnx/onnx_pb.h>

#include "common/status.h"
#include "worker/onnx/graph.h"

// Only for the sources that read the schema's messages.
namespace mimicfleet::onnx {

// Takes the data out of `proto`. Messages start with the reason; the caller prefixes what the
// tensor belongs to.
[[nodiscard]] Result<TensorData> take_tensor(::onnx::TensorProto& proto, int max_rank);

}  // namespace mimicfleet::onnx
