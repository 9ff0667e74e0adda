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

Status decode_latents(const DiffusionModels& models, const at::Tensor& latents, int chunk,
                      const FrameSink& sink) {
  if (latents.dim() != 5 || latents.size(0) != 1 || latents.size(2) != 4) {
    return {StatusCode::kInvalidArgument, "latents: not of the form [1, frames, 4, height, width]"};
  }
  if (chunk < 1) return {StatusCode::kInvalidArgument, "decode-chunk-size: give at least 1"};
  return nn::guarded("VAE decoder", [&]() -> Status {
    const std::int64_t frames = latents.size(1);
    for (std::int64_t first = 0; first < frames; first += chunk) {
      const std::int64_t count = std::min<std::int64_t>(chunk, frames - first);
      const at::Tensor part =
          latents[0].narrow(0, first, count).to(models.device, models.dtype);  // [n, 4, h, w]
      const at::Tensor decoded = models.vae->decode(part);                     // [n, 3, H, W]
      if (!at::isfinite(decoded).all().item<bool>()) return not_finite(models.dtype);
      RETURN_IF_ERROR(sink(to_pixels(decoded)));
    }
    return {};
  });
}

}  // namespace mimicfleet::svd
