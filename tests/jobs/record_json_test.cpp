#include "jobs/record_json.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::jobs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

OutputRecord record_of_large_numbers() {
  OutputRecord record;
  record.parameters.seed = 9007199254740993;
  record.features = {{FeatureKind::kKeypoints, FeatureOutcome::kHit, 15077073977737493375U},
                     {FeatureKind::kClipEmbedding, FeatureOutcome::kHit, 7}};
  return record;
}

TEST(RecordJson, NumbersThatReadersOfJsonRoundAreTextAndReadBack) {
  const std::string text = record_text(record_of_large_numbers());
  EXPECT_THAT(text, AllOf(HasSubstr("\"seed\": \"9007199254740993\""),
                          HasSubstr("\"tag\": \"d13c86e6a7543b7f\""),
                          HasSubstr("\"tag\": \"0000000000000007\"")));
  const auto record = read_record(text);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->parameters.seed, 9007199254740993U);
  EXPECT_EQ(record->features.at(0).tag, 15077073977737493375U);
  EXPECT_EQ(record->features.at(1).tag, 7U);
}

TEST(RecordJson, ARecordOfAnOlderVersionIsRead) {
  const auto record = read_record(
      R"({"parameters": {"seed": 9007199254740993}, "features": [{"kind": "keypoints", "outcome": "hit", "tag": 15077073977737493375}]})");
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->parameters.seed, 9007199254740993U);
  EXPECT_EQ(record->features.at(0).tag, 15077073977737493375U);
}

TEST(RecordJson, TextThatIsNoNumberIsRefused) {
  for (const char* seed : {"\"\"", "\"-1\"", "\"12x\"", "\"18446744073709551616\""}) {
    const auto record = read_record(std::string(R"({"parameters": {"seed": )") + seed + "}}");
    EXPECT_EQ(record.status().code(), StatusCode::kBadInput) << seed;
  }
}

}  // namespace
}  // namespace mimicfleet::jobs
