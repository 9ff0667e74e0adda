#include "coordinator/client/weight_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/weights/safetensors.h"
#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Shape = std::vector<std::int64_t>;

std::string tensors(const std::vector<std::pair<std::string, Shape>>& named) {
  static const std::vector<std::uint8_t> kZeros(1 << 10, 0);
  std::vector<weights::TensorToWrite> to_write;
  for (const auto& [name, shape] : named) {
    const auto bytes = static_cast<std::size_t>(*weights::element_count(shape)) * sizeof(float);
    to_write.push_back({name, weights::DType::kF32, shape, std::span(kZeros).first(bytes)});
  }
  return weights::safetensors_bytes(std::move(to_write), {});
}

// The UNet's first, last and in-between weights as these shapes.
std::string whole_unet(const Shape& conv_in) {
  return tensors({{"conv_in.weight", conv_in},
                  {"conv_out.weight", {4, 2}},
                  {"time_embedding.linear_1.weight", {2, 2}}});
}

class WeightFile : public ::testing::Test {
 protected:
  std::string error(const std::string& bytes, const weights::ParameterShapes* unet = &kUnet) {
    put(folder_, "lora.safetensors", bytes);
    return check_lora_file(folder_ / "lora.safetensors", unet).message();
  }
  std::string overlay_error(const std::string& bytes,
                            const weights::ParameterShapes* unet = &kUnet) {
    put(folder_, "unet.safetensors", bytes);
    return check_overlay_file(folder_ / "unet.safetensors", unet).message();
  }

  static inline const weights::ParameterShapes kUnet = {{"to_q.weight", {2, 3}},
                                                        {"conv_in.weight", {2, 2}},
                                                        {"conv_out.weight", {4, 2}},
                                                        {"time_embedding.linear_1.weight", {2, 2}}};
  const std::string lora_ =
      tensors({{"unet.to_q.lora_A.weight", {1, 3}}, {"unet.to_q.lora_B.weight", {2, 1}}});
  TemporaryFolder folder_;
};

TEST_F(WeightFile, TheUnetIsThatOfTheCheckpoint) {
  put_models(folder_);
  const auto unet = unet_parameters(folder_ / "MimicMotion_1-1.pth");
  ASSERT_TRUE(unet.ok()) << unet.status();
  EXPECT_EQ(*unet, (weights::ParameterShapes{{"to_q.weight", {2, 3}}}));
}

TEST_F(WeightFile, WhatWorkersReadPasses) {
  EXPECT_EQ(error(lora_), "");
  EXPECT_EQ(error(lora_, nullptr), "");
  EXPECT_EQ(error(whole_unet({2, 2})), "");  // workers take it as an overlay
}

TEST_F(WeightFile, WhatCannotWorkIsNamedBeforeAnythingRuns) {
  const std::string name = folder_ / "lora.safetensors";
  EXPECT_EQ(error(""), name + ": is empty (0 bytes); fetch it again");
  EXPECT_THAT(error(lora_.substr(0, lora_.size() - 1)),
              AllOf(HasSubstr("lies outside the file"), HasSubstr("fetch the file again")));
  EXPECT_THAT(error("\1"),
              AllOf(HasSubstr("it is only 1 bytes long"), HasSubstr("fetch the file again")));
  EXPECT_THAT(error(fake_checkpoint().substr(0, 100)), HasSubstr("it is cut off"));
  EXPECT_THAT(error(tensors({})), HasSubstr("holds no LoRA, but nothing at all"));
  EXPECT_THAT(error(tensors({{"to_q.lora_magnitude_vector", {1}}})),
              HasSubstr("lora.safetensors: 1 of its 1 tensors are of DoRA"));
  EXPECT_THAT(error(tensors({{"unet.to_q.lora_A.weight", {1, 3}}})),
              HasSubstr("has only half of what changes"));
  const std::string of_another =
      tensors({{"to_q.lora_A.weight", {1, 768}}, {"to_q.lora_B.weight", {2, 1}}});
  EXPECT_THAT(error(of_another),
              HasSubstr("to_q.weight is [2, 3], but its parts are [2, 1] and [1, 768]"));
  EXPECT_EQ(error(of_another, nullptr), "");
  EXPECT_THAT(error(tensors({{"to_k.lora_A.weight", {1, 3}}, {"to_k.lora_B.weight", {2, 1}}})),
              HasSubstr("2 of its keys match nothing"));
  EXPECT_THAT(check_lora_file(folder_ / "gone", &kUnet).message(), HasSubstr("gone"));
}

TEST_F(WeightFile, AnOverlayIsAWholeUnetOfTheseModels) {
  EXPECT_EQ(overlay_error(whole_unet({2, 2})), "");
  EXPECT_EQ(overlay_error(whole_unet({2, 9}), nullptr), "");
  EXPECT_THAT(
      overlay_error(whole_unet({2, 9})),
      HasSubstr(
          "unet.safetensors: is a UNet of another model: 1 of its 3 tensors do not fit, such as "
          "conv_in.weight is [2, 9] instead of [2, 2]; take one"));
  EXPECT_THAT(error(whole_unet({2, 9})), HasSubstr("is a UNet of another model"));
  EXPECT_THAT(overlay_error(lora_),
              HasSubstr("is a LoRA and no whole UNet; give it as --lcm-lora-path"));
  EXPECT_THAT(overlay_error(tensors({{"something", {1}}})), HasSubstr("holds no whole UNet"));
  EXPECT_THAT(overlay_error("\1"), HasSubstr("it is only 1 bytes long"));
  EXPECT_THAT(overlay_error("version https://git-lfs.github.com/spec/v1"),
              HasSubstr("Git LFS pointer"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
