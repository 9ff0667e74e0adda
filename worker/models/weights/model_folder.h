#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"
#include "worker/models/weights/tensor_set.h"

namespace mimicfleet::weights {

// The value of an environment variable, or nothing; so that tests need not change the real environment.
using Environment = std::function<std::optional<std::string>(const char* name)>;
[[nodiscard]] std::optional<std::string> process_environment(const char* name);

// A model folder: `path_or_id` itself if it is a folder; else, for a hub id such as
// stabilityai/stable-video-diffusion-img2vid-xt-1-1, its newest snapshot in the local Hugging Face cache
// (HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub). Nothing is downloaded.
[[nodiscard]] Result<std::string> find_model_folder(const std::string& path_or_id,
                                                    const Environment& environment = process_environment);

// Tensors of one file: .safetensors, a sharded *.safetensors.index.json, or what torch.save wrote.
[[nodiscard]] Result<TensorSet> open_weights(const std::string& path);

// Weights of one part of a diffusers folder, e.g. (".../vae", "diffusion_pytorch_model"). Like the original
// it takes the fp16 variant where there is one: STEM.fp16.safetensors, STEM.safetensors, the same sharded,
// .bin.
[[nodiscard]] Result<TensorSet> open_component(const std::string& folder, std::string_view stem);

}  // namespace mimicfleet::weights
