#include "worker/models/nn/accelerator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"

namespace mimicfleet::nn {
namespace {

// On a GPU (MIMICFLEET_TEST_DEVICE) the copies go on while the host does; on a CPU there is nothing to copy.
TEST(CopiesNeedsAGpu, WhatWasSentArrivesAsItWasThen) {
  Outbox outbox(test_device());
  std::vector<Arrival> arrivals;
  for (int round = 0; round < 20; ++round) {
    outbox.fill(30 - round, {1000, 1000}).fill_(round);
    arrivals.emplace_back(outbox.send().add(1));
  }
  for (int round = 0; round < 20; ++round) {
    const at::Tensor expected =
        at::full({30 - round, 1000, 1000}, round + 1, at::TensorOptions().dtype(at::kByte));
    EXPECT_TRUE(arrivals[static_cast<std::size_t>(round)].wait().equal(expected)) << round;
  }
}

TEST(CopiesNeedsAGpu, ATensorOfAnyStridesArrivesDense) {
  const at::Tensor x = on_test_device(at::full({2, 3, 4}, 7.0F)).permute({2, 0, 1});
  const Arrival arrival(x);
  EXPECT_TRUE(arrival.wait().is_contiguous() && arrival.wait().is_cpu());
  EXPECT_TRUE(arrival.wait().equal(x.to(at::kCPU)));
}

}  // namespace
}  // namespace mimicfleet::nn
