#include "worker/models/svd/tiles.h"

#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tests/parity/figures.h"
#include "tests/worker/models/golden.h"
#include "worker/models/svd/noise.h"

namespace mimicfleet::svd {
namespace {

std::vector<std::int64_t> frames_of(const Tile& tile) {
  std::vector<std::int64_t> frames = {0};
  for (std::int64_t i = 0; i < tile.count; ++i) frames.push_back(tile.first + i);
  return frames;
}

// How far the numbers are from those of a row of the golden table; infinitely if there are not as
// many.
template <typename Numbers>
double largest_difference(const Numbers& actual, const wire::Value& expected) {
  const auto& numbers = *expected.get_if<wire::Array>();
  if (actual.size() != numbers.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(actual[i]) - number(numbers[i])));
  return largest;
}

std::vector<float> values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.flatten().contiguous();
  const auto* values = flat.const_data_ptr<float>();
  return {values, values + flat.numel()};
}

TEST(Tiles, AreTheOriginalsInEveryCaseThatItCanDo) {
  const wire::Value rows = golden_json("tiles.json");
  const auto compare = [](const std::string& part, double largest, double bound) {
    EXPECT_TRUE(
        parity::within_bound({"pack_a/goldens/tiles.json", part, "difference", largest, bound}));
  };
  int compared = 0;
  for (const auto& row : *rows.get_if<wire::Array>()) {
    const std::int64_t frames = integer(*row.find("num_frames"));
    const std::int64_t size = integer(*row.find("tile_size"));
    const Tiling tiling = make_tiling(frames, size, integer(*row.find("tile_overlap")));
    if (row.find("indices") == nullptr) continue;
    ++compared;
    const auto& tiles = *row.find("indices")->get_if<wire::Array>();
    ASSERT_EQ(tiling.tiles.size(), tiles.size());
    for (std::size_t i = 0; i < tiles.size(); ++i)
      compare("indices", largest_difference(frames_of(tiling.tiles[i]), tiles[i]), 0);
    compare("weight", largest_difference(values_of(tile_weights(tiling.size)), *row.find("weight")),
            1e-7);
    compare("count",
            largest_difference(values_of(summed_weights(tiling, frames)), *row.find("count")),
            1e-5);
    // Which frame of the tile that is drawn gives a frame its noise.
    const at::Tensor noise =
        draw_initial_latents(frames, size, 1, 1, make_generator(1)).select(2, 0);
    for (std::int64_t i = 0; i < frames; ++i) {
      const auto& source =
          row.find("noise_source_frame")->get_if<wire::Array>()->at(static_cast<std::size_t>(i));
      const at::Tensor difference = noise.select(1, i) - noise.select(1, integer(source));
      compare("noise_source_frame", difference.abs().item<double>(), 0);
    }
  }
  EXPECT_GE(compared, 10);
}

TEST(Tiles, AClipShorterThanATileIsOneTile) {
  const Tiling tiling = make_tiling(5, 16, 6);
  EXPECT_EQ(tiling.size, 5);
  EXPECT_EQ(tiling.tiles, (std::vector<Tile>{{1, 4}}));
}

TEST(Tiles, OneDrivingFrameIsAValidClip) {
  const Tiling tiling = make_tiling(2, 16, 6);
  EXPECT_EQ(tiling.overlap, 1);
  EXPECT_EQ(tiling.tiles, (std::vector<Tile>{{1, 1}}));
}

TEST(Tiles, EveryFrameIsInSomeTileWhateverTheSizes) {
  for (std::int64_t frames = 2; frames < 20; ++frames) {
    for (std::int64_t size = 0; size < 12; ++size) {
      for (std::int64_t overlap = -1; overlap < 12; ++overlap) {
        const Tiling tiling = make_tiling(frames, size, overlap);
        EXPECT_GT(summed_weights(tiling, frames).min().item<float>(), 0)
            << frames << " " << size << " " << overlap;
        EXPECT_EQ(tiling.tiles.back().first + tiling.tiles.back().count, frames);
      }
    }
  }
}

TEST(Tiles, WhatIsTakenComesBackToItsFrames) {
  const Tiling tiling = make_tiling(7, 4, 1);
  const at::Tensor frames = at::arange(7, at::kFloat).view({1, 7, 1, 1, 1});
  const at::Tensor sum = at::zeros({1, 7, 1, 1, 1});
  const at::Tensor weights = tile_weights(tiling.size).view({-1, 1, 1, 1});
  for (const auto& tile : tiling.tiles) add_tile(sum, take_tile(frames, tile, 1), weights, tile);
  sum.div_(summed_weights(tiling, 7).view({-1, 1, 1, 1}));
  EXPECT_LE(relative_difference(sum, frames), 1e-6);
}

}  // namespace
}  // namespace mimicfleet::svd
