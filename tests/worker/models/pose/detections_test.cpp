#include "worker/models/pose/detections.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace mimicfleet::pose {
namespace {

constexpr int kSize = 64;  // grids of 8x8, 4x4 and 2x2 cells: 84 rows
constexpr int kCells8 = 64;
constexpr int kCells16 = 16;

struct Row {
  int index;
  float x, y, log_width, log_height, object, person;
};

std::vector<Box> persons(const std::vector<Row>& rows, double ratio = 1) {
  std::vector<float> values(static_cast<std::size_t>(yolox_rows(kSize, kSize)) * kRowValues, 0.0F);
  for (const Row& row : rows) {
    float* out = values.data() + row.index * kRowValues;
    for (const float value : {row.x, row.y, row.log_width, row.log_height, row.object, row.person})
      *out++ = value;
  }
  return find_persons(values, kSize, kSize, ratio);
}

TEST(FindPersons, RowsCountTheCellsOfThreeGrids) {
  EXPECT_EQ(yolox_rows(kSize, kSize), 84);
  EXPECT_EQ(yolox_rows(640, 640), 8400);
}

TEST(FindPersons, DecodesABoxFromItsCell) {
  // Cell (1, 2) of the stride-16 grid; exp(0) = 1 stride wide.
  const auto boxes = persons({{kCells8 + 2 * 4 + 1, 0.5F, 0.25F, 0, 0, 0.9F, 0.9F}});
  EXPECT_EQ(boxes, (std::vector<Box>{{16, 28, 32, 44}}));
}

TEST(FindPersons, BoxesAreInPixelsOfTheFrame) {
  const auto boxes = persons({{kCells8 + kCells16, 1, 1, 0, 0, 0.9F, 0.9F}}, 0.5);
  EXPECT_EQ(boxes, (std::vector<Box>{{32, 32, 96, 96}}));
}

TEST(FindPersons, WeakBoxesAreNoPersons) {
  EXPECT_TRUE(persons({{0, 0, 0, 0, 0, 0.5F, 0.59F}}).empty());
  EXPECT_EQ(persons({{0, 0, 0, 0, 0, 0.5F, 0.61F}}).size(), 1U);
}

TEST(FindPersons, OverlappingBoxesGiveTheMoreConfidentOne) {
  const auto boxes = persons({{0, 1, 1, 1, 1, 0.5F, 0.9F}, {1, 0.1F, 1, 1, 1, 0.9F, 0.9F}});
  ASSERT_EQ(boxes.size(), 1U);
  EXPECT_NEAR(boxes[0].x1, 8.8 - 4 * std::exp(1.0), 1e-4);
}

TEST(FindPersons, SeparateBoxesComeByConfidence) {
  const auto boxes =
      persons({{0, 0.5F, 0.5F, -1, -1, 0.5F, 0.9F}, {7, 0.5F, 0.5F, -1, -1, 0.9F, 0.9F}});
  ASSERT_EQ(boxes.size(), 2U);
  EXPECT_GT(boxes[0].x1, boxes[1].x1);
}

TEST(FindPersons, NumbersThatAreNoneAreIgnored) {
  const float nan = std::nanf("");
  EXPECT_TRUE(
      persons(
          {{0, nan, 0, 0, 0, 0.9F, 0.9F}, {9, 0, 0, 0, 0, nan, 0.9F}, {20, 0, 0, 1e9F, 0, 1, 1}})
          .empty());
}

}  // namespace
}  // namespace mimicfleet::pose
