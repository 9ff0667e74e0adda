#include "common/weights/open.h"

#include <gmock/gmock.h>

#include "common/files/io.h"
#include "tests/common/weights/temporary_folder.h"

namespace mimicfleet::weights {
namespace {

using ::testing::HasSubstr;

std::string with_tensor(const std::string& name) {
  const std::string header = R"({")" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  return std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "x";
}

TEST(OpenWeights, ShardsAreJoined) {
  const TemporaryFolder folder;
  const auto set = open_weights(
      {folder.write("1.safetensors", with_tensor("a")), folder.write("2.safetensors", with_tensor("b"))});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->tensors.size(), 2U);
}

TEST(OpenWeights, ATensorInTwoShardsIsRefused) {
  const TemporaryFolder folder;
  const auto set = open_weights(
      {folder.write("1.safetensors", with_tensor("a")), folder.write("2.safetensors", with_tensor("a"))});
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

TEST(OpenWeights, AMissingFileIsNamed) {
  EXPECT_THAT(open_weights({"/nonexistent/model.safetensors"}).status().message(),
              HasSubstr("/nonexistent/model.safetensors"));
}

}  // namespace
}  // namespace mimicfleet::weights
