#include "worker/models/pose/normalise.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"

namespace mimicfleet::pose {
namespace {

TEST(Normaliser, GivesTheBitsOfTheOriginalsFormulaInDouble) {
  const at::Tensor pictures =
      at::randint(256, {3, 40, 30, 3}, at::TensorOptions().dtype(at::kByte));
  const at::Tensor mean = at::tensor({123.675, 116.28, 103.53}, at::kDouble);
  const at::Tensor deviation = at::tensor({58.395, 57.12, 57.375}, at::kDouble);
  const at::Tensor expected =
      ((pictures.to(at::kDouble) - mean) / deviation).to(at::kFloat).permute({0, 3, 1, 2});
  const at::Tensor actual = Normaliser(test_device())(on_test_device(pictures));
  EXPECT_EQ(different_numbers(actual.to(at::kCPU), expected), 0);
  EXPECT_EQ(actual.suggest_memory_format(), at::MemoryFormat::ChannelsLast);
}

}  // namespace
}  // namespace mimicfleet::pose
