#include "common/model_root/weight_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::model_root {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(WeightFiles, TheHalfPrecisionVariantComesFirst) {
  TemporaryFolder folder;
  folder.write("model.safetensors", "x");
  EXPECT_THAT(*weight_files(folder.path(), "model"), ElementsAre(folder / "model.safetensors"));
  folder.write("model.fp16.safetensors", "x");
  EXPECT_THAT(*weight_files(folder.path(), "model"),
              ElementsAre(folder / "model.fp16.safetensors"));
}

TEST(WeightFiles, AnIndexNamesItsShardsEachOnce) {
  TemporaryFolder folder;
  folder.write("model-1.safetensors", "x");
  folder.write("model-2.safetensors", "x");
  folder.write("model.safetensors.index.json",
               R"({"metadata": {"total_size": 3}, "weight_map":
                   {"b": "model-2.safetensors", "a": "model-1.safetensors", "c": "model-2.safetensors"}})");
  EXPECT_THAT(*weight_files(folder.path(), "model"),
              ElementsAre(folder / "model-1.safetensors", folder / "model-2.safetensors"));
}

TEST(WeightFiles, AShardThatIsNotThereIsNamed) {
  TemporaryFolder folder;
  folder.write("model.safetensors.index.json", R"({"weight_map": {"a": "model-1.safetensors"}})");
  EXPECT_THAT(weight_files(folder.path(), "model").status().message(),
              AllOf(HasSubstr("index.json"), HasSubstr(folder / "model-1.safetensors"),
                    HasSubstr("download the folder again")));
}

TEST(WeightFiles, AnIndexMayNotLeadOutOfItsFolder) {
  TemporaryFolder folder;
  for (const auto* name : {"../x", "/etc/passwd", "", ".hidden"}) {
    folder.write("model.safetensors.index.json",
                 std::string(R"({"weight_map": {"a": ")") + name + R"("}})");
    EXPECT_THAT(weight_files(folder.path(), "model").status().message(),
                HasSubstr("the file of 'a' is no plain file name"));
  }
}

TEST(WeightFiles, ADamagedIndexIsAnError) {
  TemporaryFolder folder;
  folder.write("model.safetensors.index.json", "{\"weight_map\": ");
  EXPECT_EQ(weight_files(folder.path(), "model").status().code(), StatusCode::kBadInput);
  folder.write("model.safetensors.index.json", "{}");
  EXPECT_THAT(weight_files(folder.path(), "model").status().message(),
              HasSubstr("has no weight_map"));
}

TEST(WeightFiles, WhatWasLookedForIsListed) {
  TemporaryFolder folder;
  EXPECT_THAT(weight_files(folder.path(), "model").status().message(),
              AllOf(HasSubstr(folder.path()), HasSubstr("model.fp16.safetensors"),
                    HasSubstr("model.safetensors.index.json")));
}

}  // namespace
}  // namespace mimicfleet::model_root
