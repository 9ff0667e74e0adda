#include "worker/models/nn/gpu_kernels.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <tuple>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"
#include "worker/device/device.h"
#include "worker/models/nn/accelerator.h"
#include "worker/models/nn/gpu_program.h"
#include "worker/models/nn/layers.h"
#include "worker/models/nn/residual.h"
#include "worker/models/svd/noise.h"

namespace mimicfleet::nn {
namespace {

constexpr std::int64_t kGroups = 32;

// MIMICFLEET_TEST_PRECISION=bf16: in bfloat16 instead of float16.
at::ScalarType type() {
  const char* precision = std::getenv("MIMICFLEET_TEST_PRECISION");
  return precision != nullptr && std::string_view(precision) == "bf16" ? at::kBFloat16 : at::kHalf;
}

// What float16 may be off by; bfloat16 has three bits less.
double bound(double of_float16) { return type() == at::kHalf ? of_float16 : 8 * of_float16; }

// Where there is a GPU (MIMICFLEET_TEST_DEVICE); elsewhere there is nothing to compare.
class KernelsNeedsAGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (test_device().is_cpu()) GTEST_SKIP();
    ASSERT_TRUE(has_gpu_kernels(type()));
    device::choose_kernels(type() == at::kHalf ? jobs::Precision::kFp16 : jobs::Precision::kBf16);
  }
  at::Tensor random(at::IntArrayRef shape, double deviation = 1, double mean = 0) {
    return on_test_device(svd::draw(shape, generator_) * deviation + mean).to(type());
  }
  at::Tensor images(at::IntArrayRef shape, double deviation = 1, double mean = 0) {
    return random(shape, deviation, mean).contiguous(at::MemoryFormat::ChannelsLast);
  }
  static bool on_hopper() {
    const auto capability = compute_capability();
    return capability && capability->major == 9 && capability->minor == 0;
  }
  static at::Tensor exact(const at::Tensor& x) { return x.to(at::kCPU, at::kDouble).contiguous(); }

  at::Generator generator_ = svd::make_generator(7);
};

// Channels, height, width; mean and deviation of the values.
using Case = std::tuple<std::int64_t, std::int64_t, std::int64_t, double, double>;
class GroupNormNeedsAGpu : public KernelsNeedsAGpu, public ::testing::WithParamInterface<Case> {};

TEST_P(GroupNormNeedsAGpu, IsAsExactAsHalfPrecisionAllowsAndAlwaysTheSame) {
  const auto [channels, height, width, mean, deviation] = GetParam();
  const at::Tensor x = images({2, channels, height, width}, deviation, mean);
  const at::Tensor weight = random({channels});
  const at::Tensor bias = random({channels});
  for (const at::Tensor& addend : {at::Tensor(), random({2, channels}), random({1, channels})}) {
    at::Tensor sum = exact(x);
    if (addend.defined()) sum += exact(addend).unsqueeze(-1).unsqueeze(-1);
    const at::Tensor expected = at::group_norm(sum, kGroups, exact(weight), exact(bias), 1e-6);
    const auto norm = gpu_group_norm(x, addend, kGroups, weight, bias, 1e-6, false);
    const auto norm_and_silu = gpu_group_norm(x, addend, kGroups, weight, bias, 1e-6, true);
    ASSERT_TRUE(norm && norm_and_silu);
    EXPECT_TRUE(norm->is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_LE(relative_difference(*norm, expected), bound(1e-3));
    EXPECT_LE(relative_difference(*norm_and_silu, at::silu(expected)), bound(1e-3));
    EXPECT_TRUE(norm->equal(*gpu_group_norm(x, addend, kGroups, weight, bias, 1e-6, false)));
  }
}

TEST_P(GroupNormNeedsAGpu, TakesTheSumsOfTheAdditionBeforeIt) {
  const auto [channels, height, width, mean, deviation] = GetParam();
  const at::Tensor a = images({4, channels, height, width}, deviation, mean);
  const at::Tensor b = images({4, channels, height, width}, deviation, mean);
  const at::Tensor weight = random({channels});
  const at::Tensor bias = random({channels});
  for (const at::Tensor& addend : {at::Tensor(), random({4, channels}), random({1, channels})}) {
    at::Tensor expected = exact(b);
    if (addend.defined()) expected += exact(addend).unsqueeze(-1).unsqueeze(-1);
    expected = exact(a) + 0.3 * expected;
    const at::Tensor out = at::empty_like(a);
    const auto sums = gpu_add_and_sum(out, a, b, addend, 0.3, kGroups);
    ASSERT_TRUE(sums);
    EXPECT_LE(relative_difference(out, expected), bound(5e-4));
    const auto with_sums = gpu_group_norm(out, {}, kGroups, weight, bias, 1e-6, true, *sums);
    ASSERT_TRUE(with_sums);
    const at::Tensor norm = at::group_norm(exact(out), kGroups, exact(weight), exact(bias), 1e-6);
    EXPECT_LE(relative_difference(*with_sums, at::silu(norm)), bound(1e-3)) << "each image's own";
    // The same memory as two clips of two frames.
    const at::Tensor clips = as_tokens(out).unflatten(0, {2, 2}).permute({0, 3, 1, 2});
    const auto of_clips = gpu_group_norm(clips, {}, kGroups, weight, bias, 1e-6, false, *sums);
    ASSERT_TRUE(of_clips);
    EXPECT_LE(relative_difference(*of_clips, at::group_norm(exact(clips), kGroups, exact(weight),
                                                            exact(bias), 1e-6)),
              bound(1e-3))
        << "of clips";
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, GroupNormNeedsAGpu,
                         ::testing::Values(Case{128, 96, 160, 1, 1}, Case{320, 72, 128, 3, 1},
                                           Case{2560, 9, 16, 1, 1}, Case{96, 1, 1, 1, 1},
                                           Case{960, 16, 999, 10, 0.5}));

TEST_F(KernelsNeedsAGpu, GegluIsAsExactAsHalfPrecisionAllows) {
  const at::Tensor x = random({3, 1000, 640}, 3);
  const at::Tensor both = exact(x);
  const auto actual = gpu_geglu(x);
  ASSERT_TRUE(actual);
  EXPECT_LE(
      relative_difference(*actual, both.narrow(2, 0, 320) * at::gelu(both.narrow(2, 320, 320))),
      bound(5e-4));
}

TEST_F(KernelsNeedsAGpu, AddTakesWhatIsThereAtAnyStride) {
  const at::Tensor a = random({2, 3, 77, 40});
  const at::Tensor plain = random({2, 3, 77, 40});
  const at::Tensor turned = random({2, 77, 3, 40}).transpose(1, 2);
  const at::Tensor none;
  for (const at::Tensor& b : {none, plain, turned}) {
    for (const at::Tensor& addend :
         {none, random({2, 3, 40}), random({2, 1, 40}), random({1, 3, 40}), random({1, 1, 40})}) {
      at::Tensor rest = exact(a) * 0;
      if (b.defined()) rest += exact(b);
      if (addend.defined()) rest += exact(addend).unsqueeze(2);
      const at::Tensor out = at::empty_like(a);
      ASSERT_TRUE(gpu_add(out, a, b, addend, 0.3));
      EXPECT_LE(relative_difference(out, exact(a) + 0.3 * rest), bound(5e-4));
      if (!b.defined() && !addend.defined()) continue;
      ASSERT_TRUE(gpu_add(out, none, b, addend));
      EXPECT_LE(relative_difference(out, rest), bound(5e-4));
    }
  }
  const at::Tensor expected = exact(a) + exact(turned);
  ASSERT_TRUE(gpu_add(a, a, turned, none));
  EXPECT_LE(relative_difference(a, expected), bound(5e-4)) << "in its own memory";
  EXPECT_FALSE(gpu_add(random({1, 1, 5, 3}), random({1, 1, 5, 3}), none, none)) << "3 channels";
}

TEST_F(KernelsNeedsAGpu, LayerNormIsAsExactAsHalfPrecisionAllows) {
  for (const std::int64_t channels : {8, 40, 320, 640, 1280}) {
    const at::Tensor x = random({2, 3, 517, channels}, 2, 5);
    const at::Tensor weight = random({channels});
    const at::Tensor bias = random({channels});
    for (const at::Tensor& addend :
         {at::Tensor(), random({2, 3, channels}), random({2, 1, channels}),
          random({1, 3, channels}), random({1, 1, channels})}) {
      const auto actual = gpu_layer_norm(x, addend, weight, bias, 1e-5);
      ASSERT_TRUE(actual);
      const at::Tensor sum = addend.defined() ? exact(x) + exact(addend).unsqueeze(2) : exact(x);
      const at::Tensor expected = at::layer_norm(sum, {channels}, exact(weight), exact(bias), 1e-5);
      EXPECT_LE(relative_difference(*actual, expected), bound(1e-3)) << channels;
    }
  }
}

TEST_F(KernelsNeedsAGpu, AttentionOverFramesIsAsExactAsHalfPrecisionAllows) {
  for (const std::int64_t heads : {1, 5, 20}) {
    const at::Tensor qkv = random({2, 16, 37, 3 * heads * 64}, 2);
    const auto actual = gpu_attend_frames(qkv, heads);
    ASSERT_TRUE(actual);
    // [3, B, S, H, T, D]
    const at::Tensor parts = exact(qkv).unflatten(-1, {3, heads, 64}).permute({3, 0, 2, 4, 1, 5});
    const at::Tensor scores = at::matmul(parts[0], parts[1].transpose(-1, -2)) / 8;
    const at::Tensor expected = at::matmul(at::softmax(scores, -1), parts[2])
                                    .permute({0, 3, 1, 2, 4})
                                    .flatten(3);  // [B, T, S, C]
    EXPECT_LE(relative_difference(*actual, expected), bound(1e-3)) << heads;
  }
  EXPECT_FALSE(gpu_attend_frames(random({1, 8, 37, 3 * 64}), 1)) << "8 frames";
  EXPECT_FALSE(gpu_attend_frames(random({1, 16, 37, 3 * 64}), 2)) << "heads of 32 channels";
}

TEST_F(KernelsNeedsAGpu, GegluInTheLinearLayerIsMoreExactThanAfterIt) {
  if (gpu_kernel_set(type()) != "" || !on_hopper()) GTEST_SKIP() << "no Hopper GPU, or left out";
  for (const auto& [rows, depth, inner] :
       std::vector<std::array<std::int64_t, 3>>{{1, 64, 64},
                                                {384, 320, 1280},
                                                {385, 320, 1280},
                                                {5000, 640, 2560},
                                                {9216, 1280, 5120}}) {
    const at::Tensor x = random({rows, depth});
    const at::Tensor weight = random({2 * inner, depth}, 1 / std::sqrt(static_cast<double>(depth)));
    const at::Tensor bias = random({2 * inner});
    const auto fused = gpu_geglu_linear(x, weight, bias);
    ASSERT_TRUE(fused);
    const at::Tensor both = at::linear(exact(x), exact(weight), exact(bias));
    const at::Tensor expected = both.narrow(1, 0, inner) * at::gelu(both.narrow(1, inner, inner));
    const auto apart = gpu_geglu(at::linear(x, weight, bias));
    ASSERT_TRUE(apart);
    EXPECT_LE(relative_rms(*fused, expected), bound(4e-4)) << rows << " rows";
    EXPECT_LE(relative_rms(*fused, expected), relative_rms(*apart, expected));
    EXPECT_TRUE(fused->equal(*gpu_geglu_linear(x, weight, bias))) << "the same again";
  }
  EXPECT_FALSE(gpu_geglu_linear(random({64, 32}), random({128, 32}), random({128})))
      << "32 channels";
}

TEST_F(KernelsNeedsAGpu, ConcatenationPutsChannelsBehindEachOtherAndAddsWhatWaits) {
  const at::Tensor a = images({3, 40, 7, 9});
  const at::Tensor b = images({3, 24, 7, 9});
  const at::Tensor none;
  for (const at::Tensor& of_a : {none, random({3, 40}), random({1, 40})}) {
    for (const at::Tensor& of_b : {none, random({3, 24})}) {
      const auto with = [](const at::Tensor& x, const at::Tensor& addend) {
        return addend.defined() ? exact(x) + exact(addend).unsqueeze(-1).unsqueeze(-1) : exact(x);
      };
      const auto actual = gpu_concatenate(a, of_a, b, of_b);
      ASSERT_TRUE(actual);
      EXPECT_TRUE(actual->is_contiguous(at::MemoryFormat::ChannelsLast));
      EXPECT_LE(relative_difference(*actual, at::cat({with(a, of_a), with(b, of_b)}, 1)),
                bound(5e-4));
    }
  }
  EXPECT_TRUE(gpu_concatenate(a, none, b, none)->equal(at::cat({a, b}, 1))) << "a copy to the bit";
}

// On two streams at once: what follows kernels of ours on its stream waits for them, and they for
// what is before them.
TEST_F(KernelsNeedsAGpu, OnASideStreamTheResultsAreTheSame) {
  const at::Tensor weight = random({512});
  const at::Tensor x = images({2, 512, 64, 64});
  const auto chain = [&] {
    at::Tensor y = x;
    for (int i = 0; i < 50; ++i)
      y = *gpu_group_norm(y * 1.5, {}, kGroups, weight, weight, 1e-6, true) + x;
    return y;
  };
  const at::Tensor expected = chain().to(at::kCPU);
  const SideStream side(x.device());
  at::Tensor beside;
  for (int round = 0; round < 10; ++round) {
    const at::Tensor meanwhile = chain();
    const Status status = side.run("chain", [&] { return beside = chain(), Status(); });
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(beside.to(at::kCPU).equal(expected));
    EXPECT_TRUE(meanwhile.to(at::kCPU).equal(expected));
  }
}

TEST_F(KernelsNeedsAGpu, WhatFailsOnASideStreamIsAStatusAndTheStreamWorksAfterwards) {
  const at::Tensor x = images({2, 512, 64, 64});
  const SideStream side(x.device());
  const Status thrown =
      side.run("shapes", [&] { return static_cast<void>(x + random({3})), Status(); });
  EXPECT_EQ(thrown.code(), StatusCode::kInternal) << thrown;
  const Status told =
      side.run("told", [] { return Status(StatusCode::kBadInput, "nobody to be seen"); });
  EXPECT_EQ(told.message(), "nobody to be seen");
  EXPECT_TRUE(side.run("sum", [&] { return static_cast<void>(x + x), Status(); }).ok());
}

// The layers that leave adding the bias to others.
class LayersNeedsAGpu : public KernelsNeedsAGpu {
 protected:
  [[nodiscard]] Scope scope() { return {list_, at::TensorOptions(test_device()).dtype(type())}; }
  template <typename Conv>
  Conv filled(Conv conv) {
    conv.weight.copy_(random(conv.weight.sizes(), 0.1));
    conv.bias.copy_(random(conv.bias.sizes()));
    return conv;
  }
  ParameterList list_;
};

TEST_F(LayersNeedsAGpu, AConvolutionWithoutBiasLeavesItToTheSumTheBlendAndTheNorm) {
  const auto conv = filled(Conv2d(scope() / "conv", 64, 96));
  const auto other = filled(Conv2d(scope() / "other", 64, 96));
  GroupNorm norm(scope() / "norm", 96, 1e-6);
  norm.weight.copy_(random({96}));
  norm.bias.copy_(random({96}));
  const at::Tensor x = images({4, 64, 24, 40});
  const auto of = [&](const Conv2d& layer) {
    return at::conv2d(exact(x), exact(layer.weight), exact(layer.bias), 1, 1);
  };
  EXPECT_LE(relative_difference(conv(x), of(conv)), bound(1e-3));
  EXPECT_TRUE(conv.without_bias(x).addend.defined());
  EXPECT_LE(relative_difference(sum(conv.without_bias(x), other.without_bias(x)).images,
                                of(conv) + of(other)),
            bound(1e-3));
  EXPECT_LE(relative_difference(sum(conv.without_bias(x), {other(x)}).images, of(conv) + of(other)),
            bound(1e-3));
  const at::Tensor onto = images({4, 96, 24, 40});
  const at::Tensor blend = exact(onto) + 0.7 * of(conv);
  EXPECT_TRUE(add_to(onto, conv.without_bias(x), 0.7).sums.partial.defined());
  EXPECT_LE(relative_difference(onto, blend), bound(1e-3));
  WithAddend with_time = conv.without_bias(x);
  const at::Tensor time = random({4, 96});
  with_time.add(time);
  const at::Tensor expected = at::group_norm(of(conv) + exact(time).unsqueeze(-1).unsqueeze(-1),
                                             kGroups, exact(norm.weight), exact(norm.bias), 1e-6);
  EXPECT_LE(relative_difference(norm.then_silu(with_time), at::silu(expected)), bound(2e-3));
  EXPECT_LE(relative_difference(concatenated(conv.without_bias(x), other.without_bias(x)),
                                at::cat({of(conv), of(other)}, 1)),
            bound(1e-3));
  EXPECT_LE(relative_difference(settled(conv.without_bias(x)), of(conv)), bound(1e-3));
}

TEST_F(LayersNeedsAGpu, WhatWaitsGoesThroughAConvolutionOfOnePixel) {
  const auto conv = filled(Conv2d(scope() / "conv", 64, 96, {1, 1, 0}));
  const WithAddend x{images({4, 64, 24, 40}), random({4, 64})};
  const at::Tensor expected =
      at::conv2d(exact(x.images) + exact(x.addend).unsqueeze(-1).unsqueeze(-1), exact(conv.weight),
                 exact(conv.bias));
  EXPECT_LE(relative_difference(settled(conv.without_bias(x)), expected), bound(1e-3));
}

TEST_F(LayersNeedsAGpu, AConvolutionAlongTimeIsTheSameForFewAndManyChannels) {
  for (const std::int64_t channels : {64, 128, 256}) {
    const auto conv = filled(TemporalConv(scope() / "conv", channels, channels));
    const at::Tensor x = images({2, channels, 8, 30});
    const at::Tensor expected =
        at::conv2d(exact(x), exact(conv.weight), exact(conv.bias), 1, at::IntArrayRef{1, 0});
    EXPECT_LE(relative_difference(conv(x, 5), expected), bound(1e-3)) << channels;
    EXPECT_TRUE(conv(x, 5).is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

TEST_F(LayersNeedsAGpu, UpsamplingAndConvolutionAreOneTransposedConvolution) {
  UpsamplingConv up(scope() / "up", 64);
  up.conv.weight.copy_(random(up.conv.weight.sizes(), 0.1));
  up.conv.bias.copy_(random({64}));
  const at::Tensor x = images({3, 64, 9, 16});
  const at::Tensor large = at::upsample_nearest2d(exact(x), at::IntArrayRef{18, 32});
  const at::Tensor expected = at::conv2d(large, exact(up.conv.weight), exact(up.conv.bias), 1, 1);
  const at::Tensor actual = settled(up.without_bias(x));
  EXPECT_LE(relative_difference(actual, expected), bound(1e-3));
  EXPECT_TRUE(actual.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(actual.equal(settled(up.without_bias(x)))) << "the same again";
}

// In half precision on a GPU addends wait for the norms; the sum is that of adding all at once.
TEST_F(LayersNeedsAGpu, AResidualIsTheSumOfWhatWasAdded) {
  constexpr std::int64_t kWidth = 64;
  const auto layer = [&](const char* name) {
    Linear linear(scope() / name, kWidth, kWidth);
    linear.weight.copy_(random({kWidth, kWidth}, 0.1));
    linear.bias.copy_(random({kWidth}));
    return linear;
  };
  const Linear first = layer("first");
  const Linear second = layer("second");
  const Linear last = layer("last");
  LayerNorm norm(scope() / "norm", kWidth);
  norm.weight.copy_(random({kWidth}));
  norm.bias.copy_(random({kWidth}));
  const at::Tensor x = random({2, 3, 20, kWidth});
  const at::Tensor position = random({1, 3, 1, kWidth});
  const at::Tensor context = random({2, 1, 1, kWidth});
  const at::Tensor original = images({6, kWidth, 4, 5});
  const auto of = [&](const Linear& linear, const at::Tensor& input) {
    return at::linear(input, exact(linear.weight), exact(linear.bias));
  };
  const auto normal = [&](const at::Tensor& input) {
    return at::layer_norm(input, {kWidth}, exact(norm.weight), exact(norm.bias), norm.eps);
  };
  Residual h(first, x);
  at::Tensor expected = of(first, exact(x));
  EXPECT_LE(relative_difference(h.normalised(norm), normal(expected)), bound(2e-3));
  Residual other = h.plus(position);
  other.add(second, x);
  other.add_constant(context);
  const at::Tensor expected_other =
      expected + exact(position) + of(second, exact(x)) + exact(context);
  EXPECT_LE(relative_difference(other.normalised(norm), normal(expected_other)), bound(2e-3));
  EXPECT_LE(relative_difference(h.normalised(norm), normal(expected)), bound(2e-3)) << "untouched";
  h.mix(other, 0.3);
  expected = expected + 0.3 * (expected_other - expected);
  EXPECT_LE(relative_difference(h.normalised(norm), normal(expected)), bound(2e-3));
  const at::Tensor sum = exact(original) + as_images(of(last, expected).flatten(0, 1), 4, 5);
  EXPECT_LE(relative_difference(settled(h.added_onto(original, last)), sum), bound(2e-3));
}

}  // namespace
}  // namespace mimicfleet::nn
