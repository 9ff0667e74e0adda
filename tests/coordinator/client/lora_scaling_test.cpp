#include "coordinator/client/lora_scaling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/client/adaptation.h"
#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A safetensors file of one number by the name `tensor`, with `metadata` (JSON) in its header.
std::string lora_file(const std::string& tensor, const std::string& metadata = "{}") {
  const std::string header = "{\"__metadata__\":" + metadata + ",\"" + tensor +
                             "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i));
  return bytes + header + std::string(4, '\0');
}

class LoraScaling : public ::testing::Test {
 protected:
  void config(const std::string& json) { put(folder_, "adapter_config.json", json); }
  Result<double> scaling() { return lora_scaling(folder_ / "adapter_model.safetensors"); }
  std::string error() { return scaling().status().message(); }

  TemporaryFolder folder_;
  const std::string file_ = lora_file("base_model.model.to_q.lora_A.weight");
};

TEST_F(LoraScaling, IsOneIfNobodySaysOtherwise) {
  put(folder_, "adapter_model.safetensors", file_);
  EXPECT_EQ(scaling().value(), 1);
}

TEST_F(LoraScaling, IsAlphaByRankOfTheConfigBesideIt) {
  put(folder_, "adapter_model.safetensors", file_);
  config(
      R"({"peft_type": "LORA", "r": 16, "lora_alpha": 32, "alpha_pattern": {}, "use_dora": false})");
  EXPECT_EQ(scaling().value(), 2);
  config(R"({"r": 16, "lora_alpha": 32, "use_rslora": true, "rank_pattern": null})");
  EXPECT_EQ(scaling().value(), 8);
}

TEST_F(LoraScaling, OfWhatTorchSavedIsInTheConfigBesideTheUsualName) {
  put(folder_, "adapter_model.bin", "PK\x03\x04");
  put(folder_, "other.bin", "PK\x03\x04");
  config(R"({"r": 2, "lora_alpha": 1})");
  EXPECT_EQ(lora_scaling(folder_ / "adapter_model.bin").value(), 0.5);
  EXPECT_EQ(lora_scaling(folder_ / "other.bin").value(), 1);
}

TEST_F(LoraScaling, OfDiffusersIsInTheHeader) {
  config(R"({"r": 1, "lora_alpha": 7})");
  put(folder_, "adapter_model.safetensors",
      lora_file("unet.to_q.lora_A.weight",
                R"({"lora_adapter_metadata": "{\"unet.r\": 4, \"unet.lora_alpha\": 6.0}"})"));
  EXPECT_EQ(scaling().value(), 1.5);
}

TEST_F(LoraScaling, OfAnotherLayoutIsItsOwn) {
  config(R"({"r": 1, "lora_alpha": 7})");
  for (const char* name :
       {"lora_unet_to_q.alpha", "unet.to_q.lora.down.weight", "conv_in.weight"}) {
    put(folder_, "adapter_model.safetensors", lora_file(name));
    EXPECT_EQ(scaling().value(), 1) << name;
  }
}

TEST_F(LoraScaling, ThatOneNumberCannotExpressIsRefused) {
  put(folder_, "adapter_model.safetensors", file_);
  config(R"({"r": 4, "lora_alpha": 4, "alpha_pattern": {"to_q": 8}})");
  EXPECT_THAT(error(), AllOf(HasSubstr("adapter_config.json: alpha_pattern is not supported")));
  config(R"({"r": 4, "lora_alpha": 4, "use_dora": true})");
  EXPECT_THAT(error(), HasSubstr("use_dora is not supported"));
  config(R"({"peft_type": "LOHA", "r": 4, "alpha": 4})");
  EXPECT_THAT(error(), HasSubstr("peft_type LOHA is not supported, only LORA"));
  for (const char* incomplete :
       {R"({"r": 4})", R"({"lora_alpha": 4})", R"({"r": 0, "lora_alpha": 4})"}) {
    config(incomplete);
    EXPECT_THAT(error(), HasSubstr("must say lora_alpha and r")) << incomplete;
  }
  config("{");
  EXPECT_THAT(error(), HasSubstr("adapter_config.json: "));
}

TEST_F(LoraScaling, IsMultipliedByTheScaleThatTheUserGives) {
  put(folder_, "adapter_model.safetensors", file_);
  config(R"({"r": 4, "lora_alpha": 8})");
  ResolvedSettings settings;
  settings.texts["loras"] = {folder_.path()};
  settings.texts["lcm_lora_scale"] = {"0.25"};
  const Status found = find_adaptation(settings, {folder_.path()});
  ASSERT_TRUE(found.ok()) << found;
  EXPECT_EQ(settings.parameters.loras.at(0).scale, 0.5);
}

}  // namespace
}  // namespace mimicfleet::coordinator
