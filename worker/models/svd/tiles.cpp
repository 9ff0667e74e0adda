#include "worker/models/svd/tiles.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/zeros.h>

#include "common/check.h"

namespace mimicfleet::svd {

Tiling make_tiling(std::int64_t frames, std::int64_t size, std::int64_t overlap) {
  CHECK(frames >= 2);
  Tiling tiling;
  tiling.size = std::clamp<std::int64_t>(size, 2, frames);
  tiling.overlap = std::clamp<std::int64_t>(overlap, 1, tiling.size - 1);
  const std::int64_t rest = tiling.size - 1;
  for (std::int64_t i = 0; i + tiling.size <= frames; i += tiling.size - tiling.overlap) {
    tiling.tiles.push_back({i + 1, rest});
  }
  const Tile last{frames - rest, rest};
  if (tiling.tiles.back().first < last.first) tiling.tiles.push_back(last);
  return tiling;
}

at::Tensor tile_weights(std::int64_t size) {
  const at::Tensor rising = (at::arange(size, at::kFloat) + 0.5) * 2.0 / size;
  return at::minimum(rising, 2 - rising);
}

at::Tensor take_tile(const at::Tensor& frames, const Tile& tile, std::int64_t dim) {
  if (tile.first == 1) return frames.narrow(dim, 0, 1 + tile.count);
  return at::cat({frames.narrow(dim, 0, 1), frames.narrow(dim, tile.first, tile.count)}, dim);
}

void add_tile(const at::Tensor& sum, const at::Tensor& values, const at::Tensor& weights,
              const Tile& tile) {
  sum.narrow(1, 0, 1).addcmul_(values.narrow(1, 0, 1), weights.narrow(0, 0, 1));
  sum.narrow(1, tile.first, tile.count)
      .addcmul_(values.narrow(1, 1, tile.count), weights.narrow(0, 1, tile.count));
}

at::Tensor summed_weights(const Tiling& tiling, std::int64_t frames) {
  at::Tensor sum = at::zeros({frames}, at::kFloat);
  const at::Tensor weights = tile_weights(tiling.size);
  for (const auto& tile : tiling.tiles) {
    sum.narrow(0, 0, 1).add_(weights.narrow(0, 0, 1));
    sum.narrow(0, tile.first, tile.count).add_(weights.narrow(0, 1, tile.count));
  }
  return sum;
}

}  // namespace mimicfleet::svd
