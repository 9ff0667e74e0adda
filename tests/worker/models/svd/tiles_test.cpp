#include "worker/models/svd/tiles.h"

#include <fstream>
#include <iterator>

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "common/json/json.h"
#include "tests/worker/models/golden.h"

namespace mimicfleet::svd {
namespace {

std::vector<std::int64_t> frames_of(const Tile& tile) {
  std::vector<std::int64_t> frames = {0};
  for (std::int64_t i = 0; i < tile.count; ++i) frames.push_back(tile.first + i);
  return frames;
}

std::int64_t integer(const wire::Value& value) {
  return static_cast<std::int64_t>(*value.get_if<std::uint64_t>());
}

double number(const wire::Value& value) {
  if (const auto* real = value.get_if<double>()) return *real;
  return static_cast<double>(*value.get_if<std::uint64_t>());
}

TEST(Tiles, AreTheOriginalsInEveryCaseThatItCanDo) {
  std::ifstream file(golden_path("goldens/tiles.json"));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto document = json::parse(text);
  ASSERT_TRUE(document.ok());
  int compared = 0;
  for (const auto& row : *document->get_if<wire::Array>()) {
    const std::int64_t frames = integer(*row.find("num_frames"));
    const Tiling tiling =
        make_tiling(frames, integer(*row.find("tile_size")), integer(*row.find("tile_overlap")));
    if (row.find("indices") == nullptr) continue;
    ++compared;
    const auto& expected = *row.find("indices")->get_if<wire::Array>();
    ASSERT_EQ(tiling.tiles.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      std::vector<std::int64_t> indices;
      for (const auto& index : *expected[i].get_if<wire::Array>()) indices.push_back(integer(index));
      EXPECT_EQ(frames_of(tiling.tiles[i]), indices);
    }
    const auto& weight = *row.find("weight")->get_if<wire::Array>();
    const at::Tensor weights = tile_weights(tiling.size);
    for (std::size_t i = 0; i < weight.size(); ++i) {
      EXPECT_FLOAT_EQ(weights[static_cast<std::int64_t>(i)].item<float>(),
                      static_cast<float>(number(weight[i])));
    }
    const auto& count = *row.find("count")->get_if<wire::Array>();
    const at::Tensor sums = summed_weights(tiling, frames);
    for (std::size_t i = 0; i < count.size(); ++i) {
      EXPECT_NEAR(sums[static_cast<std::int64_t>(i)].item<float>(), number(count[i]), 1e-5);
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
