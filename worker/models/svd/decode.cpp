#include "worker/models/svd/decode.h"

#include <algorithm>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/ScalarType.h>
#include <fmt/format.h>

#include "worker/models/nn/guarded.h"
#include "worker/models/nn/transfer.h"
#include "worker/models/svd/autoencoder.h"
#include "worker/models/svd/pipeline.h"

namespace mimicfleet::svd {
namespace {

// A chunk on its way: it may still be computed when the functions that made it have returned.
struct Chunk {
  nn::HostCopy pixels;     // [n, 3, H, W] uint8
  nn::HostCopy is_finite;  // one bool
};

// Around [-1, 1] to 0..255; numbers are cut, not rounded, as in the original. In the order of a
// picture's bytes.
at::Tensor to_pixels(const at::Tensor& frames) {
  at::Tensor x = frames.to(at::kFloat);
  x = x.div(2).add_(0.5).clamp_(0, 1).mul_(255);
  return x.to(at::kByte).contiguous(at::MemoryFormat::ChannelsLast);
}

// latents: [1, n, 4, h, w]
Result<Chunk> start_chunk(const DiffusionModels& models, const at::Tensor& latents) {
  if (latents.dim() != 5 || latents.size(0) != 1 || latents.size(2) != 4) {
    return Status(StatusCode::kInvalidArgument,
                  "latents: not of the form [1, frames, 4, height, width]");
  }
  // [n, 3, H, W]
  const at::Tensor decoded =
      models.vae->decode(nn::to_device(latents[0], models.device, models.dtype));
  return Chunk{nn::HostCopy(to_pixels(decoded)), nn::HostCopy(at::isfinite(decoded).all())};
}

// As pixels they would be a black picture that looks like a result.
Status not_finite(at::ScalarType dtype) {
  return {StatusCode::kBadInput,
          fmt::format("the VAE decoder made numbers that are not finite in {}; use "
                      "--precision fp32, or other models",
                      c10::toString(dtype))};
}

}  // namespace

Status decode_supply(const DiffusionModels& models, const LatentsSupply& latents, int chunk,
                     const FrameSink& sink) {
  if (chunk < 1) return {StatusCode::kInvalidArgument, "decode-chunk-size: give at least 1"};
  // A device computes a chunk while the one before goes into the sink.
  return nn::guarded("VAE decoder", [&]() -> Status {
    std::optional<Chunk> before;
    for (;;) {
      ASSIGN_OR_RETURN(const at::Tensor next, latents(chunk));
      std::optional<Chunk> started;
      if (next.defined()) {
        ASSIGN_OR_RETURN(started, start_chunk(models, next));
      }
      if (before) {
        if (!before->is_finite.get().item<bool>()) return not_finite(models.dtype);
        RETURN_IF_ERROR(sink(before->pixels.get()));
      }
      if (!started) return {};
      before = std::move(started);
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
