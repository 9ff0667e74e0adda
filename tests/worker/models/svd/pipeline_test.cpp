// The pipeline from the original's pose pictures to latents and frames, against what the original made of
// them.
#include "worker/models/svd/pipeline.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/worker/models/golden.h"

namespace mimicfleet::svd {
namespace {

using ::testing::HasSubstr;

constexpr double kLatentsBound = 3e-4;

at::Tensor pose_pictures() {
  std::vector<std::string> paths;
  for (int i = 0; i < 14; ++i)
    paths.push_back(golden_path(fmt::format("goldens/pose/seed/pose_{:03}.png", i)));
  return read_pictures(paths);
}

at::Tensor reference_image() { return Golden("pose/pose")["ref_roundtrip_u8"].permute({2, 0, 1}); }

struct Clip {
  ImageConditioning conditioning;
  at::Tensor latents;  // [1, F, 4, h, w]
  at::Tensor frames;   // [F, 3, H, W] uint8
};

SamplingParameters parameters_of(const Golden& golden) {
  SamplingParameters parameters;
  parameters.scheduler =
      golden.metadata("scheduler") == "AnimateLCM_SVD" ? SchedulerKind::kLcm : SchedulerKind::kEuler;
  parameters.steps = std::stoi(golden.metadata("steps"));
  parameters.min_guidance = parameters.max_guidance = std::stod(golden.metadata("guidance"));
  parameters.tile = std::stoi(golden.metadata("tile_size"));
  parameters.overlap = std::stoi(golden.metadata("tile_overlap"));
  parameters.motion_fps = std::stoi(golden.metadata("fps"));
  parameters.noise_aug_strength = std::stod(golden.metadata("noise_aug_strength"));
  parameters.seed = std::stoull(golden.metadata("seed"));
  return parameters;
}

at::Tensor decode_all(const at::Tensor& latents, int chunk) {
  std::vector<at::Tensor> chunks;
  const Status status = decode_latents(golden_models(), latents, chunk, [&](const at::Tensor& frames) {
    chunks.push_back(frames);
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status;
  return at::cat(chunks);
}

Clip make_clip(const SamplingParameters& parameters) {
  const at::Tensor image = reference_image();
  Clip clip;
  clip.conditioning.clip_embedding = encode_clip(golden_models(), image).value();
  clip.conditioning.vae_latent =
      encode_image_latent(golden_models(), image, parameters.seed, parameters.noise_aug_strength).value();
  const auto sampled = sample_latents(golden_models(), clip.conditioning, pose_pictures(), parameters);
  EXPECT_TRUE(sampled.ok()) << sampled.status();
  clip.latents = sampled->latents;
  clip.frames = decode_all(clip.latents, 8);
  return clip;
}

// At least 99.5 % of the pixels within 1, none beyond 3.
void expect_frames_near(const at::Tensor& frames, const Golden& golden) {
  // The original drops the first frame.
  const at::Tensor chosen = frames.index_select(0, golden["frames_u8_index"] + 1);
  const at::Tensor difference = (chosen.to(at::kInt) - golden["frames_u8"].to(at::kInt)).abs();
  EXPECT_GE(difference.le(1).to(at::kDouble).mean().item<double>(), 0.995);
  EXPECT_LE(difference.max().item<int>(), 3);
}

class GoldenPipeline : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenPipeline, LatentsAndFramesAreTheOriginals) {
  const Golden golden(GetParam());
  const Clip clip = make_clip(parameters_of(golden));
  EXPECT_LE(relative_difference(clip.conditioning.clip_embedding, golden["image_embeddings"].narrow(0, 1, 1)),
            kModuleBound);
  EXPECT_LE(relative_difference(clip.conditioning.vae_latent, golden["image_latents"].narrow(0, 1, 1)),
            kLatentsBound);
  EXPECT_LE(relative_difference(clip.latents, golden["latents_final"]), kLatentsBound);
  expect_frames_near(clip.frames, golden);
}

INSTANTIATE_TEST_SUITE_P(Pipeline, GoldenPipeline,
                         ::testing::Values("pipeline_euler", "pipeline_lcm", "pipeline_noiseaug_euler"));

// Few steps, small enough for a quick test.
SamplingParameters quick() {
  SamplingParameters parameters;
  parameters.steps = 1;
  parameters.tile = 4;
  parameters.overlap = 1;
  return parameters;
}

ImageConditioning some_conditioning() {
  const Golden golden("pipeline_euler");
  return {golden["image_embeddings"].narrow(0, 1, 1), golden["image_latents"].narrow(0, 1, 1)};
}

TEST(Sampling, OneDrivingFrameIsAValidClip) {
  const auto sampled =
      sample_latents(golden_models(), some_conditioning(), pose_pictures().narrow(0, 0, 2), quick());
  ASSERT_TRUE(sampled.ok()) << sampled.status();
  EXPECT_EQ(sampled->latents.sizes(), (at::IntArrayRef{1, 2, 4, 24, 16}));
}

TEST(Sampling, WithoutGuidanceThereIsOnePassAndItIsTheLimitOfTheTwo) {
  SamplingParameters parameters = quick();
  const at::Tensor pose = pose_pictures().narrow(0, 0, 4);
  parameters.min_guidance = parameters.max_guidance = 1;
  const auto one_pass = sample_latents(golden_models(), some_conditioning(), pose, parameters);
  parameters.min_guidance = parameters.max_guidance = 1.0000001;
  const auto two_passes = sample_latents(golden_models(), some_conditioning(), pose, parameters);
  ASSERT_TRUE(one_pass.ok() && two_passes.ok());
  EXPECT_LE(relative_difference(one_pass->latents, two_passes->latents), kLatentsBound);
}

TEST(Sampling, GuidanceRampsOverTheFrames) {
  SamplingParameters parameters = quick();
  const at::Tensor pose = pose_pictures().narrow(0, 0, 4);
  parameters.min_guidance = 1;
  parameters.max_guidance = 3;
  const auto ramp = sample_latents(golden_models(), some_conditioning(), pose, parameters);
  for (const auto& [frame, guidance] : {std::pair(0, 1.0000001), std::pair(3, 3.0)}) {
    parameters.min_guidance = parameters.max_guidance = guidance;
    const auto constant = sample_latents(golden_models(), some_conditioning(), pose, parameters);
    EXPECT_LE(relative_difference(ramp->latents.select(1, frame), constant->latents.select(1, frame)), 1e-5);
  }
}

TEST(Sampling, TheSameInputGivesTheSameBytes) {
  const at::Tensor pose = pose_pictures();
  const auto first = sample_latents(golden_models(), some_conditioning(), pose, quick());
  const auto second = sample_latents(golden_models(), some_conditioning(), pose, quick());
  EXPECT_TRUE(first->latents.equal(second->latents));
  EXPECT_TRUE(decode_all(first->latents, 3).equal(decode_all(second->latents, 3)));
}

TEST(Sampling, ReportsEveryTileAndStopsWhenToldTo) {
  std::vector<std::string> seen;
  const auto stop_at_second_step = [&](const SamplingProgress& progress) {
    seen.push_back(fmt::format("{}/{} {}/{}", progress.step, progress.steps, progress.tile, progress.tiles));
    return progress.step < 2;
  };
  SamplingParameters parameters = quick();
  parameters.steps = 3;
  const auto sampled = sample_latents(golden_models(), some_conditioning(), pose_pictures().narrow(0, 0, 6),
                                      parameters, stop_at_second_step);
  EXPECT_EQ(sampled.status().code(), StatusCode::kCancelled);
  EXPECT_THAT(seen, ::testing::ElementsAre("1/3 1/2", "1/3 2/2", "2/3 1/2"));
}

TEST(Sampling, SizesThatTheModelsCannotDoAreNamed) {
  const auto sampled =
      sample_latents(golden_models(), some_conditioning(), at::zeros({2, 3, 100, 128}, at::kByte), quick());
  EXPECT_EQ(sampled.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(sampled.status().message(), HasSubstr("128x100"));
  EXPECT_THAT(sampled.status().message(), HasSubstr("multiples of 64"));
  const auto too_short =
      sample_latents(golden_models(), some_conditioning(), pose_pictures().narrow(0, 0, 1), quick());
  EXPECT_EQ(too_short.status().code(), StatusCode::kInvalidArgument);
}

TEST(Sampling, ConditioningOfAnotherSizeIsRefused) {
  ImageConditioning conditioning = some_conditioning();
  conditioning.vae_latent = at::zeros({1, 4, 8, 8});
  const auto sampled = sample_latents(golden_models(), conditioning, pose_pictures(), quick());
  EXPECT_EQ(sampled.status().code(), StatusCode::kInvalidArgument);
}

TEST(Decoding, AFailureOfTheSinkEndsIt) {
  int calls = 0;
  const Status status =
      decode_latents(golden_models(), at::zeros({1, 4, 4, 8, 8}), 1, [&](const at::Tensor&) {
        ++calls;
        return Status(StatusCode::kResourceExhausted, "disk full");
      });
  EXPECT_EQ(status.message(), "disk full");
  EXPECT_EQ(calls, 1);
}

TEST(Decoding, WrongLatentsAreRefused) {
  const auto refuse = [](const at::Tensor&) { return Status(); };
  EXPECT_FALSE(decode_latents(golden_models(), at::zeros({1, 4, 8, 8}), 1, refuse).ok());
  EXPECT_FALSE(decode_latents(golden_models(), at::zeros({1, 4, 4, 8, 8}), 0, refuse).ok());
}

}  // namespace
}  // namespace mimicfleet::svd
