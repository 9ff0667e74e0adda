// The pipeline from the original's pose pictures to latents and frames, against what the original
// made of them.
#include "worker/models/svd/pipeline.h"

#include <limits>
#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <ATen/record_function.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "common/model_files/weights/open.h"
#include "tests/worker/models/golden.h"
#include "worker/models/svd/noise.h"
#include "worker/models/svd/pose_net.h"
#include "worker/models/svd/unet.h"
#include "worker/models/svd/unet_weights.h"

namespace mimicfleet::svd {
namespace {

using ::testing::HasSubstr;

constexpr double kLatentsBound = 3e-4;

at::Tensor pose_pictures() {
  std::vector<std::string> names;
  for (int i = 0; i < 14; ++i) names.push_back(fmt::format("goldens/pose/seed/pose_{:03}.png", i));
  return read_pictures(names);
}

at::Tensor reference_image() { return Golden("pose/pose")["ref_roundtrip_u8"].permute({2, 0, 1}); }

jobs::Sampling parameters_of(const Golden& golden) {
  jobs::Sampling parameters;
  parameters.scheduler = golden.metadata("scheduler") == "AnimateLCM_SVD"
                             ? jobs::SchedulerKind::kLcm
                             : jobs::SchedulerKind::kEuler;
  parameters.steps = std::stoi(golden.metadata("steps"));
  parameters.guidance_scale = std::stod(golden.metadata("guidance"));
  parameters.tile_frames = std::stoi(golden.metadata("tile_size"));
  parameters.tile_overlap = std::stoi(golden.metadata("tile_overlap"));
  parameters.motion_fps = std::stoi(golden.metadata("fps"));
  parameters.noise_aug_strength = std::stod(golden.metadata("noise_aug_strength"));
  parameters.seed = std::stoull(golden.metadata("seed"));
  return parameters;
}

at::Tensor decode_all(const at::Tensor& latents, int chunk) {
  std::vector<at::Tensor> chunks;
  const Status status =
      decode_latents(golden_models(), latents, chunk, [&](const at::Tensor& frames) {
        chunks.push_back(frames);
        return Status();
      });
  EXPECT_TRUE(status.ok()) << status;
  return at::cat(chunks);
}

// Samples and decodes with the golden's parameters and compares everything that the golden holds on
// the way.
void expect_the_originals(const Golden& golden, const DiffusionModels& models = golden_models()) {
  const jobs::Sampling parameters = parameters_of(golden);
  const at::Tensor image = reference_image();
  ImageConditioning conditioning;
  conditioning.clip_embedding = encode_clip(models, image).value();
  conditioning.vae_latent =
      encode_image_latent(models, image, parameters.seed, parameters.noise_aug_strength).value();
  EXPECT_TRUE(golden.is_near("image_embeddings", after_zeros(conditioning.clip_embedding)));
  EXPECT_TRUE(golden.is_near("image_latents", after_zeros(conditioning.vae_latent)));
  const auto compare_if_there = [&](const std::string& tensor, const at::Tensor& actual) {
    if (!golden.has(tensor)) return;
    EXPECT_TRUE(golden.is_near(tensor, actual, kLatentsBound));
  };
  const auto on_step = [&](int step, const at::Tensor& prediction, const at::Tensor& latents) {
    if (step == 0) return compare_if_there("latents_init", latents);
    compare_if_there(fmt::format("step{}.latents", step - 1), latents);
    compare_if_there(fmt::format("step{}.noise_pred", step - 1), prediction);
  };
  const auto sampled =
      sample_latents(models, conditioning, pose_pictures(), parameters, {}, on_step);
  ASSERT_TRUE(sampled.ok()) << sampled.status();
  EXPECT_TRUE(golden.is_near("latents_final", sampled->latents, kLatentsBound));
  // The original drops the first.
  const at::Tensor frames = decode_all(sampled->latents, 8).slice(0, 1);
  expect_golden_frames(golden, "frames_u8", frames.index_select(0, golden["frames_u8_index"]));
}

TEST(GoldenGuidance, BothPassesInOneCallGiveTheSame) {
  DiffusionModels models = golden_models();
  models.passes_together = !models.passes_together;
  expect_the_originals(Golden("pipeline_euler"), models);
}

class GoldenPipeline : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenPipeline, EverythingOnTheWayFromThePosesToTheFramesIsTheOriginals) {
  expect_the_originals(Golden(GetParam()));
}

weights::TensorSet open_model(const std::string& name) {
  return weights::open_weights({golden_path("models/" + name)}).value();
}

TEST(GoldenTurbo, WithALoraFusedEverythingIsTheOriginals) {
  const auto tensors = open_model("lcm_lora/lora_kohya.safetensors");
  const std::vector<LoraToFuse> loras = {{tensors, "lora", 0.8}};
  DiffusionModels models = golden_models();
  models.unet = fuse_loras(*models.unet_weights, loras).value()->unet;
  expect_the_originals(Golden("pipeline_lora_euler"), models);
}

TEST(GoldenTurbo, WithAnOverlayEverythingIsTheOriginals) {
  DiffusionModels models = golden_models();
  models.unet =
      load_unet(golden_model_files().unet_config, open_model("AnimateLCM-SVD-xt-1.1.safetensors"),
                "overlay", models.unet_weights->options)
          .value()
          ->unet;
  expect_the_originals(Golden("pipeline_overlay_lcm"), models);
}

INSTANTIATE_TEST_SUITE_P(Pipeline, GoldenPipeline,
                         ::testing::Values("pipeline_euler", "pipeline_lcm",
                                           "pipeline_noiseaug_euler"));

TEST(GoldenNoise, WithAugmentationIsDrawnInTheSameOrder) {
  const Golden golden("pipeline_noiseaug_euler");
  at::Generator generator = make_generator(43);
  const at::Tensor image = draw_image_noise(192, 128, generator);
  EXPECT_TRUE(golden.is_near("image_noise_flat_every_7th",
                             image.flatten().slice(0, 0, c10::nullopt, 7), 1e-6));
  EXPECT_TRUE(golden.is_near("init_noise",
                             draw_initial_latents(14, 8, 24, 16, generator).narrow(1, 0, 8), 1e-6));
}

TEST(GoldenSchedule, SigmasAndTimeStepsAreThoseThatThePipelinesRanWith) {
  for (const char* name : {"pipeline_euler", "pipeline_lcm", "pipeline_noiseaug_euler",
                           "pipeline_lora_euler", "pipeline_overlay_lcm"}) {
    const Golden golden(name);
    const jobs::Sampling parameters = parameters_of(golden);
    const auto scheduler = parameters.scheduler == jobs::SchedulerKind::kEuler
                               ? make_euler(golden_models().scheduler, parameters.steps)
                               : make_lcm({}, parameters.steps);
    ASSERT_TRUE(scheduler.ok()) << scheduler.status();
    EXPECT_TRUE(golden.is_near("sigmas", at::tensor((*scheduler)->sigmas()), 1e-6));
    EXPECT_TRUE(golden.is_near("timesteps", at::tensor((*scheduler)->timesteps()), 1e-6));
  }
}

// Few steps, small enough for a quick test.
jobs::Sampling quick() {
  jobs::Sampling parameters;
  parameters.steps = 1;
  parameters.tile_frames = 4;
  parameters.tile_overlap = 1;
  return parameters;
}

ImageConditioning some_conditioning() {
  const Golden golden("pipeline_euler");
  return {golden["image_embeddings"].narrow(0, 1, 1), golden["image_latents"].narrow(0, 1, 1)};
}

TEST(Sampling, OneDrivingFrameIsAValidClip) {
  const auto sampled = sample_latents(golden_models(), some_conditioning(),
                                      pose_pictures().narrow(0, 0, 2), quick());
  ASSERT_TRUE(sampled.ok()) << sampled.status();
  EXPECT_EQ(sampled->latents.sizes(), (at::IntArrayRef{1, 2, 4, 24, 16}));
}

TEST(Sampling, WithoutGuidanceThereIsOnePassAndItIsTheLimitOfTheTwo) {
  jobs::Sampling parameters = quick();
  const at::Tensor pose = pose_pictures().narrow(0, 0, 4);
  parameters.guidance_scale = 1;
  const auto one_pass = sample_latents(golden_models(), some_conditioning(), pose, parameters);
  parameters.guidance_scale = 1.0000001;
  const auto two_passes = sample_latents(golden_models(), some_conditioning(), pose, parameters);
  ASSERT_TRUE(one_pass.ok() && two_passes.ok());
  EXPECT_LE(relative_difference(one_pass->latents, two_passes->latents), kLatentsBound);
}

TEST(Sampling, TheUnetRunsOnceAStepTileAndPass) {
  jobs::Sampling parameters = quick();
  parameters.steps = 3;
  const at::Tensor pose = pose_pictures().narrow(0, 0, 6);
  const auto guided = sample_latents(golden_models(), some_conditioning(), pose, parameters);
  parameters.guidance_scale = 1;
  const auto single = sample_latents(golden_models(), some_conditioning(), pose, parameters);
  ASSERT_TRUE(guided.ok() && single.ok());
  EXPECT_EQ(guided->tiles, 2);
  EXPECT_EQ(guided->unet_evaluations, 3 * 2 * 2);
  EXPECT_EQ(single->unet_evaluations, 3 * 2);
}

// The latents after each step, the initial noise first.
std::vector<at::Tensor> latents_of_steps(const jobs::Sampling& parameters,
                                         std::int64_t& unet_evaluations) {
  std::vector<at::Tensor> latents;
  const auto on_step = [&](int, const at::Tensor&, const at::Tensor& made) {
    latents.push_back(made.clone());
  };
  const auto sampled = sample_latents(golden_models(), some_conditioning(),
                                      pose_pictures().narrow(0, 0, 6), parameters, {}, on_step);
  EXPECT_TRUE(sampled.ok()) << sampled.status();
  unet_evaluations = sampled->unet_evaluations;
  return latents;
}

void expect_equal(const std::vector<at::Tensor>& one, const std::vector<at::Tensor>& other) {
  ASSERT_EQ(one.size(), other.size());
  for (std::size_t i = 0; i < one.size(); ++i)
    EXPECT_TRUE(one[i].equal(other[i])) << "after step " << i;
}

TEST(GuidanceInterval, OfAllStepsIsGuidanceAndOfNoneIsNoGuidanceToTheBit) {
  jobs::Sampling parameters = quick();
  parameters.steps = 3;
  std::int64_t evaluations = 0;
  const auto guided = latents_of_steps(parameters, evaluations);
  EXPECT_EQ(evaluations, 3 * 2 * 2);
  parameters.guidance_interval = {0, 1};
  expect_equal(latents_of_steps(parameters, evaluations), guided);
  EXPECT_EQ(evaluations, 3 * 2 * 2);
  parameters.guidance_interval = {0, 0};
  const auto of_none = latents_of_steps(parameters, evaluations);
  EXPECT_EQ(evaluations, 3 * 2);
  parameters.guidance_interval = {0, 1};
  parameters.guidance_scale = 1;
  expect_equal(latents_of_steps(parameters, evaluations), of_none);
  EXPECT_EQ(evaluations, 3 * 2);
  EXPECT_FALSE(guided.back().equal(of_none.back()));
}

// What the UNet says of a clip of one tile, run by hand: [1, F, 4, h, w].
at::Tensor run_unet(bool conditional, const at::Tensor& scaled, double timestep,
                    const at::Tensor& pose_u8) {
  const auto& models = golden_models();
  const ImageConditioning conditioning = some_conditioning();
  const at::Tensor image =
      on_test_device(conditioning.vae_latent).unsqueeze(1).expand({1, scaled.size(1), -1, -1, -1});
  const at::Tensor context = on_test_device(conditioning.clip_embedding);
  UnetInput input;
  input.sample = at::cat({scaled, conditional ? image : at::zeros_like(image)}, 2);
  input.timestep = timestep;
  input.context = conditional ? context : at::zeros_like(context);
  input.time_ids = on_test_device(at::tensor({6.0F, 127.0F, 0.0F}).unsqueeze(0));
  if (conditional)
    input.pose_features = (*models.pose_net)(on_test_device(pose_u8).to(at::kFloat) / 127.5 - 1);
  return (*models.unet)(input);
}

TEST(GuidanceInterval, EveryStepIsPredictedAsByHandFromItsOwnPasses) {
  jobs::Sampling parameters = quick();
  parameters.steps = 3;
  parameters.guidance_interval = {1.0 / 3, 2.0 / 3};
  const at::Tensor pose = pose_pictures().narrow(0, 0, parameters.tile_frames);
  const auto scheduler = make_euler(golden_models().scheduler, parameters.steps).value();
  at::Tensor before;
  const auto on_step = [&](int step, const at::Tensor& prediction, const at::Tensor& latents) {
    if (step > 0) {
      const at::Tensor scaled = scheduler->scale_model_input(before, step - 1);
      const double timestep = scheduler->timesteps()[static_cast<std::size_t>(step - 1)];
      const at::Tensor conditional = run_unet(true, scaled, timestep, pose);
      const at::Tensor other = run_unet(false, scaled, timestep, pose);
      const at::Tensor guided = other + 2 * (conditional - other);
      const bool in_interval = step == 2;
      EXPECT_LE(relative_difference(prediction, in_interval ? guided : conditional), 1e-5) << step;
      EXPECT_GT(relative_difference(prediction, in_interval ? conditional : guided), 1e-3) << step;
    }
    before = latents.clone();
  };
  const auto sampled =
      sample_latents(golden_models(), some_conditioning(), pose, parameters, {}, on_step);
  ASSERT_TRUE(sampled.ok()) << sampled.status();
  EXPECT_EQ(sampled->unet_evaluations, 1 + 2 + 1);
}

TEST(Sampling, TheMotionBucketIsTheOriginalsUnlessItIsSetAndAnotherGivesOtherLatents) {
  jobs::Sampling parameters = quick();
  const at::Tensor pose = pose_pictures().narrow(0, 0, 4);
  const auto latents = [&] {
    return sample_latents(golden_models(), some_conditioning(), pose, parameters).value().latents;
  };
  const at::Tensor by_default = latents();
  parameters.motion_bucket_id = 127;
  EXPECT_TRUE(latents().equal(by_default));
  parameters.motion_bucket_id = 60;
  EXPECT_FALSE(latents().equal(by_default));
}

TEST(Sampling, GuidanceRampsOverTheFrames) {
  jobs::Sampling parameters = quick();
  const at::Tensor pose = pose_pictures().narrow(0, 0, 4);
  parameters.min_guidance_scale = 1;
  parameters.guidance_scale = 3;
  const auto ramp = sample_latents(golden_models(), some_conditioning(), pose, parameters);
  parameters.min_guidance_scale.reset();
  for (const auto& [frame, guidance] : {std::pair(0, 1.0000001), std::pair(3, 3.0)}) {
    parameters.guidance_scale = guidance;
    const auto constant = sample_latents(golden_models(), some_conditioning(), pose, parameters);
    EXPECT_LE(
        relative_difference(ramp->latents.select(1, frame), constant->latents.select(1, frame)),
        kModuleBound);
  }
}

// The operators that read numbers out of tensors; on a GPU each of them would wait for all that was
// asked of it before.
std::vector<std::string>& read_operators() {
  static std::vector<std::string> names;
  return names;
}

std::unique_ptr<at::ObserverContext> note_reads(const at::RecordFunction& call) {
  const std::string_view name = call.name();
  for (const char* reads : {"aten::item", "aten::_local_scalar_dense", "aten::is_nonzero",
                            "aten::equal", "aten::nonzero", "aten::masked_select"}) {
    if (name == reads) read_operators().emplace_back(name);
  }
  return nullptr;
}

TEST(Sampling, NoNumberIsReadFromTheDeviceBetweenTheFirstStepAndTheLast) {
  const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(note_reads));
  for (const auto scheduler : {jobs::SchedulerKind::kEuler, jobs::SchedulerKind::kLcm}) {
    jobs::Sampling parameters = quick();
    parameters.scheduler = scheduler;
    parameters.steps = 2;
    const auto on_step = [&](int step, const at::Tensor&, const at::Tensor&) {
      if (step == 0) read_operators().clear();
      if (step == 2) {
        EXPECT_THAT(read_operators(), ::testing::IsEmpty());
      }
    };
    const auto sampled = sample_latents(golden_models(), some_conditioning(),
                                        pose_pictures().narrow(0, 0, 6), parameters, {}, on_step);
    ASSERT_TRUE(sampled.ok()) << sampled.status();
  }
  read_operators().clear();
  static_cast<void>(at::zeros({1}).item<float>());
  EXPECT_THAT(read_operators(),
              ::testing::Not(::testing::IsEmpty()));  // so they would have been noticed
  at::removeCallback(handle);
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
  int evaluations = 0;
  const auto stop_at_second_step = [&](const SamplingProgress& progress) {
    seen.push_back(
        fmt::format("{}/{} {}/{}", progress.step, progress.steps, progress.tile, progress.tiles));
    evaluations += progress.evaluations;
    return progress.step < 2;
  };
  jobs::Sampling parameters = quick();
  parameters.steps = 3;
  const auto sampled =
      sample_latents(golden_models(), some_conditioning(), pose_pictures().narrow(0, 0, 6),
                     parameters, stop_at_second_step);
  EXPECT_EQ(sampled.status().code(), StatusCode::kCancelled);
  EXPECT_THAT(seen, ::testing::ElementsAre("1/3 1/2", "1/3 2/2", "2/3 1/2"));
  EXPECT_EQ(evaluations, 3 * (parameters.guidance_scale > 1 ? 2 : 1));
}

TEST(Sampling, SizesThatTheModelsCannotDoAreNamed) {
  const auto sampled = sample_latents(golden_models(), some_conditioning(),
                                      at::zeros({2, 3, 100, 128}, at::kByte), quick());
  EXPECT_EQ(sampled.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(sampled.status().message(), HasSubstr("128x100"));
  EXPECT_THAT(sampled.status().message(), HasSubstr("multiples of 64"));
  const auto too_short = sample_latents(golden_models(), some_conditioning(),
                                        pose_pictures().narrow(0, 0, 1), quick());
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

TEST(Decoding, NumbersThatAreNotFiniteAreAnErrorAndNoPicture) {
  int calls = 0;
  const at::Tensor latents = at::full({1, 2, 4, 8, 8}, std::numeric_limits<double>::infinity());
  const Status status = decode_latents(golden_models(), latents, 8, [&](const at::Tensor&) {
    ++calls;
    return Status();
  });
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_THAT(status.message(), HasSubstr("not finite in Float; use --precision fp32"));
  EXPECT_EQ(calls, 0);
}

TEST(Decoding, WrongLatentsAreRefused) {
  const auto refuse = [](const at::Tensor&) { return Status(); };
  EXPECT_FALSE(decode_latents(golden_models(), at::zeros({1, 4, 8, 8}), 1, refuse).ok());
  EXPECT_FALSE(decode_latents(golden_models(), at::zeros({1, 4, 4, 8, 8}), 0, refuse).ok());
}

}  // namespace
}  // namespace mimicfleet::svd
