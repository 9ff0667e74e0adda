#include "common/digest.h"

#include <gtest/gtest.h>

namespace mimicfleet {
namespace {

TEST(Digest, IsSha256) {
  EXPECT_EQ(sha256("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hasher().update("a").update("bc").finish(), sha256("abc"));
}

TEST(Digest, ReadsItsOwnHexAndNothingElse) {
  const Digest digest = sha256("x");
  EXPECT_EQ(Digest::from_hex(digest.hex()), digest);
  EXPECT_FALSE(Digest::from_hex("12").has_value());
  EXPECT_FALSE(Digest::from_hex(std::string(63, 'a') + "G").has_value());
}

TEST(Digest, OfAMissingFileNamesTheFile) {
  const auto digest = sha256_file("/nonexistent/clip.mp4");
  ASSERT_FALSE(digest.ok());
  EXPECT_EQ(digest.status().code(), StatusCode::kNotFound);
  EXPECT_NE(digest.status().message().find("/nonexistent/clip.mp4"), std::string::npos);
}

}  // namespace
}  // namespace mimicfleet
