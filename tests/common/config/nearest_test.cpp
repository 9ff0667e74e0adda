#include "common/config/nearest.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::config {
namespace {

const std::vector<std::string> kNames = {"steps", "num-frames", "frames-overlap", "seed"};

TEST(Nearest, FindsTheNameThatAMistypedOneMeans) {
  EXPECT_EQ(nearest("stpes", kNames), "steps");
  EXPECT_EQ(nearest("num_frmaes", kNames), "num-frames");
  EXPECT_EQ(nearest("overlap", kNames), std::nullopt);
  EXPECT_EQ(nearest("SEED", kNames), "seed");
  EXPECT_EQ(nearest("frames", kNames), "frames-overlap");
}

TEST(Nearest, OffersNothingForAnEmptyOrEndlessName) {
  EXPECT_EQ(nearest("", kNames), std::nullopt);
  EXPECT_EQ(nearest(std::string(10'000, 's'), kNames), std::nullopt);
}

TEST(Nearest, TheClosestOneMayBeFarAway) {
  EXPECT_EQ(closest("overlap", kNames), "steps");
  const std::string prefix = "down_blocks.0.attentions.0.temporal_transformer_blocks.0.attn1.";
  EXPECT_EQ(closest(prefix + "to_kk", std::vector<std::string>{prefix + "to_q", prefix + "to_k"}),
            prefix + "to_k");
}

TEST(Nearest, ListsWhatIsKnownWhenNothingIsNear) {
  EXPECT_EQ(suggestion("step", kNames), "; did you mean 'steps'?");
  EXPECT_EQ(suggestion("elephant", kNames), "; known are steps, num-frames, frames-overlap, seed");
  const std::vector<std::string> many = {
      "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "elephants-size"};
  EXPECT_EQ(suggestion("zebra", many), "; the nearest known one is 'a1'");
}

}  // namespace
}  // namespace mimicfleet::config
