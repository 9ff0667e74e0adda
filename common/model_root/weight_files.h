#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace mimicfleet::model_root {

// The safetensors files that hold the weights of a diffusers or transformers folder, absolute.
// `stem` is "diffusion_pytorch_model" or "model". The half-precision variant comes first, as the
// original loads it; a sharded set is read through its index, whose file names must be plain names
// in the same folder. kNotFound lists what was looked for; kBadInput for a damaged index or an
// index that lists a missing shard.
[[nodiscard]] Result<std::vector<std::string>> weight_files(const std::string& folder,
                                                            std::string_view stem);

}  // namespace mimicfleet::model_root
