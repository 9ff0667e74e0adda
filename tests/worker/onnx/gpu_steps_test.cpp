// What runs otherwise on a GPU than on a CPU: kernels of our own in float32, and graphs that use
// them.
#include <tuple>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"
#include "worker/models/nn/float_kernels.h"
#include "worker/models/svd/noise.h"
#include "worker/onnx/session.h"

namespace mimicfleet::onnx {
namespace {

constexpr double kFloatBound = 1e-6;
constexpr double kNetBound = 1e-4;

// Where there is a GPU (MIMICFLEET_TEST_DEVICE); elsewhere there is nothing to compare.
class StepsNeedsAGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (test_device().is_cpu()) GTEST_SKIP();
    ASSERT_TRUE(nn::has_float_kernels(random({1})));
  }
  at::Tensor random(at::IntArrayRef shape, double deviation = 1) {
    return on_test_device(svd::draw(shape, generator_) * deviation).to(at::kFloat);
  }
  at::Tensor images(at::IntArrayRef shape, double deviation = 1) {
    return random(shape, deviation).contiguous(at::MemoryFormat::ChannelsLast);
  }
  static at::Tensor exact(const at::Tensor& x) { return x.to(at::kCPU, at::kDouble).contiguous(); }

  at::Generator generator_ = svd::make_generator(7);
};

// Images, channels, height, width.
using Size = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
class ImagesNeedsAGpu : public StepsNeedsAGpu, public ::testing::WithParamInterface<Size> {
 protected:
  std::vector<std::int64_t> shape() const {
    const auto [count, channels, height, width] = GetParam();
    return {count, channels, height, width};
  }
};

TEST_P(ImagesNeedsAGpu, WhatFollowsAConvolutionIsAsExactAsFloatAllows) {
  const at::Tensor x = images(shape(), 20);
  const at::Tensor bias = random({shape()[1]});
  const at::Tensor residual = images(shape());
  const at::Tensor sum = exact(x) + exact(bias).view({-1, 1, 1});
  for (const bool silu : {false, true}) {
    const at::Tensor expected = silu ? at::silu(sum) : sum;
    const at::Tensor alone = x.clone();
    ASSERT_TRUE(nn::gpu_finish_convolution(alone, bias, {}, silu, alone));
    EXPECT_LE(relative_difference(alone, expected), kFloatBound);
    const at::Tensor added = x.clone();
    ASSERT_TRUE(nn::gpu_finish_convolution(added, bias, residual, silu, added));
    EXPECT_LE(relative_difference(added, expected + exact(residual)), kFloatBound);
    auto wider = shape();
    wider[1] = 2 * wider[1] + 8;
    const at::Tensor wide = images(wider);
    const at::Tensor before = wide.clone();
    const at::Tensor part = wide.narrow(1, 4, x.size(1));
    ASSERT_TRUE(nn::gpu_finish_convolution(x, bias, residual, silu, part));
    EXPECT_TRUE(part.equal(added));
    EXPECT_TRUE(wide.narrow(1, 0, 4).equal(before.narrow(1, 0, 4))) << "channels before its own";
    const std::int64_t end = 4 + x.size(1);
    EXPECT_TRUE(wide.slice(1, end).equal(before.slice(1, end))) << "channels behind";
  }
}

TEST_P(ImagesNeedsAGpu, AConvolutionOfEachChannelAloneIsAsExactAsFloatAllows) {
  const std::int64_t channels = shape()[1];
  const at::Tensor x = images(shape());
  const at::Tensor weight = nn::channel_filters(random({channels, 1, 5, 5}));
  const at::Tensor bias = random({channels});
  const at::Tensor sums = at::conv2d(exact(x), exact(weight), {}, 1, 2, 1, channels);
  const at::Tensor with_bias = sums + exact(bias).view({-1, 1, 1});
  const auto plain = nn::gpu_channel_convolution(x, weight, {}, false);
  const auto finished = nn::gpu_channel_convolution(x, weight, bias, true);
  ASSERT_TRUE(plain && finished);
  EXPECT_LE(relative_difference(*plain, sums), kFloatBound);
  EXPECT_LE(relative_difference(*finished, at::silu(with_bias)), kFloatBound);
  EXPECT_TRUE(finished->equal(*nn::gpu_channel_convolution(x, weight, bias, true)));
}

TEST_P(ImagesNeedsAGpu, ChannelsAreJoinedAndPixelsRepeatedWithoutChangingANumber) {
  const at::Tensor x = images(shape());
  auto wider = shape();
  wider[1] += 12;
  const at::Tensor y = images(wider);
  const auto joined = nn::gpu_join_channels({x, y, x});
  ASSERT_TRUE(joined);
  EXPECT_TRUE(joined->equal(at::cat({x, y, x}, 1)));
  for (const std::int64_t factor : {2, 3}) {
    const auto repeated = nn::gpu_repeat_pixels(x, factor);
    ASSERT_TRUE(repeated);
    EXPECT_TRUE(
        repeated->equal(at::upsample_nearest2d(x, {factor * x.size(2), factor * x.size(3)})));
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ImagesNeedsAGpu,
                         ::testing::Values(Size{2, 64, 96, 72}, Size{3, 512, 12, 9},
                                           Size{32, 128, 1, 1}, Size{1, 4, 7, 3},
                                           Size{2, 1024, 20, 20}));

TEST_F(StepsNeedsAGpu, BytesAreLookedUpInTheTableOfTheirChannel) {
  const at::Tensor table = random({3, 256});
  const at::Tensor bytes =
      at::randint(256, {2, 38, 26, 3}, at::TensorOptions().dtype(at::kByte).device(test_device()));
  const auto found = nn::gpu_look_up(bytes, table);
  ASSERT_TRUE(found);
  for (std::int64_t c = 0; c < 3; ++c) {
    EXPECT_TRUE(found->select(3, c).equal(table[c].take(bytes.select(3, c).to(at::kLong)))) << c;
  }
}

TEST_F(StepsNeedsAGpu, WhatTheKernelsDoNotServeTheyLeave) {
  const at::Tensor planes = random({2, 8, 5, 5});
  const at::Tensor odd = images({2, 6, 5, 5});
  EXPECT_FALSE(nn::gpu_finish_convolution(planes, random({8}), {}, true, planes))
      << "channel after channel";
  EXPECT_FALSE(nn::gpu_finish_convolution(odd, random({6}), {}, true, odd)) << "6 channels";
  EXPECT_FALSE(nn::gpu_join_channels({odd, odd}));
  EXPECT_FALSE(nn::gpu_channel_convolution(images({2, 8, 5, 5}), random({8, 1, 3, 3}), {}, false))
      << "3x3";
}

TEST_F(StepsNeedsAGpu, TheGoldenNetsGiveWhatTheyGiveOnACpu) {
  for (const auto& [name, shape] :
       {std::pair<std::string, std::vector<std::int64_t>>{"yolox_l", {3, 3, 640, 640}},
        {"dw-ll_ucoco_384", {3, 3, 384, 288}}}) {
    SCOPED_TRACE(name);
    const std::string path = golden_path("models/DWPose/") + name + ".onnx";
    auto on_cpu = Session::load(path, at::kCPU);
    auto on_gpu = Session::load(path, test_device());
    ASSERT_TRUE(on_cpu.ok() && on_gpu.ok());
    const at::Tensor x = svd::draw(shape, generator_).to(at::kFloat);
    const auto expected = on_cpu->run_batch({x});
    const auto actual = on_gpu->run_batch({on_test_device(x)});
    ASSERT_TRUE(expected.ok() && actual.ok()) << expected.status() << actual.status();
    for (std::size_t i = 0; i < expected->size(); ++i) {
      EXPECT_LE(relative_difference(actual->at(i), expected->at(i)), kNetBound);
    }
    const auto again = on_gpu->run_batch({on_test_device(x)});
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(again->at(0).equal(actual->at(0)));
  }
}

}  // namespace
}  // namespace mimicfleet::onnx
