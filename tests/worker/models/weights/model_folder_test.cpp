#include "worker/models/weights/model_folder.h"

#include <gmock/gmock.h>

#include "tests/worker/models/weights/temporary_folder.h"

namespace mimicfleet::weights {
namespace {

using ::testing::HasSubstr;

const std::string kEmptySafetensors = std::string("\2\0\0\0\0\0\0\0{}", 10);

std::string with_tensor(const std::string& name) {
  const std::string header = R"({")" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  return std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "x";
}

Environment hf_home(const std::string& folder) {
  return [folder](const char* name) -> std::optional<std::string> {
    if (std::string_view(name) == "HF_HOME") return folder;
    return std::nullopt;
  };
}

TEST(ModelFolder, AFolderIsItself) {
  const auto folder = find_model_folder(golden_pack("models/svd"));
  ASSERT_TRUE(folder.ok());
  EXPECT_EQ(*folder, golden_pack("models/svd"));
}

TEST(ModelFolder, AHubIdIsFoundInTheCacheAtTheRevisionOfMain) {
  const TemporaryFolder home;
  home.write("hub/models--stabilityai--svd-xt/refs/main", "abc123");
  home.write("hub/models--stabilityai--svd-xt/snapshots/abc123/model_index.json", "{}");
  home.write("hub/models--stabilityai--svd-xt/snapshots/zzz/model_index.json", "{}");
  const auto folder = find_model_folder("stabilityai/svd-xt", hf_home(home.file("")));
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_THAT(*folder, HasSubstr("hub/models--stabilityai--svd-xt/snapshots/abc123"));
}

TEST(ModelFolder, WithoutARevisionOfMainAnySnapshotServes) {
  const TemporaryFolder home;
  home.write("hub/models--a--b/snapshots/1/model_index.json", "{}");
  EXPECT_TRUE(find_model_folder("a/b", hf_home(home.file(""))).ok());
}

TEST(ModelFolder, AMissingHubIdSaysWhereItWasSoughtAndHowToGetIt) {
  const auto folder = find_model_folder("stabilityai/svd-xt", hf_home("/nonexistent"));
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(folder.status().message(), HasSubstr("/nonexistent/hub"));
  EXPECT_THAT(folder.status().message(), HasSubstr("huggingface-cli download stabilityai/svd-xt"));
}

TEST(ModelFolder, APathIsNeverTakenForAHubId) {
  for (const char* path : {"../../etc", "/etc/nothing", "models", "a/b/c", "a/..%", "./x"}) {
    const auto folder = find_model_folder(path, hf_home("/nonexistent"));
    ASSERT_FALSE(folder.ok()) << path;
    EXPECT_THAT(folder.status().message(), HasSubstr("no such model folder")) << path;
  }
}

TEST(Component, TheFp16VariantIsTakenAsInTheOriginal) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", "damaged");
  folder.write("model.fp16.safetensors", with_tensor("half"));
  const auto set = open_component(folder.file(""), "model");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_TRUE(set->tensors.contains("half"));
}

TEST(Component, ShardsAreJoined) {
  const TemporaryFolder folder;
  folder.write("model.safetensors.index.json", R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  folder.write("1.safetensors", with_tensor("a"));
  folder.write("2.safetensors", with_tensor("b"));
  const auto set = open_component(folder.file(""), "model");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->tensors.size(), 2U);
}

TEST(Component, AnIndexThatLiesIsRefused) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& index) {
    folder.write("model.safetensors.index.json", index);
    return open_component(folder.file(""), "model").status().message();
  };
  folder.write("1.safetensors", with_tensor("a"));
  folder.write("2.safetensors", with_tensor("a"));
  EXPECT_THAT(error("{"), HasSubstr("not a sharded index"));
  EXPECT_THAT(error(R"({"weight_map":{"b":"1.safetensors"}})"), HasSubstr("b is not in 1.safetensors"));
  EXPECT_THAT(error(R"({"weight_map":{"a":"../1.safetensors"}})"), HasSubstr("no file name"));
  EXPECT_THAT(error(R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})"),
              HasSubstr("in two shards"));
}

TEST(Component, NothingThereNamesTheFileThatIsExpected) {
  const auto set = open_component(golden_pack("models/svd/scheduler"), "model");
  ASSERT_FALSE(set.ok());
  EXPECT_THAT(set.status().message(), HasSubstr("models/svd/scheduler/model.fp16.safetensors"));
}

}  // namespace
}  // namespace mimicfleet::weights
