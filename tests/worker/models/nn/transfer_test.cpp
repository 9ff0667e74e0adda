#include "worker/models/nn/transfer.h"

#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"
#include "worker/models/svd/noise.h"

namespace mimicfleet::nn {
namespace {

TEST(Transfer, OnACpuNothingIsCopied) {
  const at::Tensor tensor = at::arange(6, at::kFloat).view({2, 3});
  EXPECT_EQ(HostCopy(tensor).get().const_data_ptr(), tensor.const_data_ptr());
  EXPECT_EQ(to_device(tensor, at::kCPU, at::kFloat).const_data_ptr(), tensor.const_data_ptr());
}

class TransferNeedsAGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (test_device().is_cpu()) GTEST_SKIP();
  }
};

TEST_F(TransferNeedsAGpu, WhatComesToTheHostIsWhatWasThereWhenItBegan) {
  auto generator = svd::make_generator(3);
  const at::Tensor values =
      svd::draw({2, 3, 64, 48}, generator).contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor on_device = values.to(test_device());
  HostCopy copy(on_device);
  on_device.zero_();  // after it
  EXPECT_TRUE(at::equal(copy.get(), values));
  EXPECT_TRUE(copy.get().is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::equal(copy.get(), values));  // asked again
}

TEST_F(TransferNeedsAGpu, WhatGoesToTheGpuHasTheBitsOfAPlainConversion) {
  auto generator = svd::make_generator(4);
  const at::Tensor values = svd::draw({1000}, generator);
  const at::Tensor there = to_device(values, test_device(), at::kHalf);
  EXPECT_EQ(there.device(), test_device());
  EXPECT_TRUE(at::equal(there.to(at::kCPU), values.to(test_device(), at::kHalf).to(at::kCPU)));
}

TEST_F(TransferNeedsAGpu, WhatWasSentArrivesAsItWasThen) {
  Outbox outbox(test_device());
  std::vector<HostCopy> copies;
  for (int round = 0; round < 20; ++round) {
    outbox.fill(30 - round, {1000, 1000}).fill_(round);
    copies.emplace_back(outbox.send().add(1));
  }
  for (int round = 0; round < 20; ++round) {
    const at::Tensor expected =
        at::full({30 - round, 1000, 1000}, round + 1, at::TensorOptions().dtype(at::kByte));
    EXPECT_TRUE(copies[static_cast<std::size_t>(round)].get().equal(expected)) << round;
  }
}

}  // namespace
}  // namespace mimicfleet::nn
