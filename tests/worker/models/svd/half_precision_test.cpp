// The whole UNet and VAE in half precision on a GPU, where kernels of our own run and sums wait for
// what reads them, against float32. With MIMICFLEET_GPU_KERNELS=off or =portable the same of the
// other paths.
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"
#include "worker/device/device.h"
#include "worker/models/svd/autoencoder.h"
#include "worker/models/svd/noise.h"
#include "worker/models/svd/unet.h"

namespace mimicfleet::svd {
namespace {

class ModelsInHalfPrecisionNeedsAGpu : public ::testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    if (test_device().is_cpu()) GTEST_SKIP();
    device::choose_kernels(GetParam() == Precision::kFp16 ? jobs::Precision::kFp16
                                                          : jobs::Precision::kBf16);
    auto loaded = load_diffusion_models(golden_model_files(), test_device(), GetParam());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    half_ = *std::move(loaded);
  }
  void TearDown() override { device::choose_kernels(jobs::Precision::kFp32); }

  at::Tensor random(at::IntArrayRef shape) { return on_test_device(draw(shape, generator_)); }

  // What rounding leaves of the small models; an addend that is lost or added twice is off by far
  // more.
  [[nodiscard]] double bound() const { return GetParam() == Precision::kFp16 ? 1e-2 : 8e-2; }

  UnetInput unet_input(std::int64_t clips, std::int64_t frames) {
    constexpr std::int64_t kSide = 16;
    const Unet& unet = *golden_models().unet;
    UnetInput input;
    input.sample = random({clips, frames, 8, kSide, kSide});
    input.timestep = 0.5;
    input.context = random({clips, 1, unet.context_channels()});
    input.time_ids = on_test_device(at::full({clips, 3}, 6.0F));
    input.pose_features = random({frames, unet.base_channels(), kSide, kSide});
    return input;
  }

  [[nodiscard]] UnetInput in_half(UnetInput input) const {
    for (at::Tensor* tensor : {&input.sample, &input.context, &input.pose_features})
      *tensor = tensor->to(half_.dtype);
    return input;
  }

  void expect_near_float32(const UnetInput& input) const {
    const UnetInput rounded = in_half(input);
    const at::Tensor actual = (*half_.unet)(rounded);
    EXPECT_LE(relative_rms(actual, (*golden_models().unet)(input)), bound());
    EXPECT_TRUE(actual.equal((*half_.unet)(rounded))) << "nothing it was given is written to";
  }

  at::NoGradGuard no_grad_;
  at::Generator generator_ = make_generator(11);
  DiffusionModels half_{at::Device(at::kCPU), at::kFloat, {}, {}, {}, {}, {}, {}, {}};
};

TEST_P(ModelsInHalfPrecisionNeedsAGpu, TheUnetIsNearFloat32ForAnyNumberOfClipsAndFrames) {
  for (const std::int64_t clips : {1, 2}) {
    for (const std::int64_t frames : {16, 5, 1}) {
      SCOPED_TRACE(std::to_string(clips) + " clips of " + std::to_string(frames) + " frames");
      expect_near_float32(unet_input(clips, frames));
    }
  }
}

TEST_P(ModelsInHalfPrecisionNeedsAGpu, TheUnetIsNearFloat32OnImagesAndWithMixedContexts) {
  UnetInput images = unet_input(1, 5);
  images.image_only = true;
  expect_near_float32(images);
  UnetInput mixed = unet_input(2, 5);
  mixed.contexts_as_original = true;
  expect_near_float32(mixed);
}

TEST_P(ModelsInHalfPrecisionNeedsAGpu, ConstantsAndAnObserverChangeNoBitOrRoundingAlone) {
  UnetInput input = in_half(unet_input(2, 16));
  const at::Tensor plain = (*half_.unet)(input);
  const UnetConstants constants = half_.unet->constants(input.context, 16);
  input.constants = &constants;
  EXPECT_TRUE(plain.equal((*half_.unet)(input)));
  int observed = 0;
  input.observe = [&](const std::string&, const at::Tensor&) { ++observed; };
  EXPECT_LE(relative_rms((*half_.unet)(input), plain), bound());
  EXPECT_GT(observed, 5);
}

TEST_P(ModelsInHalfPrecisionNeedsAGpu, TheDecoderIsNearFloat32ForAnyChunk) {
  for (const std::int64_t frames : {8, 3, 1}) {
    const at::Tensor latents = random({frames, 4, 16, 16});
    const at::Tensor actual = half_.vae->decode(latents.to(half_.dtype));
    EXPECT_LE(relative_rms(actual, golden_models().vae->decode(latents)), bound()) << frames;
    EXPECT_TRUE(actual.equal(half_.vae->decode(latents.to(half_.dtype)))) << frames;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, ModelsInHalfPrecisionNeedsAGpu,
                         ::testing::Values(Precision::kFp16, Precision::kBf16));

}  // namespace
}  // namespace mimicfleet::svd
