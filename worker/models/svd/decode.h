#pragma once

#include <cstdint>
#include <functional>

#include "worker/models/svd/pipeline.h"

namespace mimicfleet::svd {

// The next `count` frames of latents [1, n, 4, h, w], n = count but at the end; an undefined tensor
// after it.
using LatentsSupply = std::function<Result<at::Tensor>(std::int64_t count)>;

// As decode_latents() of pipeline.h, of latents that need not be in memory at once: memory does not
// grow with their number. Codes of `latents` and `sink` end it.
[[nodiscard]] Status decode_supply(const DiffusionModels& models, const LatentsSupply& latents,
                                   int chunk, const FrameSink& sink);

}  // namespace mimicfleet::svd
