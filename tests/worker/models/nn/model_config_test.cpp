#include "worker/models/nn/model_config.h"

#include <gmock/gmock.h>

#include "tests/temporary_folder.h"

namespace mimicfleet::nn {
namespace {

using ::testing::HasSubstr;

class ModelConfigTest : public ::testing::Test {
 protected:
  Result<ModelConfig> config(const std::string& text) {
    return ModelConfig::read(folder_.write("config.json", text));
  }

  TemporaryFolder folder_;
};

TEST_F(ModelConfigTest, ReadsNumbersListsAndWords) {
  const auto json = config(R"({"a": 3, "b": [1, 2], "c": 1, "d": "gelu", "e": 0.5, "f": ["x"]})");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(*json->integer("a", 1, 9), 3);
  EXPECT_EQ(*json->integers("b", 2, 1, 9), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(*json->integers("c", 3, 1, 9), (std::vector<std::int64_t>{1, 1, 1}))
      << "one stands for all";
  EXPECT_EQ(*json->text("d"), "gelu");
  EXPECT_EQ(*json->number("e", 0, 1), 0.5);
  EXPECT_EQ(*json->strings("f"), (std::vector<std::string>{"x"}));
  EXPECT_TRUE(json->expect("d", std::string("gelu")).ok());
  EXPECT_TRUE(json->expect("not there", std::string("gelu")).ok());
}

TEST_F(ModelConfigTest, WhatIsNotSupportedNamesFileKeyValueAndWhatIs) {
  const auto json = config(R"({"layers": 99, "act": "relu"})");
  const Status too_many = json->integer("layers", 1, 16).status();
  EXPECT_EQ(too_many.code(), StatusCode::kUnsupported);
  EXPECT_THAT(too_many.message(),
              HasSubstr("config.json: layers is 99; supported: an integer from 1 to 16"));
  EXPECT_THAT(json->expect("act", std::string("gelu")).message(),
              HasSubstr(R"(act is "relu"; supported: only "gelu")"));
  EXPECT_THAT(json->integers("heads", 4, 1, 16).status().message(), HasSubstr("heads is missing"));
}

TEST_F(ModelConfigTest, WhatIsNoJsonObjectIsRefused) {
  EXPECT_THAT(config("[1]").status().message(), HasSubstr("no JSON object"));
  EXPECT_THAT(config("<html>").status().message(), HasSubstr("config.json"));
  EXPECT_EQ(ModelConfig::read("/nonexistent/config.json").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace mimicfleet::nn
