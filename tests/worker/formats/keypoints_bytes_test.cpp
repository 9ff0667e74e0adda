#include "worker/formats/keypoints_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/formats/array_bytes.h"

namespace mimicfleet::formats {
namespace {

using weights::DType;

pose::PersonKeypoints person(double seed) {
  pose::PersonKeypoints person;
  for (std::size_t i = 0; i < pose::kKeypoints; ++i) {
    person.points[i] = {seed + static_cast<double>(i) / 3, -seed * static_cast<double>(i) / 7};
    person.scores[i] = 1 / (seed + static_cast<double>(i) + 1);
  }
  return person;
}

VideoKeypoints some_keypoints() {
  return {{{480, 640, {person(1)}, true}, {480, 640, {}}, {480, 640, {person(2), person(3)}}},
          {30000, 1001},
          2};
}

TEST(KeypointsBytes, EveryBitComesBack) {
  const auto keypoints = some_keypoints();
  const auto read = keypoints_from_bytes(keypoints_to_bytes(keypoints));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->frames, keypoints.frames);
  EXPECT_EQ(read->average_fps, keypoints.average_fps);
  EXPECT_EQ(read->stride, 2);
}

TEST(KeypointsBytes, WarningsComeBackAndTheirLackChangesNothing) {
  auto keypoints = some_keypoints();
  const std::string without = keypoints_to_bytes(keypoints);
  EXPECT_EQ(without.find("warnings"), std::string::npos);
  keypoints.warnings = {{2, "from frame 4 on it is interlaced"}, {3, ""}};
  const auto read = keypoints_from_bytes(keypoints_to_bytes(keypoints));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->warnings, keypoints.warnings);
  EXPECT_TRUE(keypoints_from_bytes(without)->warnings.empty());
}

TEST(KeypointsBytes, TensorsThatDoNotFitTogetherAreRefused) {
  const std::map<std::string, std::string, std::less<>> metadata = {{"height", "4"},
                                                                    {"width", "4"},
                                                                    {"fps_numerator", "15"},
                                                                    {"fps_denominator", "1"},
                                                                    {"stride", "1"}};
  const std::vector<double> points(pose::kKeypoints * 2);
  const std::vector<double> scores(pose::kKeypoints);
  const auto read = [&](const std::vector<std::int32_t>& persons, const auto& strings,
                        std::size_t frames = 0) {
    const std::vector<std::uint8_t> nobody(frames == 0 ? persons.size() : frames);
    return keypoints_from_bytes(weights::safetensors_bytes(
        {{"nobody", DType::kU8, {static_cast<std::int64_t>(nobody.size())}, raw_bytes(nobody)},
         {"persons", DType::kI32, {static_cast<std::int64_t>(persons.size())}, raw_bytes(persons)},
         {"points", DType::kF64, {1, pose::kKeypoints, 2}, raw_bytes(points)},
         {"scores", DType::kF64, {1, pose::kKeypoints}, raw_bytes(scores)}},
        strings));
  };
  EXPECT_TRUE(read({0, 1}, metadata).ok());
  EXPECT_FALSE(read({0, 1}, metadata, 1).ok());
  for (const std::vector<std::int32_t>& persons :
       {std::vector<std::int32_t>{}, {2}, {1, 1}, {-1, 1}, {-1, 2}, {INT32_MAX}}) {
    EXPECT_FALSE(read(persons, metadata).ok());
  }
  auto no_fps = metadata;
  no_fps["fps_denominator"] = "0";
  EXPECT_FALSE(read({1}, no_fps).ok());
  for (const char* warnings : {"x\n", "1\n", "1 without an end", "-1 x\n", "1 x\n\n"}) {
    auto odd = metadata;
    odd["warnings"] = warnings;
    EXPECT_FALSE(read({1}, odd).ok()) << warnings;
  }
  auto bad_height = metadata;
  bad_height["height"] = "4x";
  EXPECT_FALSE(read({1}, bad_height).ok());
  EXPECT_FALSE(keypoints_from_bytes("").ok());
}

}  // namespace
}  // namespace mimicfleet::formats
