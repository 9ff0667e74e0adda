#include "worker/models/nn/group_norm.h"

#include <tuple>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/group_norm.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"
#include "worker/models/svd/noise.h"

namespace mimicfleet::nn {
namespace {

constexpr std::int64_t kGroups = 32;

// Channels, height, width; mean and deviation of the values.
using Case = std::tuple<std::int64_t, std::int64_t, std::int64_t, double, double>;

class GroupNormChannelsLast : public ::testing::TestWithParam<Case> {
 protected:
  // [2, C, H, W]; every channel has a mean of its own.
  static at::Tensor input() {
    const auto [channels, height, width, mean, deviation] = GetParam();
    const at::Generator generator = svd::make_generator(7);
    const at::Tensor means = svd::draw({1, channels, 1, 1}, generator) * mean;
    return (svd::draw({2, channels, height, width}, generator) * deviation + means)
        .contiguous(at::MemoryFormat::ChannelsLast);
  }
};

TEST_P(GroupNormChannelsLast, IsAsExactAsFloatsAllow) {
  const at::Tensor x = input();
  const at::Tensor weight = svd::draw({x.size(1)}, svd::make_generator(8));
  const at::Tensor bias = svd::draw({x.size(1)}, svd::make_generator(9));
  const at::Tensor actual = group_norm_channels_last(x, kGroups, weight, bias, 1e-6);
  EXPECT_TRUE(actual.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor exact = at::group_norm(x.contiguous().to(at::kDouble), kGroups,
                                          weight.to(at::kDouble), bias.to(at::kDouble), 1e-6);
  EXPECT_LE(relative_difference(actual, exact), 1e-6);
}

TEST_P(GroupNormChannelsLast, TheNumberOfThreadsChangesNoBit) {
  const at::Tensor x = input();
  const at::Tensor weight = svd::draw({x.size(1)}, svd::make_generator(8));
  at::set_num_threads(1);
  const at::Tensor one = group_norm_channels_last(x, kGroups, weight, weight, 1e-6);
  at::set_num_threads(3);
  const at::Tensor three = group_norm_channels_last(x, kGroups, weight, weight, 1e-6);
  at::set_num_threads(1);
  EXPECT_TRUE(one.equal(three));
}

INSTANTIATE_TEST_SUITE_P(Sizes, GroupNormChannelsLast,
                         ::testing::Values(Case{128, 96, 160, 1, 1}, Case{64, 40, 33, 10, 0.5},
                                           Case{320, 24, 40, 3, 1}, Case{96, 1, 1, 1, 1},
                                           Case{64, 3, 2, 10, 0.5}));

}  // namespace
}  // namespace mimicfleet::nn
