#include "worker/cache/feature_keys.h"

#include <functional>
#include <set>

#include <gtest/gtest.h>

namespace mimicfleet::cache {
namespace {

const jobs::NumericsClass kNumerics{"libtorch-2.11.0", "cpu-avx2", "fp32", 1};

TEST(FeatureKeys, WhatDeterminesKeyPointsIsInTheirKeyAndTheLengthOfTheClipIsNot) {
  const auto key = [](const std::function<void(jobs::NumericsClass&, jobs::Parameters&)>& change) {
    auto numerics = kNumerics;
    jobs::Parameters parameters;
    change(numerics, parameters);
    return keypoints_key(numerics, sha256("video"), sha256("detector"), parameters);
  };
  const Digest base = key([](auto&, auto&) {});
  EXPECT_NE(key([](auto& numerics, auto&) { numerics.threads = 2; }), base);
  EXPECT_NE(key([](auto&, auto& parameters) { parameters.sample_stride = 3; }), base);
  EXPECT_EQ(key([](auto&, auto& parameters) { parameters.max_pose_frames = 50; }), base);
  EXPECT_EQ(key([](auto&, auto& parameters) { parameters.seed = 1; }), base);
  EXPECT_NE(keypoints_key(kNumerics, sha256("other"), sha256("detector"), {}), base);
  EXPECT_NE(keypoints_key(kNumerics, sha256("video"), sha256("other"), {}), base);
}

TEST(FeatureKeys, TheReferenceImageDependsOnTheSizeThatWasAskedFor) {
  const auto key = [](int resolution, int width, int height) {
    jobs::Parameters parameters;
    parameters.resolution = resolution;
    parameters.width = width;
    parameters.height = height;
    return reference_image_key(kNumerics, sha256("image"), parameters);
  };
  EXPECT_NE(key(576, 0, 0), key(512, 0, 0));
  EXPECT_NE(key(576, 0, 0), key(576, 576, 1024));
  EXPECT_EQ(key(576, 576, 1024), key(512, 576, 1024)) << "an explicit size beats the resolution";
}

TEST(FeatureKeys, TheSeedCountsForTheImageLatentOnlyWithNoise) {
  const auto key = [](std::uint64_t seed, double noise) {
    jobs::Parameters parameters;
    parameters.seed = seed;
    parameters.noise_aug_strength = noise;
    return vae_latent_key(sha256("image"), sha256("vae"), parameters);
  };
  EXPECT_EQ(key(1, 0), key(2, 0));
  EXPECT_NE(key(1, 0.02), key(2, 0.02));
  EXPECT_NE(key(1, 0), key(1, 0.02));
}

TEST(FeatureKeys, NoTwoKindsShareAKey) {
  const Digest same = sha256("same");
  const std::set<Digest> keys = {
      keypoints_key(kNumerics, same, same, {}), reference_image_key(kNumerics, same, {}),
      reference_keypoints_key(same, same), clip_embedding_key(same, same), vae_latent_key(same, same, {})};
  EXPECT_EQ(keys.size(), 5);
}

}  // namespace
}  // namespace mimicfleet::cache
