#include "jobs/features.h"

#include <functional>
#include <set>

#include <gtest/gtest.h>

namespace mimicfleet::jobs {
namespace {

struct Inputs {
  Digest video = sha256("video");
  Digest reference = sha256("reference");
  ModelSet models;
  Parameters parameters;
};

FeatureKeys keys_with(const std::function<void(Inputs&)>& change) {
  Inputs inputs;
  change(inputs);
  return feature_keys(inputs.video, inputs.reference, inputs.models, inputs.parameters);
}
const FeatureKeys kBase = keys_with([](Inputs&) {});

TEST(FeatureKeys, WhatDeterminesKeyPointsIsInTheirKeyAndTheLengthOfTheClipIsNot) {
  const auto key = [](const std::function<void(Inputs&)>& change) {
    return keys_with(change).keypoints;
  };
  EXPECT_NE(key([](Inputs& in) { in.video = sha256("other"); }), kBase.keypoints);
  EXPECT_NE(key([](Inputs& in) { in.models.detector = sha256("other"); }), kBase.keypoints);
  EXPECT_NE(key([](Inputs& in) { in.parameters.sample_stride = 3; }), kBase.keypoints);
  EXPECT_EQ(key([](Inputs& in) { in.parameters.max_pose_frames = 50; }), kBase.keypoints);
  EXPECT_EQ(key([](Inputs& in) { in.parameters.seed = 1; }), kBase.keypoints);
  EXPECT_EQ(key([](Inputs& in) { in.reference = sha256("other"); }), kBase.keypoints);
  EXPECT_EQ(key([](Inputs& in) { in.models.diffusion = sha256("other"); }), kBase.keypoints);
}

TEST(FeatureKeys, TheReferenceImageDependsOnTheSizeThatWasAskedFor) {
  const auto key = [](int resolution, int width, int height) {
    return keys_with([&](Inputs& in) {
             in.parameters.resolution = resolution;
             in.parameters.width = width;
             in.parameters.height = height;
           })
        .reference_image;
  };
  EXPECT_NE(key(576, 0, 0), key(512, 0, 0));
  EXPECT_NE(key(576, 0, 0), key(576, 576, 1024));
  EXPECT_EQ(key(576, 576, 1024), key(512, 576, 1024)) << "an explicit size beats the resolution";
}

TEST(FeatureKeys, EachModelIsInTheKeysOfWhatItMakesAndInNoOther) {
  const auto clip = keys_with([](Inputs& in) { in.models.clip = sha256("other"); });
  EXPECT_NE(clip.clip_embedding, kBase.clip_embedding);
  EXPECT_EQ(clip.vae_latent, kBase.vae_latent);
  const auto vae = keys_with([](Inputs& in) { in.models.vae = sha256("other"); });
  EXPECT_NE(vae.vae_latent, kBase.vae_latent);
  EXPECT_EQ(vae.clip_embedding, kBase.clip_embedding);
  const auto detector = keys_with([](Inputs& in) { in.models.detector = sha256("other"); });
  EXPECT_NE(detector.reference_keypoints, kBase.reference_keypoints);
  EXPECT_EQ(detector.reference_image, kBase.reference_image);
}

TEST(FeatureKeys, TheSeedCountsForTheImageLatentOnlyWithNoise) {
  const auto key = [](std::uint64_t seed, double noise) {
    return keys_with([&](Inputs& in) {
             in.parameters.seed = seed;
             in.parameters.noise_aug_strength = noise;
           })
        .vae_latent;
  };
  EXPECT_EQ(key(1, 0), key(2, 0));
  EXPECT_NE(key(1, 0.02), key(2, 0.02));
  EXPECT_NE(key(1, 0), key(1, 0.02));
}

TEST(FeatureKeys, NoTwoKindsShareAKeyOrATag) {
  std::set<Digest> keys;
  std::set<std::uint64_t> tags;
  for (const FeatureKind kind : kFeatureKinds) {
    keys.insert(kBase.of(kind));
    tags.insert(feature_tag(kBase.of(kind)));
  }
  EXPECT_EQ(keys.size(), kFeatureKinds.size());
  EXPECT_EQ(tags.size(), kFeatureKinds.size());
}

TEST(FeaturePolicy, SaysWhatMayBeTakenAndLeft) {
  const FeaturePolicy all;
  const FeaturePolicy none{false, false, true};
  const FeaturePolicy refresh{true, true, true};
  const FeaturePolicy poses{true, false, false};
  EXPECT_TRUE(all.takes(FeatureKind::kVaeLatent) && all.leaves(FeatureKind::kVaeLatent));
  EXPECT_FALSE(none.takes(FeatureKind::kKeypoints) || none.leaves(FeatureKind::kKeypoints));
  EXPECT_FALSE(refresh.takes(FeatureKind::kKeypoints));
  EXPECT_TRUE(refresh.leaves(FeatureKind::kKeypoints));
  EXPECT_TRUE(poses.takes(FeatureKind::kKeypoints) && poses.takes(FeatureKind::kReferenceImage));
  EXPECT_FALSE(poses.takes(FeatureKind::kClipEmbedding) || poses.leaves(FeatureKind::kVaeLatent));
}

}  // namespace
}  // namespace mimicfleet::jobs
