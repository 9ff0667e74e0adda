#pragma once

#include <string>

#include "common/digest.h"
#include "common/model_files/weights/tensor_set.h"
#include "common/status.h"

namespace mimicfleet::formats {

// What UniSignMimicTurbo kept (scripts/inference/inference_latent_concat.py: torch.save of a
// dictionary with `latents` and `metadata`), as the bytes of a file of docs/latent_format.md. Of
// what they were made of the original kept nothing, so nor does the result; `vae`: the VAE that
// they belong to, zero if it is not known. kBadInput naming what does not fit: no latents [1, F, 4,
// h, w] of type F16 or F32, numbers that are not finite, metadata that contradict them.
[[nodiscard]] Result<std::string> imported_latents(const weights::TensorSet& kept,
                                                   const Digest& vae, const std::string& origin);

// Reads FILE and writes `directory`/<stem>.safetensors, whose path it gives back.
// kFailedPrecondition if that is there and not to be replaced; codes of
// weights::open_torch_checkpoint().
[[nodiscard]] Result<std::string> import_latents(const std::string& file,
                                                 const std::string& directory, const Digest& vae,
                                                 bool replace);

}  // namespace mimicfleet::formats
