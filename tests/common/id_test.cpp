#include "common/id.h"

#include <gtest/gtest.h>

namespace mimicfleet {
namespace {

TEST(Id, ReadsItsOwnHex) {
  const auto id = new_id<JobId>();
  EXPECT_EQ(id_from<JobId>(to_string(id)), id);
  EXPECT_FALSE(id_from<JobId>("123").has_value());
  EXPECT_FALSE(id_from<JobId>(std::string(32, 'z')).has_value());
}

TEST(Id, TwoAreNeverTheSame) { EXPECT_NE(new_id<JobId>(), new_id<JobId>()); }

}  // namespace
}  // namespace mimicfleet
