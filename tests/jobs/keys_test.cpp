#include "jobs/keys.h"

#include <functional>
#include <set>

#include <gtest/gtest.h>

namespace mimicfleet::jobs {
namespace {

FileRef file(const std::string& content) {
  return {"/" + content, sha256(content), content.size()};
}

Digest key_with(const std::function<void(Parameters&, ModelSet&)>& change) {
  Parameters parameters;
  ModelSet models;
  models.vae = sha256("vae");
  change(parameters, models);
  return latents_key(sha256("video"), sha256("reference"), models, parameters);
}

TEST(Keys, EveryParameterThatChangesPixelsChangesTheKey) {
  const std::vector<std::function<void(Parameters&, ModelSet&)>> changes = {
      [](Parameters&, ModelSet&) {},
      [](Parameters& p, ModelSet&) { p.resolution = 512; },
      [](Parameters& p, ModelSet&) { p.width = p.height = 576; },
      [](Parameters& p, ModelSet&) { p.steps = 4; },
      [](Parameters& p, ModelSet&) { p.scheduler = SchedulerKind::kLcm; },
      [](Parameters& p, ModelSet&) { p.guidance_scale = 1; },
      [](Parameters& p, ModelSet&) {
        p.guidance_interval = {0.2, 0.8};
      },
      [](Parameters& p, ModelSet&) {
        p.guidance_interval = {0.2, 1};
      },
      [](Parameters& p, ModelSet&) { p.fp8 = true; },
      [](Parameters& p, ModelSet&) { p.noise_aug_strength = 0.02; },
      [](Parameters& p, ModelSet&) { p.seed = 43; },
      [](Parameters& p, ModelSet&) { p.tile_frames = 8; },
      [](Parameters& p, ModelSet&) { p.tile_overlap = 2; },
      [](Parameters& p, ModelSet&) { p.sample_stride = 1; },
      [](Parameters& p, ModelSet&) { p.motion_fps = 15; },
      [](Parameters& p, ModelSet&) { p.motion_bucket_id = 60; },
      [](Parameters& p, ModelSet&) { p.max_pose_frames = 10; },
      [](Parameters& p, ModelSet&) { p.pose_canvas = 512; },
      [](Parameters& p, ModelSet&) { p.retarget = Retarget::kRescale; },
      [](Parameters& p, ModelSet&) {
        p.loras = {{file("a"), 1}};
      },
      [](Parameters& p, ModelSet&) {
        p.loras = {{file("a"), 0.8}};
      },
      [](Parameters& p, ModelSet&) {
        p.loras = {{file("b"), 1}};
      },
      [](Parameters& p, ModelSet&) {
        p.loras = {{file("a"), 1}, {file("b"), 1}};
      },
      [](Parameters& p, ModelSet&) {
        p.loras = {{file("b"), 1}, {file("a"), 1}};
      },
      [](Parameters& p, ModelSet&) { p.unet_overlay = file("a"); },
      [](Parameters&, ModelSet& m) { m.diffusion = sha256("x"); },
      [](Parameters&, ModelSet& m) { m.vae = sha256("x"); },
      [](Parameters&, ModelSet& m) { m.clip = sha256("x"); },
      [](Parameters&, ModelSet& m) { m.detector = sha256("x"); },
  };
  std::set<Digest> keys;
  for (const auto& change : changes) keys.insert(key_with(change));
  EXPECT_EQ(keys.size(), changes.size());
}

TEST(Keys, WhatOnlyTheOutputFileDependsOnIsNotInTheLatentsKey) {
  const Digest plain = key_with([](Parameters&, ModelSet&) {});
  EXPECT_EQ(plain, key_with([](Parameters& p, ModelSet&) { p.fps = 30; }));
  EXPECT_EQ(plain, key_with([](Parameters& p, ModelSet&) { p.crf = 30; }));
  EXPECT_EQ(plain, key_with([](Parameters& p, ModelSet&) { p.decode_chunk_size = 2; }));
}

TEST(Keys, ConstantsOfTheLcmSchedulerCountWhereItSamples) {
  const auto with = [](SchedulerKind scheduler, const std::function<void(LcmConstants&)>& change) {
    return key_with([&](Parameters& p, ModelSet&) {
      p.scheduler = scheduler;
      change(p.lcm);
    });
  };
  const auto nothing = [](LcmConstants&) {};
  const std::vector<std::function<void(LcmConstants&)>> changes = {
      [](LcmConstants& lcm) { lcm.train_timesteps = 50; },
      [](LcmConstants& lcm) { lcm.sigma_min = 0.01; },
      [](LcmConstants& lcm) { lcm.sigma_max = 80; },
      [](LcmConstants& lcm) { lcm.sigma_data = 0.5; },
      [](LcmConstants& lcm) { lcm.s_noise = 0; },
      [](LcmConstants& lcm) { lcm.rho = 5; },
      [](LcmConstants& lcm) { lcm.clip_denoised = true; }};
  std::set<Digest> keys = {with(SchedulerKind::kLcm, nothing)};
  for (const auto& change : changes) {
    keys.insert(with(SchedulerKind::kLcm, change));
    EXPECT_EQ(with(SchedulerKind::kEuler, change), with(SchedulerKind::kEuler, nothing));
  }
  EXPECT_EQ(keys.size(), changes.size() + 1);
}

TEST(Keys, AGuidanceIntervalCountsByTheStepsThatItGuides) {
  const auto with = [](double scale, GuidanceInterval interval) {
    return key_with([&](Parameters& p, ModelSet&) {
      p.guidance_scale = scale;
      p.guidance_interval = interval;
    });
  };
  EXPECT_EQ(with(2, {0, 1}), with(2, {0.01, 0.99})) << "all 25 steps";
  EXPECT_EQ(with(2, {0.2, 0.8}), with(2, {0.19, 0.81}));
  EXPECT_NE(with(2, {0.2, 0.8}), with(2, {0.24, 0.8}));
  EXPECT_NE(with(2, {0, 1}), with(2, {0.5, 0.51})) << "no step";
  EXPECT_EQ(with(1, {0, 1}), with(1, {0.2, 0.8})) << "no guidance at all";
}

TEST(Keys, AFileThatIsReadAsItEverWasHasItsDigestAndEveryOtherReadingAKeyOfItsOwn) {
  FileRef file{"a.mp4", sha256("video"), 5};
  EXPECT_EQ(as_read(file), sha256("video"));
  std::set<Digest> keys = {as_read(file)};
  for (const char* reading : {"upright.1", "square.1", "upright.1 square.1", "square.2"}) {
    file.reading = reading;
    EXPECT_TRUE(keys.insert(as_read(file)).second) << reading;
  }
}

// What users have made is found again: this is the key that programs without later settings gave.
TEST(Keys, SettingsThatCameLaterAreInNoKeyWhileNobodySetsThem) {
  KeyBuilder key("latents.v1");
  const Parameters p;
  key.add("numerics_version", static_cast<std::int64_t>(kNumericsVersion))
      .add("keypoints", keypoints_key(sha256("video"), {}, p))
      .add("reference", sha256("reference"))
      .add("diffusion", Digest())
      .add("vae", sha256("vae"))
      .add("clip", Digest())
      .add("resolution", std::int64_t{576})
      .add("width", std::int64_t{0})
      .add("height", std::int64_t{0})
      .add("steps", std::int64_t{25})
      .add("scheduler", "euler")
      .add("guidance_scale", 2.0)
      .add("noise_aug_strength", 0.0)
      .add("seed", std::int64_t{42})
      .add("tile_frames", std::int64_t{16})
      .add("tile_overlap", std::int64_t{6})
      .add("motion_fps", std::int64_t{7})
      .add("pose_canvas", std::int64_t{2160})
      .add("retarget", "graft");
  EXPECT_EQ(key_with([](Parameters&, ModelSet&) {}), key.finish());
  EXPECT_EQ(key_with([](Parameters& other, ModelSet&) { other.compat = Compat::kOriginal; }),
            key_with([](Parameters&, ModelSet&) {}));
}

TEST(Keys, WhereALoraLiesIsNotInTheKey) {
  const auto with_path = [](const std::string& path) {
    return key_with([&](Parameters& p, ModelSet&) { p.loras = {{{path, sha256("a"), 1}, 1}}; });
  };
  EXPECT_EQ(with_path("/x/a.safetensors"), with_path("/y/b.safetensors"));
}

TEST(Keys, AUnetIsNamedByItsModelsItsOverlayAndItsLoras) {
  Parameters plain;
  Parameters adapted;
  adapted.loras = {{file("a"), 1}};
  EXPECT_NE(unet_key(sha256("x"), plain), unet_key(sha256("y"), plain));
  EXPECT_NE(unet_key(sha256("x"), plain), unet_key(sha256("x"), adapted));
  adapted.steps = 4;
  Parameters other = adapted;
  other.steps = 8;
  other.fp8 = true;  // made of the same weights
  EXPECT_EQ(unet_key(sha256("x"), adapted), unet_key(sha256("x"), other));
}

TEST(Keys, AreTheSameOnEveryMachineAndInEveryBuild) {
  EXPECT_EQ(KeyBuilder("test")
                .add("name", "value")
                .add("n", std::int64_t{-1})
                .add("x", 0.5)
                .finish()
                .hex(),
            "ce597433b7dc90c3bf9588cf89fd0b7056c6a57beff78563f2957ce0c95750d0");
}

TEST(Keys, FieldsCannotRunIntoEachOther) {
  EXPECT_NE(KeyBuilder("t").add("ab", "c").finish(), KeyBuilder("t").add("a", "bc").finish());
}

TEST(Keys, TheOrderOfLatentsCounts) {
  const Digest a = sha256("a");
  const Digest b = sha256("b");
  EXPECT_NE(concat_key({a, b}, {}, {}), concat_key({b, a}, {}, {}));
}

TEST(Keys, AConcatenatedVideoOfOneClipIsNotTheClipsVideo) {
  EXPECT_NE(concat_key({sha256("a")}, {}, {}), video_key(sha256("a"), {}, {}));
}

TEST(Keys, HowClipsAreJoinedCountsOnlyWhereItChangesFrames) {
  const std::vector<Digest> latents = {sha256("a"), sha256("b")};
  Parameters slerp;
  slerp.interp_mode = InterpMode::kSlerp;
  EXPECT_EQ(concat_key(latents, {}, {}), concat_key(latents, {}, slerp));
  Parameters linear;
  linear.interp_frames = slerp.interp_frames = 3;
  EXPECT_NE(concat_key(latents, {}, {}), concat_key(latents, {}, linear));
  EXPECT_NE(concat_key(latents, {}, slerp), concat_key(latents, {}, linear));
  EXPECT_EQ(video_key(latents[0], {}, {}), video_key(latents[0], {}, linear));
}

}  // namespace
}  // namespace mimicfleet::jobs
