#include "common/av/video.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::av {
namespace {

const std::string kPack = MIMICFLEET_SOURCE_DIR "/tests/goldens/pack_a/";

// frame_NNN.png are what decord gave the original for sample_stride 2.
TEST(VideoFrames, AreThoseOfTheOriginalBitForBit) {
  auto frames = VideoFrames::open(kPack + "videos/a.mp4", {.sample_stride = 2});
  ASSERT_TRUE(frames.ok()) << frames.status();
  int count = 0;
  for (;; ++count) {
    auto frame = frames->next();
    ASSERT_TRUE(frame.ok()) << frame.status();
    if (!*frame) break;
    EXPECT_EQ((*frame)->index, 2 * count);
    char name[64];
    std::snprintf(name, sizeof(name), "goldens/pose/frames/frame_%03d.png", count);
    const auto golden = read_image(kPack + name);
    ASSERT_TRUE(golden.ok()) << golden.status();
    EXPECT_TRUE((*frame)->image == *golden) << name;
  }
  EXPECT_EQ(count, 13);
  EXPECT_EQ(frames->decoded_frames(), 26);
}

}  // namespace
}  // namespace mimicfleet::av
