#include "worker/models/nn/gpu_kernels.h"

#include <tuple>

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/silu.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"
#include "worker/models/nn/accelerator.h"
#include "worker/models/nn/layers.h"
#include "worker/models/svd/noise.h"

namespace mimicfleet::nn {
namespace {

constexpr std::int64_t kGroups = 32;

// Where there is a GPU (MIMICFLEET_TEST_DEVICE); elsewhere there is nothing to compare.
class KernelsNeedsAGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (test_device().is_cpu()) GTEST_SKIP();
    ASSERT_TRUE(has_gpu_kernels(at::kHalf));
  }
  at::Tensor random(at::IntArrayRef shape, double deviation = 1, double mean = 0) {
    return on_test_device(svd::draw(shape, generator_) * deviation + mean).to(at::kHalf);
  }
  at::Tensor images(at::IntArrayRef shape, double deviation = 1, double mean = 0) {
    return random(shape, deviation, mean).contiguous(at::MemoryFormat::ChannelsLast);
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
    EXPECT_LE(relative_difference(*norm, expected), 1e-3);
    EXPECT_LE(relative_difference(*norm_and_silu, at::silu(expected)), 1e-3);
    EXPECT_TRUE(norm->equal(*gpu_group_norm(x, addend, kGroups, weight, bias, 1e-6, false)));
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
  EXPECT_LE(relative_difference(*actual, both.narrow(2, 0, 320) * at::gelu(both.narrow(2, 320, 320))), 5e-4);
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
      EXPECT_LE(relative_difference(out, exact(a) + 0.3 * rest), 5e-4);
      if (!b.defined() && !addend.defined()) continue;
      ASSERT_TRUE(gpu_add(out, none, b, addend));
      EXPECT_LE(relative_difference(out, rest), 5e-4);
    }
  }
  const at::Tensor expected = exact(a) + exact(turned);
  ASSERT_TRUE(gpu_add(a, a, turned, none));
  EXPECT_LE(relative_difference(a, expected), 5e-4) << "in its own memory";
  EXPECT_FALSE(gpu_add(random({1, 1, 5, 3}), random({1, 1, 5, 3}), none, none)) << "3 channels";
}

TEST_F(KernelsNeedsAGpu, LayerNormIsAsExactAsHalfPrecisionAllows) {
  for (const std::int64_t channels : {8, 40, 320, 640, 1280}) {
    const at::Tensor x = random({3, 1003, channels}, 2, 5);
    const at::Tensor weight = random({channels});
    const at::Tensor bias = random({channels});
    const auto actual = gpu_layer_norm(x, weight, bias, 1e-5);
    ASSERT_TRUE(actual);
    const at::Tensor expected = at::layer_norm(exact(x), {channels}, exact(weight), exact(bias), 1e-5);
    EXPECT_LE(relative_difference(*actual, expected), 1e-3) << channels;
  }
}

// On two streams at once: what follows kernels of ours on its stream waits for them, and they for what is
// before them.
TEST_F(KernelsNeedsAGpu, OnASideStreamTheResultsAreTheSame) {
  const at::Tensor weight = random({512});
  const at::Tensor x = images({2, 512, 64, 64});
  const auto chain = [&] {
    at::Tensor y = x;
    for (int i = 0; i < 50; ++i) y = *gpu_group_norm(y * 1.5, {}, kGroups, weight, weight, 1e-6, true) + x;
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
  const Status thrown = side.run("shapes", [&] { return static_cast<void>(x + random({3})), Status(); });
  EXPECT_EQ(thrown.code(), StatusCode::kInternal) << thrown;
  const Status told = side.run("told", [] { return Status(StatusCode::kBadInput, "nobody to be seen"); });
  EXPECT_EQ(told.message(), "nobody to be seen");
  EXPECT_TRUE(side.run("sum", [&] { return static_cast<void>(x + x), Status(); }).ok());
}

// The layers that leave adding the bias to others.
class LayersNeedsAGpu : public KernelsNeedsAGpu {
 protected:
  [[nodiscard]] Scope scope() { return {list_, at::TensorOptions(test_device()).dtype(at::kHalf)}; }
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
  EXPECT_LE(relative_difference(conv(x), of(conv)), 1e-3);
  EXPECT_TRUE(conv.without_bias(x).addend.defined());
  EXPECT_LE(relative_difference(sum(conv.without_bias(x), other.without_bias(x)), of(conv) + of(other)),
            1e-3);
  EXPECT_LE(relative_difference(sum(conv.without_bias(x), {other(x), {}}), of(conv) + of(other)), 1e-3);
  const at::Tensor onto = images({4, 96, 24, 40});
  const at::Tensor blend = exact(onto) + 0.7 * of(conv);
  add_to(onto, conv.without_bias(x), 0.7);
  EXPECT_LE(relative_difference(onto, blend), 1e-3);
  WithAddend with_time = conv.without_bias(x);
  const at::Tensor time = random({4, 96});
  with_time.add(time);
  const at::Tensor expected = at::group_norm(of(conv) + exact(time).unsqueeze(-1).unsqueeze(-1), kGroups,
                                             exact(norm.weight), exact(norm.bias), 1e-6);
  EXPECT_LE(relative_difference(norm.then_silu(std::move(with_time)), at::silu(expected)), 2e-3);
}

TEST_F(LayersNeedsAGpu, AConvolutionAlongTimeIsTheSameForFewAndManyChannels) {
  for (const std::int64_t channels : {64, 128, 256}) {
    const auto conv = filled(TemporalConv(scope() / "conv", channels, channels));
    const at::Tensor x = images({2, channels, 8, 30});
    const at::Tensor expected =
        at::conv2d(exact(x), exact(conv.weight), exact(conv.bias), 1, at::IntArrayRef{1, 0});
    EXPECT_LE(relative_difference(conv(x), expected), 1e-3) << channels;
    EXPECT_TRUE(conv(x).is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

}  // namespace
}  // namespace mimicfleet::nn
