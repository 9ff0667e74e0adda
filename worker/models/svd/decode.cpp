#include "worker/models/svd/decode.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/ScalarType.h>
#include <fmt/format.h>

#include "worker/models/nn/guarded.h"
#include "worker/models/svd/autoencoder.h"
#include "worker/models/svd/pipeline.h"

namespace mimicfleet::svd {
namespace {

// Around [-1, 1] to 0..255; numbers are cut, not rounded, as in the original. [n, 3, H, W] uint8 on the CPU.
at::Tensor to_pixels(const at::Tensor& frames) {
  at::Tensor x = frames.to(at::kFloat);
  x = x.div(2).add_(0.5).clamp_(0, 1).mul_(255);
  return x.to(at::kByte).to(at::kCPU).contiguous();
}

// As pixels they would be a black picture that looks like a result.
Status not_finite(at::ScalarType dtype) {
  return {StatusCode::kBadInput, fmt::format("the VAE decoder made numbers that are not finite in {}; use "
                                             "--precision fp32, or other models",
                                             c10::toString(dtype))};
}

}  // namespace

Status decode_supply(const DiffusionModels& models, const LatentsSupply& latents, int chunk,
                     const FrameSink& sink) {
  if (chunk < 1) return {StatusCode::kInvalidArgument, "decode-chunk-size: give at least 1"};
  return nn::guarded("VAE decoder", [&]() -> Status {
    for (;;) {
      ASSIGN_OR_RETURN(const at::Tensor next, latents(chunk));
      if (!next.defined()) return {};
      if (next.dim() != 5 || next.size(0) != 1 || next.size(2) != 4) {
        return {StatusCode::kInvalidArgument, "latents: not of the form [1, frames, 4, height, width]"};
      }
      const at::Tensor part = next[0].to(models.device, models.dtype);  // [n, 4, h, w]
      const at::Tensor decoded = models.vae->decode(part);              // [n, 3, H, W]
      if (!at::isfinite(decoded).all().item<bool>()) return not_finite(models.dtype);
      RETURN_IF_ERROR(sink(to_pixels(decoded)));
    }
  });
}

Status decode_latents(const DiffusionModels& models, const at::Tensor& latents, int chunk,
                      const FrameSink& sink) {
  std::int64_t first = 0;
  const LatentsSupply supply = [&](std::int64_t count) -> Result<at::Tensor> {
    if (latents.dim() != 5) return latents;  // refused
    count = std::min(count, latents.size(1) - first);
    if (count <= 0) return at::Tensor();
    first += count;
    return latents.narrow(1, first - count, count);
  };
  return decode_supply(models, supply, chunk, sink);
}

}  // namespace mimicfleet::svd
