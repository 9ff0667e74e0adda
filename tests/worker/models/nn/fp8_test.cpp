#include "worker/models/nn/fp8.h"

#include <tuple>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"
#include "worker/models/nn/accelerator.h"
#include "worker/models/svd/noise.h"

namespace mimicfleet::nn {
namespace {

at::Tensor exact(const at::Tensor& x) { return x.to(at::kCPU, at::kDouble).contiguous(); }

at::Tensor numbers(const QuantisedRows& rows) {
  return rows.values.to(at::kCPU, at::kFloat).to(at::kDouble) * exact(rows.scales);
}

// Each number is within half of its last bit (a sixteenth of it), or of the smallest number that
// e4m3 has.
void expect_rows_of(const QuantisedRows& rows, const at::Tensor& expected) {
  const at::Tensor x = exact(expected).reshape({-1, expected.size(-1)});
  ASSERT_EQ(rows.values.sizes(), x.sizes());
  ASSERT_EQ(rows.scales.sizes(), (at::IntArrayRef{x.size(0), 1}));
  const at::Tensor allowed = x.abs() / 15 + exact(rows.scales) * 0x1p-9;
  EXPECT_TRUE(((numbers(rows) - x).abs() <= allowed).all().item<bool>());
  const at::Tensor largest = std::get<0>(rows.values.to(at::kCPU, at::kFloat).abs().max(-1));
  EXPECT_TRUE((largest >= 447).logical_or(x.abs().amax(-1) == 0).all().item<bool>());
}

TEST(Fp8, ARowIsScaledSoThatItsLargestNumberIsTheLargestThereIs) {
  const at::Tensor x =
      at::tensor({1.0F, -2.0F, 0.5F, 0.0F, 1e-3F, 3e-3F, -1e-3F, 0.0F}).view({2, 4});
  const QuantisedRows rows = quantise_rows(x);
  EXPECT_TRUE(rows.values.to(at::kFloat)
                  .equal(at::tensor({224.0F, -448.0F, 112.0F, 0.0F, 144.0F, 448.0F, -144.0F, 0.0F})
                             .view({2, 4})));
  EXPECT_FLOAT_EQ(rows.scales[0].item<float>(), 2.0F / 448);
  EXPECT_FLOAT_EQ(rows.scales[1].item<float>(), 3e-3F / 448);
}

TEST(Fp8, ARowOfZerosStaysOneAndNothingOverflows) {
  const QuantisedRows zeros = quantise_rows(at::zeros({2, 16}));
  EXPECT_TRUE(numbers(zeros).equal(at::zeros({2, 16}, at::kDouble)));
  EXPECT_EQ(zeros.scales[0].item<float>(), 1);
  for (const float value : {65504.0F, 3e38F, 1e-38F}) {
    const QuantisedRows rows = quantise_rows(at::tensor({value, -value}).view({1, 2}));
    EXPECT_TRUE(rows.values.to(at::kFloat).equal(at::tensor({448.0F, -448.0F}).view({1, 2})))
        << value;
  }
}

TEST(Fp8, RowsAreWithinHalfTheirLastBit) {
  at::Generator generator = svd::make_generator(7);
  const at::Tensor x = svd::draw({3, 5, 96}, generator) * 30;
  expect_rows_of(quantise_rows(x), x);
}

TEST(Fp8, AProductIsThatOfTheRowsAndItsErrorIsTheirs) {
  at::Generator generator = svd::make_generator(8);
  const at::Tensor x = svd::draw({64, 160}, generator);
  const at::Tensor weight = svd::draw({48, 160}, generator);
  const at::Tensor bias = svd::draw({48}, generator);
  const QuantisedRows rows = quantise_rows(x);
  const QuantisedRows weights = quantise_rows(weight);
  const at::Tensor product = multiply(rows, weights, bias, at::kFloat);
  EXPECT_LE(relative_rms(product, at::linear(numbers(rows), numbers(weights), exact(bias))), 1e-6);
  EXPECT_LE(relative_rms(product, at::linear(exact(x), exact(weight), exact(bias))), 0.04);
}

TEST(Fp8, SmallAndCrookedLayersStayAsTheyAre) {
  EXPECT_TRUE(fits_fp8(at::zeros({48, 640}), 640));
  EXPECT_FALSE(fits_fp8(at::zeros({48, 320}), 640));
  EXPECT_FALSE(fits_fp8(at::zeros({40, 640}), 640));
  EXPECT_FALSE(fits_fp8(at::zeros({48, 648}), 640));
}

TEST(Fp8, IsNotForACpu) {
  if (!test_device().is_cpu()) GTEST_SKIP();
  EXPECT_FALSE(can_fp8(at::kHalf));
  EXPECT_FALSE(can_fp8(at::kFloat));
}

class Fp8NeedsAGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (test_device().is_cpu()) GTEST_SKIP();
    if (!can_fp8(at::kHalf)) GTEST_SKIP() << "this GPU has no 8-bit floating point";
  }
  at::Tensor random(at::IntArrayRef shape, double deviation = 1, at::ScalarType type = at::kHalf) {
    return on_test_device(svd::draw(shape, generator_) * deviation).to(type);
  }

  at::Generator generator_ = svd::make_generator(9);
};

TEST_F(Fp8NeedsAGpu, RowsAreWithinHalfTheirLastBitAndAlwaysTheSame) {
  for (const auto type : {at::kHalf, at::kBFloat16}) {
    for (const std::int64_t columns : {16, 320, 640, 1280, 2048, 5120}) {
      const at::Tensor x = random({3, 37, columns}, 30, type);
      const QuantisedRows rows = quantise_rows(x);
      expect_rows_of(rows, x);
      EXPECT_TRUE(rows.values.to(at::kFloat).equal(quantise_rows(x).values.to(at::kFloat)));
    }
  }
  const QuantisedRows zeros = quantise_rows(random({2, 640}, 0));
  EXPECT_EQ(numbers(zeros).abs().max().item<double>(), 0);
}

TEST_F(Fp8NeedsAGpu, ALayerNormIsQuantisedAsItIsComputed) {
  for (const std::int64_t channels : {320, 640, 1280}) {
    const at::Tensor x = random({2, 3, 11, channels}, 5);
    const at::Tensor weight = random({channels});
    const at::Tensor bias = random({channels});
    for (const at::Tensor& addend :
         {at::Tensor(), random({2, 3, channels}), random({1, 3, channels}),
          random({2, 1, channels}), random({1, 1, channels})}) {
      const at::Tensor sum = addend.defined() ? exact(x) + exact(addend).unsqueeze(2) : exact(x);
      const at::Tensor expected = at::layer_norm(sum, {channels}, exact(weight), exact(bias), 1e-5);
      expect_rows_of(layer_norm_quantised(x, addend, weight, bias, 1e-5), expected);
    }
  }
}

TEST_F(Fp8NeedsAGpu, AGatedLayerIsQuantisedAsItIsComputed) {
  for (const std::int64_t inner : {64, 1280, 2560, 5120}) {
    const at::Tensor x = random({2, 19, 2 * inner}, 2);
    const at::Tensor value = exact(x).narrow(-1, 0, inner);
    expect_rows_of(geglu_quantised(x), value * at::gelu(exact(x).narrow(-1, inner, inner)));
  }
}

TEST_F(Fp8NeedsAGpu, AProductIsThatOfTheRowsAndAlwaysTheSame) {
  ASSERT_TRUE(try_fp8(test_device(), at::kHalf).ok()) << try_fp8(test_device(), at::kHalf);
  for (const auto type : {at::kHalf, at::kBFloat16}) {
    for (const auto& [in, out] : {std::pair(640, 1920), std::pair(640, 5120), std::pair(2560, 640),
                                  std::pair(1280, 3840), std::pair(5120, 1280)}) {
      const at::Tensor x = random({333, in}, 1, type);
      const at::Tensor weight = random({out, in}, 0.03, type);
      const at::Tensor bias = random({out}, 1, type);
      const QuantisedRows rows = quantise_rows(x);
      const QuantisedRows weights = quantise_rows(weight);
      for (const at::Tensor& addend : {bias, at::Tensor()}) {
        const at::Tensor product = multiply(rows, weights, addend, type);
        ASSERT_EQ(product.scalar_type(), type);
        const auto with_addend = [&](at::Tensor y) {
          return addend.defined() ? y + exact(addend) : y;
        };
        const at::Tensor of_rows = with_addend(at::linear(numbers(rows), numbers(weights)));
        const at::Tensor expected = with_addend(at::linear(exact(x), exact(weight)));
        EXPECT_LE(relative_rms(product, of_rows), 4e-3) << in << " to " << out;
        EXPECT_LE(relative_rms(product, expected), 0.04) << in << " to " << out;
        EXPECT_TRUE(product.equal(multiply(rows, weights, addend, type)));
      }
    }
  }
}

}  // namespace
}  // namespace mimicfleet::nn
