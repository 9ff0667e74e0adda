#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "common/weights/tensor_set.h"
#include "worker/models/nn/scope.h"

namespace mimicfleet::nn {

// The tensor as LibTorch sees it, on the pages of its file: valid while the view's buffer lives,
// never written.
[[nodiscard]] at::Tensor as_tensor(const weights::TensorView& view);

[[nodiscard]] weights::DType dtype_of(const at::Tensor& tensor);

// Fills every parameter from the tensor of its name, converted to the parameter's type and device.
// One kBadInput for all that does not fit: it counts and names the first missing, misshaped and
// unexpected tensor. NaN, infinite or (for float16) too large values are kBadInput, naming the
// tensor. `what` and `origin` are for the message: "unet", "models/MimicMotion_1-1.pth". A tensor
// is unexpected if no parameter has its name and `may_be_ignored` does not let it pass.
using MayBeIgnored = std::function<bool(std::string_view name)>;
[[nodiscard]] Status load_parameters(const ParameterList& parameters,
                                     const weights::TensorSet& tensors, std::string_view what,
                                     std::string_view origin,
                                     const MayBeIgnored& may_be_ignored = {});

}  // namespace mimicfleet::nn
