#include "common/weights/open.h"

#include <gmock/gmock.h>

#include "common/files/io.h"
#include "tests/common/weights/temporary_folder.h"

namespace mimicfleet::weights {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace std::string_literals;

std::string with_tensor(const std::string& name) {
  const std::string header =
      R"({")" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  return std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "x";
}

TEST(OpenWeights, ShardsAreJoined) {
  const TemporaryFolder folder;
  const auto set = open_weights({folder.write("1.safetensors", with_tensor("a")),
                                 folder.write("2.safetensors", with_tensor("b"))});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->tensors.size(), 2U);
}

TEST(OpenWeights, ATensorInTwoShardsIsRefused) {
  const TemporaryFolder folder;
  const auto set = open_weights({folder.write("1.safetensors", with_tensor("a")),
                                 folder.write("2.safetensors", with_tensor("a"))});
  ASSERT_FALSE(set.ok());
  EXPECT_THAT(set.status().message(), HasSubstr("2.safetensors: holds a,"));
}

TEST(OpenWeights, ReadsCheckpointsOfTorchToo) {
  const auto set = open_weights({golden_pack("models/MimicMotion_1-1.pth")});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_TRUE(set->tensors.contains("pose_net.scale"));
}

TEST(OpenWeights, AnOpenFileIsWhatItsContentSays) {
  const TemporaryFolder folder;
  const auto tensors = open_for_reading(folder.write("lora.bin", with_tensor("a")));
  EXPECT_TRUE(open_weights(tensors->get(), "lora.bin")->tensors.contains("a"));
  const auto checkpoint = open_for_reading(golden_pack("models/MimicMotion_1-1.pth"));
  EXPECT_TRUE(open_weights(checkpoint->get(), "checkpoint")->tensors.contains("pose_net.scale"));
  const auto text = open_for_reading(folder.write("text.safetensors", "PK, but no archive"));
  EXPECT_THAT(open_weights(text->get(), "text.safetensors").status().message(),
              HasSubstr("text.safetensors: "));
}

std::string names_in(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto fd = open_for_reading(folder.write("lora.pt", bytes));
  const auto set = open_weights(fd->get(), "lora.pt");
  if (!set.ok()) return set.status().message();
  std::string names;
  for (const auto& [name, view] : set->tensors) names += name + " ";
  return names;
}

TEST(OpenWeights, TheDictionaryThatTrainingProgramsPutAroundWeightsIsLeftOut) {
  EXPECT_EQ(names_in(with_tensor("state_dict.unet.a")), "unet.a ");
  EXPECT_EQ(names_in(with_tensor("state_dict.model.unet.a")), "unet.a ");
  EXPECT_EQ(names_in(with_tensor("base_model.model.a")), "base_model.model.a ");
  EXPECT_EQ(names_in(with_tensor("state_dict.")), "state_dict. ");
}

TEST(OpenWeights, WhatIsNoWeightsIsNamedWithTheRemedy) {
  EXPECT_EQ(names_in(""), "lora.pt: is empty (0 bytes); fetch it again");
  EXPECT_EQ(names_in("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
            "lora.pt: is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`");
  for (const char* page :
       {"<!DOCTYPE html><html>", "\n  <html lang=en>", "\xef\xbb\xbf<?xml version='1.0'?>"}) {
    EXPECT_THAT(names_in(page),
                HasSubstr("is a web page, not weights; fetch the file from its download address"));
  }
  EXPECT_THAT(names_in("{\"error\": \"Repository not found\"}"), HasSubstr("is JSON text"));
  EXPECT_THAT(names_in("Entry not found"), HasSubstr("is text, not weights; fetch the file again"));
  EXPECT_THAT(names_in("GGUF\3\0\0\0\0\0\0\0"s), HasSubstr("is a GGUF file"));
  EXPECT_THAT(
      names_in("\x80\4\x95 a pickle of something"s),
      HasSubstr("is a pickle that torch.save did not write; save the weights as safetensors"));
  std::string tar = "sys_info" + std::string(504, '\0');
  tar.replace(257, 5, "ustar");
  EXPECT_THAT(names_in(tar), AllOf(HasSubstr("is a tar archive"), HasSubstr("torch.load")));
  for (const std::string& bytes : {"\1"s, "\x10\0\0\0\0\0\0"s, std::string(200, '\0')}) {
    EXPECT_THAT(names_in(bytes), AllOf(HasSubstr("not a valid safetensors file"),
                                       HasSubstr("fetch the file again")));
  }
}

TEST(OpenWeights, TypesThatAreNotReadAreNamedWithTheRemedy) {
  std::string file = with_tensor("a");
  file.replace(file.find("U8"), 2, "F4");
  EXPECT_EQ(names_in(file),
            "lora.pt: a is of the type F4, which is not read; save it as float16 or float32");
}

TEST(OpenWeights, AMissingFileIsNamed) {
  EXPECT_THAT(open_weights({"/nonexistent/model.safetensors"}).status().message(),
              HasSubstr("/nonexistent/model.safetensors"));
}

}  // namespace
}  // namespace mimicfleet::weights
