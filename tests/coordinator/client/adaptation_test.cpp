#include "coordinator/client/adaptation.h"

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class Adaptation : public ::testing::Test {
 protected:
  Adaptation() {
    put(folder_, "one/only.safetensors", "x");
    put(folder_, "many/a.safetensors", "x");
    put(folder_, "many/b.safetensors", "x");
    put(folder_, "usual/other.safetensors", "x");
    put(folder_, "usual/pytorch_lora_weights.safetensors", "x");
    put(folder_, "none/readme.txt", "x");
  }

  void set(const char* name, const std::string& text) { settings_.texts[name].push_back(text); }
  Status find() { return find_adaptation(settings_, {folder_ / "elsewhere", folder_.path()}); }
  std::string error() { return find().message(); }
  std::string found(std::size_t index = 0) {
    const Status status = find();
    EXPECT_TRUE(status.ok()) << status;
    return std::filesystem::path(settings_.parameters.loras.at(index).file.path)
        .lexically_relative(folder_.path());
  }

  TemporaryFolder folder_;
  ResolvedSettings settings_;
};

TEST_F(Adaptation, ALoraIsAFile) {
  set("loras", "one/only.safetensors");
  EXPECT_EQ(found(), "one/only.safetensors");
  EXPECT_EQ(settings_.parameters.loras[0].scale, 1);
}

TEST_F(Adaptation, OrAFolderThatHoldsOne) {
  set("loras", "one");
  EXPECT_EQ(found(), "one/only.safetensors");
}

TEST_F(Adaptation, OrAFolderWithTheNameThatDiffusersGives) {
  set("loras", "usual");
  EXPECT_EQ(found(), "usual/pytorch_lora_weights.safetensors");
}

TEST_F(Adaptation, OrAFolderAndAWeightName) {
  set("loras", "many");
  set("lcm_weight_name", "b.safetensors");
  EXPECT_EQ(found(), "many/b.safetensors");
}

TEST_F(Adaptation, OrAHubIdInTheLocalCache) {
  put(folder_, "hub/models--some--lora/snapshots/abc/only.safetensors", "x");
  ::setenv("HF_HUB_CACHE", (folder_ / "hub").c_str(), 1);
  set("loras", "some/lora");
  EXPECT_EQ(found(), "hub/models--some--lora/snapshots/abc/only.safetensors");
  ::unsetenv("HF_HUB_CACHE");
}

TEST_F(Adaptation, SeveralLorasShareAScaleOrHaveTheirOwn) {
  set("loras", "one");
  set("loras", "usual");
  set("lcm_lora_scale", "0.5");
  EXPECT_EQ(found(1), "usual/pytorch_lora_weights.safetensors");
  EXPECT_EQ(settings_.parameters.loras[1].scale, 0.5);
  settings_.parameters.loras.clear();
  set("lcm_lora_scale", "-0.25");
  ASSERT_TRUE(find().ok());
  EXPECT_EQ(settings_.parameters.loras[0].scale, 0.5);
  EXPECT_EQ(settings_.parameters.loras[1].scale, -0.25);
  set("lcm_lora_scale", "1");
  EXPECT_EQ(error(),
            "--lcm-lora-scale: is given 3 times for 2 LoRAs: give it once, or once for each");
}

TEST_F(Adaptation, WhatIsNotThereIsToldWithWhatIs) {
  set("loras", "many");
  EXPECT_EQ(
      error(),
      "--lcm-lora-path many: holds a.safetensors, b.safetensors; name one with --lcm-weight-name");
  set("lcm_weight_name", "c.safetensors");
  EXPECT_EQ(error(),
            "--lcm-lora-path many: has no file c.safetensors (--lcm-weight-name); it holds "
            "a.safetensors, "
            "b.safetensors");
  settings_.texts.clear();
  set("loras", "none");
  set("loras", "one");
  EXPECT_EQ(error(), "--lcm-lora-path none: is given together with a LoRA");
  settings_.texts = {{"loras", {folder_ / "none"}}};
  EXPECT_THAT(error(), HasSubstr("holds no .safetensors file"));
  settings_.texts = {{"loras", {"gone"}}};
  EXPECT_THAT(error(), AllOf(HasSubstr("--lcm-lora-path gone: no such file or folder"),
                             HasSubstr(folder_ / "elsewhere"), HasSubstr(folder_.path())));
}

TEST_F(Adaptation, APathThatIsWrittenForAnotherProgramIsToldAsThat) {
  set("loras", "~/one");
  EXPECT_THAT(
      error(),
      HasSubstr("--lcm-lora-path ~/one: no such file or folder; ~ stands for no folder here"));
  settings_.texts = {{"loras", {"one\\only.safetensors"}}};
  EXPECT_THAT(error(), HasSubstr("are separated by / here, not by \\"));
  put(folder_, "cafe\u0301/only.safetensors", "x");
  settings_.texts = {{"loras", {"caf\u00e9"}}};
  EXPECT_EQ(found(), "cafe\u0301/only.safetensors");
}

TEST_F(Adaptation, AnOverlayIsAFile) {
  set("unet_overlay", "one/only.safetensors");
  ASSERT_TRUE(find().ok());
  EXPECT_EQ(settings_.parameters.unet_overlay.value().path, folder_ / "one/only.safetensors");
  settings_.texts["unet_overlay"] = {"one"};
  EXPECT_EQ(error(), "--unet-overlay one: is a folder; name the file in it");
}

TEST_F(Adaptation, NoneMeansNone) {
  set("loras", "none");
  set("unet_overlay", "none");
  ASSERT_TRUE(find().ok());
  EXPECT_THAT(settings_.parameters.loras, SizeIs(0));
  EXPECT_EQ(settings_.parameters.unet_overlay, std::nullopt);
}

}  // namespace
}  // namespace mimicfleet::coordinator
