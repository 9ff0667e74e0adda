#include "jobs/ledger.h"

#include <gtest/gtest.h>

namespace mimicfleet::jobs {
namespace {

TEST(Ledger, AddsUpColdWarmAndSavedSecondsWhatWasFoundAndWhatWasComputed) {
  TaskResult cold;
  cold.stages = {{"preprocess", 4, false}, {"clip", 1, false}};
  cold.features = {{FeatureKind::kKeypoints, FeatureOutcome::kMiss}};
  cold.calls = {{"detector", 2}};
  TaskResult warm;
  warm.stages = {{"preprocess", 0.25, true, 3.5}, {"clip", 0.5, false}};
  warm.features = {{FeatureKind::kKeypoints, FeatureOutcome::kHit}};
  warm.calls = {{"detector", 1}};
  Ledger ledger;
  for (const auto& result : {cold, warm, warm}) ledger.add(result);
  EXPECT_EQ(ledger.stages.at("preprocess").cold_seconds, 4);
  EXPECT_EQ(ledger.stages.at("preprocess").warm_seconds, 0.5);
  EXPECT_EQ(ledger.stages.at("preprocess").saved_seconds, 7);
  EXPECT_EQ(ledger.features.at("keypoints").at("hit"), 2U);
  EXPECT_EQ(ledger.features.at("keypoints").at("miss"), 1U);
  EXPECT_EQ(ledger.calls.at("detector"), 4U);
  EXPECT_EQ(ledger.total().cold_seconds, 6);
  EXPECT_EQ(ledger.total().saved_seconds, 7);
}

}  // namespace
}  // namespace mimicfleet::jobs
