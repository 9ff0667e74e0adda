#include "common/weights/lora.h"

#include <limits>

#include <gmock/gmock.h>

#include "common/weights/safetensors.h"
#include "tests/common/weights/temporary_folder.h"

namespace mimicfleet::weights {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

using Shape = std::vector<std::int64_t>;

const ParameterShapes& model() {
  static const ParameterShapes kShapes = {
      {"block.0.attn1.to_q.weight", {8, 6}}, {"block.0.attn1.to_out.0.weight", {8, 8}},
      {"block.0.attn1.to_out.0.bias", {8}},  {"block.0.proj_in.weight", {8, 6}},
      {"block.0.conv.weight", {8, 6, 3, 3}}, {"block.0.time_conv.weight", {8, 6, 3, 1, 1}},
      {"block.0.norm.weight", {8}},
  };
  return kShapes;
}

// A file in memory: every number is `value`.
struct File {
  TensorSet set;

  File& add(const std::string& name, Shape shape, float value = 1) {
    const auto count = static_cast<std::size_t>(*element_count(shape));
    auto values = std::make_shared<std::vector<float>>(count, value);
    auto buffer = std::make_shared<Buffer>();
    buffer->origin = "lora.safetensors";
    buffer->bytes = {reinterpret_cast<const std::uint8_t*>(values->data()), count * sizeof(float)};
    buffer->owner = values;
    set.tensors[name] =
        TensorView{DType::kF32, shape, contiguous_strides(shape), buffer->bytes, buffer};
    return *this;
  }
  [[nodiscard]] Result<std::vector<LoraUpdate>> read() const {
    return read_lora(set, model(), "lora.safetensors");
  }
  // The parameters that it changes, or the error.
  [[nodiscard]] std::vector<std::string> changed() const {
    const auto updates = read();
    if (!updates.ok()) return {updates.status().message()};
    std::vector<std::string> names;
    for (const auto& update : *updates) names.push_back(update.parameter);
    return names;
  }
  [[nodiscard]] std::string error() const { return read().status().message(); }
};

TEST(Lora, PeftAndDiffusersNames) {
  for (const std::string prefix : {"", "unet.", "base_model.model.", "base_model.model.unet."}) {
    for (const std::string adapter : {"", ".default"}) {
      File file;
      file.add(prefix + "block.0.attn1.to_q.lora_A" + adapter + ".weight", {2, 6});
      file.add(prefix + "block.0.attn1.to_q.lora_B" + adapter + ".weight", {8, 2});
      EXPECT_THAT(file.changed(), ElementsAre("block.0.attn1.to_q.weight")) << prefix << adapter;
    }
  }
}

TEST(Lora, FloatsOfEightBitsAreNumbersUnlessTheyAreNaN) {
  for (const auto& [dtype, nan] : {std::pair(DType::kF8E4M3, 0x7f), {DType::kF8E5M2, 0x7d}}) {
    File file;
    file.add("block.0.proj_in.lora_A.weight", {2, 6}).add("block.0.proj_in.lora_B.weight", {8, 2});
    for (auto& [name, view] : file.set.tensors) {
      view.dtype = dtype;
      view.bytes = view.bytes.first(static_cast<std::size_t>(*element_count(view.shape)));
    }
    EXPECT_THAT(file.changed(), ElementsAre("block.0.proj_in.weight"));
    const std::vector<std::uint8_t> bad(12, static_cast<std::uint8_t>(nan | 0x80));
    file.set.tensors.at("block.0.proj_in.lora_A.weight").bytes = bad;
    EXPECT_THAT(file.error(), HasSubstr("NaN or infinite"));
  }
}

TEST(Lora, OtherMethodsAndPartsAreNamedWithTheRemedy) {
  const auto error = [](const std::string& name) {
    File file;
    file.add("block.0.proj_in.lora_A.weight", {2, 6}).add("block.0.proj_in.lora_B.weight", {8, 2});
    return file.add(name, {8}).error();
  };
  EXPECT_THAT(error("block.0.proj_in.lora_magnitude_vector.weight"), HasSubstr("of DoRA"));
  EXPECT_THAT(error("lora_unet_block_0_proj_in.hada_w1_a"), HasSubstr("of LoHa"));
  EXPECT_THAT(error("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight"),
              HasSubstr("of a text encoder"));
}

TEST(Lora, NamesOfOlderDiffusers) {
  for (const std::string prefix : {"", "unet."}) {
    File file;
    file.add(prefix + "block.0.attn1.to_q.lora.down.weight", {2, 6})
        .add(prefix + "block.0.attn1.to_q.lora.up.weight", {8, 2});
    file.add(prefix + "block.0.proj_in.lora_linear_layer.down.weight", {2, 6});
    file.add(prefix + "block.0.proj_in.lora_linear_layer.up.weight", {8, 2});
    EXPECT_THAT(file.changed(), ElementsAre("block.0.attn1.to_q.weight", "block.0.proj_in.weight"));
  }
}

TEST(Lora, NamesOfAttentionProcessors) {
  File file;
  for (const std::string projection : {"to_q", "to_out"}) {
    const std::int64_t in = projection == "to_q" ? 6 : 8;
    file.add("unet.block.0.attn1.processor." + projection + "_lora.down.weight", {2, in});
    file.add("unet.block.0.attn1.processor." + projection + "_lora.up.weight", {8, 2});
  }
  file.add("unet.block.0.attn1.processor.to_q_lora.down.weight.alpha", {});
  EXPECT_THAT(file.changed(),
              ElementsAre("block.0.attn1.to_out.0.weight", "block.0.attn1.to_q.weight"));
  EXPECT_TRUE(file.read()->at(1).alpha.has_value());
}

TEST(Lora, NamesOfKohyaWithAlpha) {
  File file;
  file.add("lora_unet_block_0_attn1_to_out_0.lora_down.weight", {4, 8});
  file.add("lora_unet_block_0_attn1_to_out_0.lora_up.weight", {8, 4});
  file.add("lora_unet_block_0_attn1_to_out_0.alpha", {}, 2);
  const auto updates = file.read();
  ASSERT_TRUE(updates.ok()) << updates.status();
  EXPECT_EQ(updates->at(0).parameter, "block.0.attn1.to_out.0.weight");
  EXPECT_EQ(updates->at(0).rank(), 4);
  ASSERT_TRUE(updates->at(0).alpha.has_value());
}

TEST(Lora, ConvolutionsOfAnyKernel) {
  File file;
  file.add("block.0.conv.lora_A.weight", {2, 6, 3, 3})
      .add("block.0.conv.lora_B.weight", {8, 2, 1, 1});
  file.add("block.0.time_conv.lora_A.weight", {2, 6, 3, 1, 1})
      .add("block.0.time_conv.lora_B.weight", {8, 2, 1, 1, 1});
  file.add("block.0.proj_in.lora_A.weight", {2, 6, 1, 1})
      .add("block.0.proj_in.lora_B.weight", {8, 2, 1, 1});
  EXPECT_THAT(file.changed(), ElementsAre("block.0.conv.weight", "block.0.proj_in.weight",
                                          "block.0.time_conv.weight"));
}

TEST(Lora, OfRankOne) {
  File file;
  file.add("block.0.attn1.to_q.lora_A.weight", {1, 6})
      .add("block.0.attn1.to_q.lora_B.weight", {8, 1});
  EXPECT_THAT(file.changed(), ElementsAre("block.0.attn1.to_q.weight"));
}

TEST(Lora, AKernelInTheMiddle) {
  File file;
  file.add("lora_unet_block_0_conv.lora_down.weight", {2, 6, 1, 1});
  file.add("lora_unet_block_0_conv.lora_mid.weight", {2, 2, 3, 3});
  file.add("lora_unet_block_0_conv.lora_up.weight", {8, 2, 1, 1});
  const auto updates = file.read();
  ASSERT_TRUE(updates.ok()) << updates.status();
  EXPECT_TRUE(updates->at(0).mid.has_value());
}

TEST(Lora, KeysThatMatchNothingAreListedWithTheNearestRealNames) {
  File file;
  file.add("block.0.attn1.to_q.lora_A.weight", {2, 6})
      .add("block.0.attn1.to_q.lora_B.weight", {8, 2});
  for (const char* name : {"1", "2", "3", "4", "5", "6"}) file.add(std::string("x") + name, {1});
  file.add("unet.block.0.attn1.to_qq.lora_A.weight", {2, 6});
  const std::string error = file.error();
  EXPECT_THAT(
      error,
      AllOf(HasSubstr("lora.safetensors: is no LoRA of this UNet: 7 of its keys match nothing: "),
            HasSubstr("unet.block.0.attn1.to_qq.lora_A.weight (nearest: block.0.attn1.to_q)"),
            HasSubstr("x4 (nearest: "), Not(HasSubstr("x5 (nearest")),
            EndsWith("; take a LoRA that was made for Stable Video Diffusion's UNet")));
}

TEST(Lora, AKeyOfKohyaThatMatchesNothingHasTheNearestNameAsTheModelSpellsIt) {
  EXPECT_THAT(File().add("lora_unet_block_0_attn1_to_out_1.lora_down.weight", {2, 8}).error(),
              HasSubstr("(nearest: block.0.attn1.to_out.0)"));
}

TEST(Lora, HalfAnUpdateIsRefused) {
  EXPECT_EQ(File().add("block.0.attn1.to_q.lora_A.weight", {2, 6}).error(),
            "lora.safetensors: has only half of what changes block.0.attn1.to_q.weight: its up (B) "
            "part is "
            "missing; fetch the file again, or save both parts");
  EXPECT_THAT(File().add("lora_unet_block_0_conv.alpha", {}).error(),
              HasSubstr("its down (A) part is missing"));
}

TEST(Lora, TwoUpdatesOfOneWeightAreRefused) {
  File file;
  file.add("block.0.attn1.to_q.lora_A.weight", {2, 6})
      .add("unet.block.0.attn1.to_q.lora_A.weight", {2, 6});
  EXPECT_EQ(file.error(),
            "lora.safetensors: changes block.0.attn1.to_q.weight twice; "
            "unet.block.0.attn1.to_q.lora_A.weight is the second: save it with one of them");
}

TEST(Lora, ShapesThatDoNotFitAreRefused) {
  const auto with = [](Shape down, Shape up, const char* module = "block.0.attn1.to_q") {
    File file;
    file.add(std::string(module) + ".lora_A.weight", std::move(down))
        .add(std::string(module) + ".lora_B.weight", std::move(up));
    return file.error();
  };
  EXPECT_EQ(
      with({2, 7}, {8, 2}),
      "lora.safetensors: block.0.attn1.to_q.weight is [8, 6], but its parts are [8, 2] and [2, 7]: "
      "made for another model; take a LoRA that was made for Stable Video Diffusion's UNet");
  for (const auto& [down, up] : std::vector<std::pair<Shape, Shape>>{{{2, 6}, {8, 3}},
                                                                     {{2, 6}, {9, 2}},
                                                                     {{12}, {8, 2}},
                                                                     {{2, 6}, {16}},
                                                                     {{0, 6}, {8, 0}},
                                                                     {{2, 6, 3, 3}, {8, 2}},
                                                                     {{}, {}}}) {
    EXPECT_THAT(with(down, up), HasSubstr("made for another model"))
        << shape_text(down) << shape_text(up);
  }
  EXPECT_THAT(with({2, 6}, {8, 2}, "block.0.conv"), HasSubstr("made for another model"));
}

TEST(Lora, AnAlphaIsOneNumberAndWeightsAreFinite) {
  File file;
  file.add("block.0.attn1.to_q.lora_A.weight", {2, 6})
      .add("block.0.attn1.to_q.lora_B.weight", {8, 2});
  file.add("block.0.attn1.to_q.alpha", {2});
  EXPECT_THAT(file.error(), HasSubstr("the alpha of block.0.attn1.to_q.weight is not one number"));
  file.set.tensors.erase("block.0.attn1.to_q.alpha");
  file.add("block.0.attn1.to_q.lora_B.weight", {8, 2}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(file.error(),
              AllOf(HasSubstr("NaN or infinite"), HasSubstr("; fetch the file again, or take")));
}

TEST(Lora, NumbersThatAreQuantisedOtherwiseAreRefusedButForAlphas) {
  File file;
  file.add("block.0.attn1.to_q.lora_A.weight", {2, 6})
      .add("block.0.attn1.to_q.lora_B.weight", {8, 2});
  file.add("block.0.attn1.to_q.alpha", {});
  file.set.tensors.at("block.0.attn1.to_q.alpha").dtype = DType::kI64;
  EXPECT_EQ(file.error(), "");
  file.set.tensors.at("block.0.attn1.to_q.lora_A.weight").dtype = DType::kI8;
  EXPECT_EQ(file.error(),
            "lora.safetensors: block.0.attn1.to_q.weight is changed by numbers of the type I8, "
            "which cannot be "
            "added to weights; save them as float16 or float32");
}

TEST(Lora, IsCheckedWithoutItsNumbers) {
  File file;
  file.add("block.0.attn1.to_q.lora_A.weight", {2, 6}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(check_lora(file.set, &model(), "a.pt").message(), HasSubstr("a.pt: has only half"));
  file.add("block.0.attn1.to_q.lora_B.weight", {8, 2});
  EXPECT_TRUE(check_lora(file.set, &model(), "a.pt").ok());
  file.add("block.0.attn1.to_x.lora_A.weight", {2, 6})
      .add("block.0.attn1.to_x.lora_B.weight", {8, 2});
  EXPECT_THAT(check_lora(file.set, &model(), "a.pt").message(),
              HasSubstr("2 of its keys match nothing"));
}

TEST(Lora, IsCheckedAsFarAsItGoesWhereTheModelIsNotAtHand) {
  const auto error = [](const File& file) {
    return check_lora(file.set, nullptr, "a.pt").message();
  };
  File file;
  file.add("unet.any.lora_A.weight", {2, 6}).add("unet.any.lora_B.weight", {8, 2});
  file.add("lora_unet_other.lora_down.weight", {2, 6})
      .add("lora_unet_other.lora_up.weight", {8, 2});
  EXPECT_EQ(error(file), "");
  EXPECT_THAT(error(File().add("unet.any.lora_A.weight", {2, 6})), HasSubstr("has only half"));
  EXPECT_THAT(error(File().add("clip_g", {2, 6})), HasSubstr("of a textual inversion"));
  EXPECT_EQ(error(File().add("something", {2, 6})),
            "a.pt: is no LoRA of this UNet: 1 of its keys match nothing: something; take a LoRA "
            "that was made "
            "for Stable Video Diffusion's UNet");
  EXPECT_THAT(
      error(File().add("any.lora_A.weight", {2, 6}).add("any.lora_B.weight", {8, 3})),
      HasSubstr("are no two matrices that can be multiplied, but [8, 3] and [2, 6]; fetch"));
  EXPECT_THAT(error(File().add("any.lora_A.weight", {2, 6}).add("any.lora_B.weight", {8})),
              HasSubstr("are no two matrices"));
}

TEST(Lora, OtherMethodsAndPartsAreNamedInsteadOfTheirKeys) {
  EXPECT_THAT(File().add("vae.decoder.conv_in.weight", {8, 4, 3, 3}).error(),
              HasSubstr("1 of its 1 tensors are of a VAE"));
}

TEST(Lora, AnEmptyFileIsNoLora) { EXPECT_THAT(File().error(), HasSubstr("holds no LoRA")); }

TEST(Lora, AWholeUnetIsRecognisedByWhatItHolds) {
  const auto overlay = open_safetensors(golden_pack("models/AnimateLCM-SVD-xt-1.1.safetensors"));
  ASSERT_TRUE(overlay.ok()) << overlay.status();
  EXPECT_EQ(whole_unet_prefix(*overlay), "");
  EXPECT_FALSE(looks_like_lora(*overlay));
  File prefixed;
  for (const char* name :
       {"unet.conv_in.weight", "unet.conv_out.weight", "unet.time_embedding.linear_1.weight"})
    prefixed.add(name, {1});
  EXPECT_EQ(whole_unet_prefix(prefixed.set), "unet.");
  for (const char* layout : {"peft", "diffusers_old", "kohya"}) {
    const auto lora = open_safetensors(
        golden_pack(std::string("models/lcm_lora/lora_") + layout + ".safetensors"));
    ASSERT_TRUE(lora.ok()) << lora.status();
    EXPECT_EQ(whole_unet_prefix(*lora), std::nullopt);
    EXPECT_TRUE(looks_like_lora(*lora));
  }
}

}  // namespace
}  // namespace mimicfleet::weights
