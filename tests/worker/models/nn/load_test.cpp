#include "worker/models/nn/load.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include "worker/models/nn/guarded.h"
#include "worker/models/nn/layers.h"

namespace mimicfleet::nn {
namespace {

using ::testing::HasSubstr;

// A view of a tensor's memory, as a reader would have made it.
weights::TensorView view_of(const at::Tensor& tensor) {
  auto buffer = std::make_shared<weights::Buffer>();
  buffer->origin = "file.safetensors";
  buffer->bytes = {static_cast<const std::uint8_t*>(tensor.const_data_ptr()), tensor.nbytes()};
  buffer->owner = std::make_shared<at::Tensor>(tensor);
  return {dtype_of(tensor), tensor.sizes().vec(), tensor.strides().vec(), buffer->bytes, buffer};
}

struct Fixture {
  ParameterList parameters;
  Linear layer{Scope(parameters, at::TensorOptions().dtype(at::kFloat)) / "layer", 2, 3};
  weights::TensorSet set;

  Fixture() {
    set.tensors.emplace("layer.weight", view_of(at::full({3, 2}, 2.0, at::kHalf)));
    set.tensors.emplace("layer.bias", view_of(at::ones({3}, at::kFloat)));
  }
  Status load() { return load_parameters(parameters, set, "layer", "file.safetensors"); }
};

TEST(LoadParameters, FillsEveryParameterInItsOwnType) {
  Fixture fixture;
  ASSERT_TRUE(fixture.load().ok());
  EXPECT_TRUE(fixture.layer(at::ones({1, 2})).equal(at::full({1, 3}, 5.0)));
}

TEST(LoadParameters, TakesFilesOfEveryPrecision) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
    Fixture fixture;
    fixture.set.tensors["layer.weight"] = view_of(at::full({3, 2}, -1.5, type));
    ASSERT_TRUE(fixture.load().ok()) << type;
    EXPECT_TRUE(fixture.layer(at::ones({1, 2})).equal(at::full({1, 3}, -2.0))) << type;
  }
}

TEST(LoadParameters, OneErrorNamesTheFirstOfEachKindOfMisfit) {
  Fixture fixture;
  fixture.set.tensors.erase("layer.bias");
  fixture.set.tensors["layer.weight"].shape = {2, 3};
  fixture.set.tensors.emplace("other.a", view_of(at::ones({1})));
  fixture.set.tensors.emplace("other.b", view_of(at::ones({1})));
  const Status status = fixture.load();
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_THAT(status.message(), HasSubstr("file.safetensors: "));
  EXPECT_THAT(status.message(), HasSubstr("1 missing, first layer.bias"));
  EXPECT_THAT(status.message(),
              HasSubstr("1 of another shape, first layer.weight [2, 3] instead of [3, 2]"));
  EXPECT_THAT(status.message(), HasSubstr("2 unexpected, first other.a"));
}

TEST(Scope, AModelMadeAgainWithTheSameMemorySharesIt) {
  const auto options = at::TensorOptions().dtype(at::kFloat);
  ParameterList parameters;
  Memory memory;
  const Linear first(Scope(parameters, options, &memory), 2, 3);
  ASSERT_EQ(memory.blocks.size(), 2U);
  Memory changed{memory.blocks, 0};
  changed.blocks[1] = at::ones({3});
  ParameterList again;
  const Linear second(Scope(again, options, &changed), 2, 3);
  EXPECT_TRUE(second.weight.is_alias_of(first.weight));
  EXPECT_TRUE(second.bias.equal(at::ones({3})));
  EXPECT_FALSE(second.bias.is_alias_of(first.bias));
  EXPECT_EQ(again.size(), parameters.size());
}

TEST(LoadParameters, WhatMayBeIgnoredIsNoMisfit) {
  Fixture fixture;
  fixture.set.tensors.emplace("other", view_of(at::ones({1})));
  std::vector<std::string> ignored;
  const auto ignore = [&](std::string_view name) {
    ignored.emplace_back(name);
    return true;
  };
  EXPECT_TRUE(load_parameters(fixture.parameters, fixture.set, "layer", "f", ignore).ok());
  EXPECT_THAT(ignored, ::testing::ElementsAre("other"));
}

TEST(LoadParameters, NanAndInfinityAreFoundAndNamed) {
  for (const double bad :
       {std::nan(""), static_cast<double>(INFINITY), static_cast<double>(-INFINITY)}) {
    Fixture fixture;
    fixture.set.tensors["layer.weight"] = view_of(at::full({3, 2}, bad, at::kHalf));
    const Status status = fixture.load();
    EXPECT_EQ(status.code(), StatusCode::kBadInput);
    EXPECT_THAT(status.message(),
                HasSubstr("file.safetensors: layer.weight has NaN or infinite numbers"));
  }
}

TEST(LoadParameters, NumbersTooLargeForHalfPrecisionAreNamed) {
  ParameterList parameters;
  const Linear layer(Scope(parameters, at::TensorOptions().dtype(at::kHalf)), 1, 1,
                     /*has_bias=*/false);
  weights::TensorSet set;
  set.tensors.emplace("weight", view_of(at::full({1, 1}, 1e6, at::kFloat)));
  const Status status = load_parameters(parameters, set, "layer", "f");
  EXPECT_THAT(status.message(), HasSubstr("too large for fp16"));
}

TEST(LoadParameters, AParameterThatNobodyReadsHasToBeThereAndWhole) {
  ParameterList parameters;
  Scope(parameters, at::TensorOptions()).unread("to_q.weight", {2, 2});
  weights::TensorSet set;
  EXPECT_THAT(load_parameters(parameters, set, "layer", "f").message(),
              HasSubstr("1 missing, first to_q.weight"));
  set.tensors.emplace("to_q.weight", view_of(at::full({2, 2}, std::nan(""), at::kFloat)));
  EXPECT_FALSE(load_parameters(parameters, set, "layer", "f").ok());
  set.tensors["to_q.weight"] = view_of(at::ones({2, 2}));
  EXPECT_TRUE(load_parameters(parameters, set, "layer", "f").ok());
}

TEST(AsTensor, UnalignedBytesAreRead) {
  const std::vector<std::uint8_t> bytes = {9, 0, 0, 0x80, 0x3F};  // 1.0F behind one byte
  auto buffer = std::make_shared<weights::Buffer>();
  buffer->bytes = bytes;
  const weights::TensorView view{
      weights::DType::kF32, {1}, {1}, std::span(bytes).subspan(1), buffer};
  EXPECT_EQ(as_tensor(view).item<float>(), 1.0F);
}

TEST(Guarded, WhatLibTorchThrowsBecomesAStatus) {
  const Status status = guarded("adding", [] {
    (void)(at::ones({2}) + at::ones({3}));
    return Status();
  });
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_THAT(status.message(), HasSubstr("adding: "));
}

TEST(Guarded, MemoryThatRunsOutIsTold) {
  const Status status = guarded("adding", [] {
    (void)at::empty({1LL << 46}, at::kByte);
    return Status();
  });
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace mimicfleet::nn
