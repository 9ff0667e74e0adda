#include "common/safetensors/adapter_names.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::safetensors {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Names = std::vector<std::string_view>;

TEST(AdapterNames, LorasOfEveryLayoutPass) {
  EXPECT_EQ(why_no_lora(Names{"base_model.model.mid_block.to_q.lora_A.weight",
                              "unet.mid_block.attentions.0.processor.to_q_lora.down.weight",
                              "lora_unet_mid_block_to_q.lora_down.weight",
                              "lora_unet_mid_block_to_q.alpha", "lora_unet_conv.lora_mid.weight",
                              "down_blocks.0.to_k.lora.up.weight"}),
            "");
  EXPECT_EQ(why_no_lora(
                Names{"conv_in.weight", "mid_block.attentions.0.transformer_blocks.0.norm1.bias"}),
            "");
  EXPECT_EQ(why_no_lora({}), "");
}

TEST(AdapterNames, WhatIsNoLoraOfAUnetIsNamedWithCountExampleAndRemedy) {
  EXPECT_EQ(
      why_no_lora(Names{"lora_unet_a.alpha", "lora_unet_a.hada_w1_a", "lora_unet_a.hada_w2_a"}),
      "2 of its 3 tensors are of LoHa (such as lora_unet_a.hada_w1_a), which is not supported: "
      "merge it into "
      "the UNet and give that as --unet-overlay, or train a LoRA");
  const std::vector<std::pair<std::string_view, const char*>> kinds = {
      {"base_model.model.to_q.lora_magnitude_vector", "of DoRA"},
      {"unet.to_q.lora_magnitude_vector.default.weight", "of DoRA"},
      {"lora_unet_to_q.dora_scale", "of DoRA"},
      {"lora_unet_to_q.lokr_w1", "of LoKr"},
      {"lycoris_to_q.lokr_w2_a", "of LoKr"},
      {"lora_unet_to_q.oft_blocks", "of OFT"},
      {"lora_unet_to_q.on_input", "of IA3"},
      {"base_model.model.to_q.ia3_l", "of IA3"},
      {"lora_unet_to_q.a1.weight", "of GLoRA"},
      {"lora_unet_to_q.diff", "of whole differences"},
      {"lora_unet_norm.w_norm", "of norms"},
      {"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", "of a text encoder"},
      {"lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha", "of a text encoder"},
      {"text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight",
       "of a text encoder"},
      {"text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight", "of a text encoder"},
      {"emb_params", "of a textual inversion"},
      {"clip_g", "of a textual inversion"},
      {"control_model.input_blocks.0.0.weight", "of a ControlNet"},
      {"vae.decoder.conv_in.weight", "of a VAE"},
      {"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", "of a transformer"},
      {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight", "of a transformer"},
      {"lora_unet_input_blocks_4_1_proj_in.lora_down.weight", "of another UNet"},
  };
  for (const auto& [name, kind] : kinds) {
    EXPECT_THAT(why_no_lora(Names{"unet.to_q.lora_A.weight", name}),
                AllOf(HasSubstr("1 of its 2 tensors are "), HasSubstr(kind),
                      HasSubstr("which is not supported: ")))
        << name;
  }
}

}  // namespace
}  // namespace mimicfleet::safetensors
