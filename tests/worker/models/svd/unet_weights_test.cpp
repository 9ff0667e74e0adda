// LoRAs against what the original made of them.
#include "worker/models/svd/unet_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <gmock/gmock.h>

#include "common/weights/open.h"
#include "tests/worker/models/golden.h"

namespace mimicfleet::svd {
namespace {

using ::testing::HasSubstr;

using Fused = Result<std::shared_ptr<const UnetWeights>>;

weights::TensorSet open(const std::string& name) {
  auto set = weights::open_weights({golden_path("models/" + name)});
  EXPECT_TRUE(set.ok()) << set.status();
  return std::move(set).value();
}

const UnetWeights& base() { return *golden_models().unet_weights; }

const at::Tensor& parameter(const UnetWeights& weights, const std::string& name) {
  for (const auto& candidate : weights.parameters) {
    if (candidate.name == name) return candidate.tensor;
  }
  throw std::out_of_range(name);
}

Fused fuse(const std::string& layout, double scale) {
  const auto lora = open("lcm_lora/lora_" + layout + ".safetensors");
  const std::vector<LoraToFuse> loras = {{lora, layout, scale}};
  return fuse_loras(base(), loras);
}

double difference(const UnetWeights& a, const UnetWeights& b) {
  double largest = 0;
  for (const auto& one : a.parameters) {
    if (one.tensor.defined())
      largest = std::max(largest, relative_difference(one.tensor, parameter(b, one.name)));
  }
  return largest;
}

// Every tensor as floats of eight bits, as smaller downloads have them.
weights::TensorSet in_eight_bits(const weights::TensorSet& lora, at::ScalarType type) {
  weights::TensorSet set;
  for (const auto& [name, view] : lora.tensors) {
    const at::Tensor small = nn::as_tensor(view).to(type).contiguous();
    auto buffer = std::make_shared<weights::Buffer>();
    buffer->origin = "lora.safetensors";
    buffer->bytes = {static_cast<const std::uint8_t*>(small.const_data_ptr()),
                     static_cast<std::size_t>(small.numel())};
    buffer->owner = std::make_shared<at::Tensor>(small);
    set.tensors.emplace(
        name, weights::TensorView{nn::dtype_of(small), view.shape,
                                  weights::contiguous_strides(view.shape), buffer->bytes, buffer});
  }
  return set;
}

TEST(UnetWeights, ALoraOfEightBitFloatsIsFusedAsWhatItsNumbersAre) {
  const auto lora = open("lcm_lora/lora_kohya.safetensors");
  for (const at::ScalarType type : {at::kFloat8_e4m3fn, at::kFloat8_e5m2}) {
    const auto small = in_eight_bits(lora, type);
    weights::TensorSet same;  // the same numbers in float32
    std::vector<at::Tensor> kept;
    for (const auto& [name, view] : small.tensors) {
      kept.push_back(nn::as_tensor(view).to(at::kFloat));
      auto buffer = std::make_shared<weights::Buffer>();
      buffer->bytes = {static_cast<const std::uint8_t*>(kept.back().const_data_ptr()),
                       kept.back().nbytes()};
      same.tensors.emplace(name, weights::TensorView{weights::DType::kF32, view.shape, view.strides,
                                                     buffer->bytes, buffer});
    }
    const std::vector<LoraToFuse> of_small = {{small, "small", 0.8}};
    const std::vector<LoraToFuse> of_same = {{same, "same", 0.8}};
    const auto fused = fuse_loras(base(), of_small);
    const auto expected = fuse_loras(base(), of_same);
    ASSERT_TRUE(fused.ok() && expected.ok()) << fused.status() << expected.status();
    EXPECT_EQ(difference(**fused, **expected), 0);
    EXPECT_GT(difference(**fused, base()), 0);
  }
}

class LoraLayouts : public ::testing::TestWithParam<const char*> {};

TEST_P(LoraLayouts, FuseToTheOriginalsWeights) {
  const Golden golden("lora");
  const auto fused = fuse(GetParam(), 0.8);
  ASSERT_TRUE(fused.ok()) << fused.status();
  for (const auto& [name, shape, weight] : (*fused)->parameters) {
    if (!golden.has("fused_0.8." + name)) continue;
    EXPECT_TRUE(golden.is_equal("base." + name, parameter(base(), name)));
    EXPECT_TRUE(golden.is_near("fused_0.8." + name, weight, 1e-6));
  }
}

// Also of queries and keys over one token, which no equation reads and which are not kept in
// memory.
TEST_P(LoraLayouts, ChangeEveryWeightAsTheOriginalDoes) {
  const Golden golden("lora");
  const auto checkpoint = open("MimicMotion_1-1.pth").with_prefix(kUnetPrefix);
  const auto lora = open(std::string("lcm_lora/lora_") + GetParam() + ".safetensors");
  weights::ParameterShapes shapes;
  for (const auto& one : base().parameters) shapes.emplace(one.name, one.shape);
  const auto updates = weights::read_lora(lora, shapes, GetParam());
  ASSERT_TRUE(updates.ok()) << updates.status();
  EXPECT_EQ(updates->size(), 54U);
  for (const auto& update : *updates) {
    const at::Tensor before =
        nn::as_tensor(checkpoint.tensors.at(update.parameter)).to(at::kDouble);
    const double alpha = update.alpha ? nn::as_tensor(*update.alpha).item<double>()
                                      : static_cast<double>(update.rank());
    const at::Tensor product = at::matmul(nn::as_tensor(update.up).to(at::kDouble).flatten(1),
                                          nn::as_tensor(update.down).to(at::kDouble).flatten(1));
    const at::Tensor after =
        before + product.view(before.sizes()) * (0.8 * alpha / static_cast<double>(update.rank()));
    const std::string module = update.parameter.substr(0, update.parameter.rfind('.'));
    EXPECT_TRUE(golden.is_near("sums." + module,
                               at::stack({before.sum(), after.sum(), after.abs().sum()}), 1e-5));
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, LoraLayouts, ::testing::Values("peft", "diffusers_old", "kohya"));

TEST(FuseLoras, SharesWhatNoLoraChangesAndCopiesTheRest) {
  const auto fused = fuse("peft", 1);
  ASSERT_TRUE(fused.ok()) << fused.status();
  const auto shared = [&](const std::string& name) {
    return parameter(**fused, name).is_alias_of(parameter(base(), name));
  };
  EXPECT_TRUE(shared("conv_in.weight"));
  EXPECT_TRUE(shared("conv_out.bias"));
  EXPECT_FALSE(shared("time_embedding.linear_1.weight"));
  EXPECT_FALSE(shared("mid_block.attentions.0.proj_in.weight"));
}

TEST(FuseLoras, SeveralAddUpInOneSum) {
  const auto peft = open("lcm_lora/lora_peft.safetensors");
  const auto kohya = open("lcm_lora/lora_kohya.safetensors");
  const std::vector<LoraToFuse> both = {{peft, "peft", 0.5}, {kohya, "kohya", 0.3}};
  const auto together = fuse_loras(base(), both);
  const auto alone = fuse("peft", 0.8);  // the two files hold the same change
  ASSERT_TRUE(together.ok() && alone.ok());
  EXPECT_LE(difference(**together, **alone), 1e-6);
  const std::vector<LoraToFuse> opposed = {{peft, "peft", 1}, {kohya, "kohya", -1}};
  EXPECT_LE(difference(**fuse_loras(base(), opposed), base()), 1e-6);
}

TEST(FuseLoras, ASumThatIsTooLargeIsRefusedWithARemedy) {
  const auto fused = fuse("peft", 1e39);
  ASSERT_FALSE(fused.ok());
  EXPECT_EQ(fused.status().code(), StatusCode::kBadInput);
  EXPECT_THAT(fused.status().message(), HasSubstr("give a smaller --lcm-lora-scale"));
}

TEST(FuseLoras, AnotherModelsLoraIsRefused) {
  const auto lora = open("svd/vae/diffusion_pytorch_model.fp16.safetensors");
  const std::vector<LoraToFuse> loras = {{lora, "vae.safetensors", 1}};
  EXPECT_THAT(fuse_loras(base(), loras).status().message(),
              HasSubstr("vae.safetensors: is no LoRA of this UNet"));
}

TEST(LoadUnet, AnOverlayHasTheSameParametersAndOtherNumbers) {
  const auto overlay =
      load_unet(golden_model_files().unet_config, open("AnimateLCM-SVD-xt-1.1.safetensors"),
                "overlay", base().options);
  ASSERT_TRUE(overlay.ok()) << overlay.status();
  EXPECT_GT(difference(**overlay, base()), 0.1);
  EXPECT_THAT(load_unet(golden_model_files().unet_config, open("lcm_lora/lora_peft.safetensors"),
                        "lora", base().options)
                  .status()
                  .message(),
              HasSubstr("lora: these are not the weights of the UNet"));
}

}  // namespace
}  // namespace mimicfleet::svd
