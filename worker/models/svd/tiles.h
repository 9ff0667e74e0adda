#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

// How a long clip is denoised in windows (pipeline_mimicmotion.py: __call__, step 8): every tile
// holds frame 0, then a run of neighbours; what tiles say about a frame is averaged, weighted by
// the frame's place in each tile.
namespace mimicfleet::svd {

struct Tile {
  std::int64_t first;  // the frame that follows frame 0
  std::int64_t count;  // of frames after frame 0

  friend bool operator==(const Tile&, const Tile&) = default;
};

struct Tiling {
  std::int64_t size;     // frames a tile has, frame 0 included
  std::int64_t overlap;  // frames that two neighbours share
  std::vector<Tile> tiles;
};

// Tiles that cover `frames` >= 2. The size is brought into 2..frames and the overlap into
// 0..size-1, which makes every clip valid; the original fails on clips shorter than a tile.
[[nodiscard]] Tiling make_tiling(std::int64_t frames, std::int64_t size, std::int64_t overlap);

// Triangular weights by the place in a tile, [size] float32: (k + 0.5) * 2 / size up to the middle,
// then mirrored.
[[nodiscard]] at::Tensor tile_weights(std::int64_t size);

// The frames of a tile along dimension `dim`.
[[nodiscard]] at::Tensor take_tile(const at::Tensor& frames, const Tile& tile, std::int64_t dim);

// sum[:, tile's frames] += values * weights. sum: [1, F, ...]; values: [1, size, ...]; weights:
// [size, 1, 1, 1].
void add_tile(const at::Tensor& sum, const at::Tensor& values, const at::Tensor& weights,
              const Tile& tile);

// What the weights of all tiles add up to for each frame, [frames] float32.
[[nodiscard]] at::Tensor summed_weights(const Tiling& tiling, std::int64_t frames);

}  // namespace mimicfleet::svd
