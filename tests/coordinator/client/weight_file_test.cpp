#include "coordinator/client/weight_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/client/adaptation.h"
#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace std::string_literals;

// A safetensors file of one number, of one byte.
std::string one_tensor(const std::string& name, const std::string& dtype = "F8_E4M3") {
  const std::string header =
      "{\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[1],\"data_offsets\":[0,1]}}";
  return std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "x";
}

class WeightFile : public ::testing::Test {
 protected:
  std::string error(const std::string& bytes) {
    put(folder_, "lora.safetensors", bytes);
    return check_lora_file(folder_ / "lora.safetensors").message();
  }
  std::string overlay_error(const std::string& bytes) {
    put(folder_, "unet.safetensors", bytes);
    return check_overlay_file(folder_ / "unet.safetensors").message();
  }

  TemporaryFolder folder_;
};

TEST_F(WeightFile, WhatIsReadPasses) {
  EXPECT_EQ(error(one_tensor("unet.to_q.lora_A.weight")), "");
  EXPECT_EQ(error(one_tensor("unet.to_q.lora_A.weight", "F8_E5M2")), "");
  EXPECT_EQ(error(one_tensor("lora_unet_to_q.alpha", "I8")), "");
  EXPECT_EQ(error("PK\x03\x04"s + std::string(26, '\0') + "archive/data.pkl"), "");
  EXPECT_EQ(error("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."s), "");
  EXPECT_EQ(error(one_tensor("conv_in.weight")), "");  // a whole UNet, which workers take as an overlay
}

TEST_F(WeightFile, WhatIsNoWeightsIsNamedWithTheRemedy) {
  const std::string name = folder_ / "lora.safetensors";
  EXPECT_EQ(error(""), name + ": is empty (0 bytes); fetch it again");
  EXPECT_EQ(error("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
            name + ": is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`");
  for (const char* page :
       {"<!DOCTYPE html><html>", "\n  <html lang=en>", "\xef\xbb\xbf<?xml version='1.0'?>"}) {
    EXPECT_THAT(error(page),
                HasSubstr("is a web page, not weights; fetch the file from its download address"));
  }
  EXPECT_THAT(error("{\"error\": \"Repository not found\"}"), HasSubstr("is JSON text"));
  EXPECT_THAT(error("Entry not found"), HasSubstr("is text, not weights; fetch the file again"));
  EXPECT_THAT(error("GGUF\3\0\0\0\0\0\0\0"s), HasSubstr("is a GGUF file"));
  EXPECT_THAT(error("\x80\4\x95 a pickle of something"s),
              HasSubstr("is a pickle that torch.save did not write"));
  EXPECT_THAT(error("PK\x03\x04"s + std::string(26, '\0') + "weights.safetensors"),
              HasSubstr("is a ZIP archive"));
  EXPECT_THAT(error(std::string(200, '\0')),
              AllOf(HasSubstr("not a valid safetensors file"), HasSubstr("fetch")));
  EXPECT_THAT(check_lora_file(folder_ / "gone").message(), HasSubstr("gone"));
}

TEST_F(WeightFile, ADownloadThatWasCutIsNamed) {
  std::string bytes = one_tensor("unet.to_q.lora_A.weight");
  bytes.pop_back();
  EXPECT_THAT(error(bytes), AllOf(HasSubstr("lies outside the file"), HasSubstr("fetch the file again")));
}

TEST_F(WeightFile, OtherMethodsPartsAndTypesAreNamedBeforeAnythingRuns) {
  EXPECT_THAT(error(one_tensor("to_q.lora_magnitude_vector")),
              HasSubstr("lora.safetensors: 1 of its 1 tensors are of DoRA"));
  EXPECT_THAT(error(one_tensor("lora_unet_to_q.hada_w1_a")), HasSubstr("of LoHa"));
  EXPECT_THAT(error(one_tensor("lora_unet_to_q.lokr_w1")), HasSubstr("of LoKr"));
  EXPECT_THAT(error(one_tensor("lora_te_text_model.lora_up.weight")), HasSubstr("of a text encoder"));
  EXPECT_THAT(error(one_tensor("unet.to_q.lora_A.weight", "I8")),
              HasSubstr("unet.to_q.lora_A.weight is of the type I8, which cannot be added to weights"));
  EXPECT_THAT(error("\x02\0\0\0\0\0\0\0{}"s), HasSubstr("holds no LoRA, but nothing at all"));
}

TEST_F(WeightFile, AnOverlayIsAWholeUnet) {
  EXPECT_EQ(overlay_error(one_tensor("conv_in.weight")), "");
  EXPECT_EQ(overlay_error(one_tensor("unet.conv_in.weight")), "");
  EXPECT_THAT(overlay_error(one_tensor("to_q.lora_A.weight")), HasSubstr("is a LoRA and no whole UNet"));
  EXPECT_THAT(overlay_error(one_tensor("something")), HasSubstr("holds no whole UNet"));
  EXPECT_THAT(overlay_error("version https://git-lfs.github.com/spec/v1"), HasSubstr("Git LFS pointer"));
}

TEST_F(WeightFile, IsLookedAtWhereSettingsAreRead) {
  put(folder_, "lora.safetensors", "<html>not found</html>");
  for (const char* name : {"loras", "unet_overlay"}) {
    ResolvedSettings settings;
    settings.texts[name] = {"lora.safetensors"};
    const Status found = find_adaptation(settings, {folder_.path()});
    EXPECT_EQ(found.code(), StatusCode::kBadInput);
    EXPECT_THAT(found.message(), HasSubstr("lora.safetensors: is a web page"));
  }
}

}  // namespace
}  // namespace mimicfleet::coordinator
