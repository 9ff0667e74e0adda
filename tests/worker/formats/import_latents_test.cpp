#include "worker/formats/import_latents.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/read_text.h"
#include "tests/paths.h"
#include "tests/temporary_folder.h"
#include "worker/formats/latents_bytes.h"

namespace mimicfleet::formats {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kKept = source_path("tests/goldens/latents_pt/kept.pt");

// Latents [1, 2, 4, 1, 1] of halves 1.0, and metadata that fit.
struct Kept {
  std::vector<std::uint16_t> values = std::vector<std::uint16_t>(8, 0x3C00);
  weights::TensorSet set;

  Kept() {
    weights::TensorView view;
    view.dtype = weights::DType::kF16;
    view.shape = {1, 2, 4, 1, 1};
    view.strides = weights::contiguous_strides(view.shape);
    set.tensors["latents"] = view;
    set.metadata = {{"metadata.video_name", "a.mp4"},
                    {"metadata.num_frames", "2"},
                    {"metadata.height", "8"},
                    {"metadata.width", "8"},
                    {"metadata.fps", "12.500000"}};
  }
  std::string error() {
    set.tensors["latents"].bytes = {reinterpret_cast<const std::uint8_t*>(values.data()),
                                    values.size() * 2};
    const auto bytes = imported_latents(set, {}, "a.pt");
    return bytes.ok() ? "" : bytes.status().message();
  }
};

TEST(ImportLatents, AFileOfTheOriginalBecomesOneOfOurs) {
  const TemporaryFolder folder;
  const Digest vae = sha256("vae");
  const auto path = import_latents(kKept, folder.path("new"), vae, false);
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*path, folder.path("new/kept.safetensors"));
  const auto latents = latents_from_bytes(*read_text(*path, 1 << 20), *path);
  ASSERT_TRUE(latents.ok()) << latents.status();
  EXPECT_EQ(latents->frames(), 3);
  EXPECT_EQ(latents->tensor.dtype, weights::DType::kF16);
  EXPECT_EQ(latents->metadata.at("video_name"), "hello.mp4");
  EXPECT_EQ(latents->metadata.at("fps"), "15");
  EXPECT_EQ(latents->metadata.at("seed"), "42");
  EXPECT_EQ(latents->metadata.at("vae"), vae.hex());
  EXPECT_FALSE(latents->metadata.contains("key"));
  // arange(n) / 8: see tests/goldens/README.md
  std::vector<std::uint16_t> halves(latents->tensor.bytes.size() / 2);
  std::memcpy(halves.data(), latents->tensor.bytes.data(), latents->tensor.bytes.size());
  EXPECT_EQ(halves[0], 0);
  EXPECT_EQ(halves[8], 0x3C00);
  EXPECT_EQ(halves[100], 0x4A40);  // 12.5
  const auto again = import_latents(kKept, folder.path("new"), vae, false);
  EXPECT_EQ(again.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(import_latents(kKept, folder.path("new"), vae, true).ok());
}

TEST(ImportLatents, WhatDoesNotFitIsNamed) {
  EXPECT_EQ(Kept().error(), "");
  Kept frames;
  frames.set.metadata["metadata.num_frames"] = "3";
  EXPECT_EQ(frames.error(), "a.pt: its num_frames is 3, its latents show 2");
  Kept fps;
  fps.set.metadata["metadata.fps"] = "fast";
  EXPECT_EQ(fps.error(), "a.pt: its fps is no number");
  Kept infinite;
  infinite.values[3] = 0x7C00;
  EXPECT_THAT(infinite.error(), HasSubstr("not finite"));
  Kept shape;
  shape.set.tensors["latents"].shape = {1, 2, 3, 1, 1};
  EXPECT_THAT(shape.error(),
              AllOf(HasSubstr("F16 [1, 2, 3, 1, 1]"), HasSubstr("expected are [1, F, 4, h, w]")));
  Kept other;
  other.set.tensors.clear();
  EXPECT_THAT(imported_latents(other.set, {}, "a.pt").status().message(),
              HasSubstr("holds no `latents`"));
}

TEST(ImportLatents, AWindowOfAStorageIsCopiedInItsOrder) {
  Kept kept;
  auto& view = kept.set.tensors["latents"];
  view.strides = {8, 1, 2, 1, 1};  // frames side by side
  for (std::uint16_t i = 0; i < 8; ++i) kept.values[i] = i;
  view.bytes = {reinterpret_cast<const std::uint8_t*>(kept.values.data()), 16};
  const auto bytes = imported_latents(kept.set, {}, "a.pt");
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const auto latents = latents_from_bytes(*bytes, "a");
  const auto* low = latents->tensor.bytes.data();
  const std::vector<int> order = {low[0], low[2],  low[4],  low[6],
                                  low[8], low[10], low[12], low[14]};
  EXPECT_EQ(order, (std::vector<int>{0, 2, 4, 6, 1, 3, 5, 7}));
}

}  // namespace
}  // namespace mimicfleet::formats
