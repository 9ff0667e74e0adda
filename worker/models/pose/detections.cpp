#include "worker/models/pose/detections.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "common/check.h"

namespace mimicfleet::pose {
namespace {

constexpr std::array kStrides = {8, 16, 32};
constexpr float kCandidateScore = 0.1F;
constexpr double kPersonScore = 0.3;
constexpr float kLargestOverlap = 0.45F;

// Everything in float and in the original's order of operations.
struct Candidate {
  float score;
  float x1;
  float y1;
  float x2;
  float y2;

  [[nodiscard]] float area() const { return (x2 - x1 + 1) * (y2 - y1 + 1); }
};

float overlap(const Candidate& a, const Candidate& b) {
  const float width = std::max(0.0F, std::min(a.x2, b.x2) - std::max(a.x1, b.x1) + 1);
  const float height = std::max(0.0F, std::min(a.y2, b.y2) - std::max(a.y1, b.y1) + 1);
  const float shared = width * height;
  return shared / (a.area() + b.area() - shared);
}

Candidate decoded(std::span<const float> row, int column, int line, int stride, float ratio) {
  // numpy computes with the integer grid in double and stores floats.
  const auto center_x = static_cast<float>((static_cast<double>(row[0]) + column) * stride);
  const auto center_y = static_cast<float>((static_cast<double>(row[1]) + line) * stride);
  const auto width = static_cast<float>(static_cast<double>(std::exp(row[2])) * stride);
  const auto height = static_cast<float>(static_cast<double>(std::exp(row[3])) * stride);
  return {row[4] * row[5], (center_x - width / 2.0F) / ratio, (center_y - height / 2.0F) / ratio,
          (center_x + width / 2.0F) / ratio, (center_y + height / 2.0F) / ratio};
}

std::vector<Candidate> candidates(std::span<const float> rows, int input_height, int input_width,
                                  double ratio) {
  std::vector<Candidate> result;
  std::size_t next = 0;
  for (const int stride : kStrides) {
    for (int line = 0; line < input_height / stride; ++line) {
      for (int column = 0; column < input_width / stride; ++column, next += kRowValues) {
        const auto row = rows.subspan(next, kRowValues);
        if (row[4] * row[5] <= kCandidateScore) continue;
        const Candidate candidate = decoded(row, column, line, stride, static_cast<float>(ratio));
        // A damaged net gives NaN, which no comparison orders.
        if (std::isfinite(candidate.score) && std::isfinite(candidate.area()))
          result.push_back(candidate);
      }
    }
  }
  return result;
}

}  // namespace

int yolox_rows(int input_height, int input_width) {
  int rows = 0;
  for (const int stride : kStrides) rows += (input_height / stride) * (input_width / stride);
  return rows;
}

std::vector<Box> find_persons(std::span<const float> rows, int input_height, int input_width,
                              double ratio) {
  CHECK(rows.size() ==
        static_cast<std::size_t>(yolox_rows(input_height, input_width)) * kRowValues);
  std::vector<Candidate> open = candidates(rows, input_height, input_width, ratio);
  // Of equal scores the later row comes first: the original reverses an ascending order.
  std::reverse(open.begin(), open.end());
  std::stable_sort(open.begin(), open.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  std::vector<Box> persons;
  while (!open.empty()) {
    const Candidate best = open.front();
    if (static_cast<double>(best.score) > kPersonScore)
      persons.push_back({best.x1, best.y1, best.x2, best.y2});
    open.erase(open.begin());
    std::erase_if(
        open, [&](const Candidate& other) { return !(overlap(best, other) <= kLargestOverlap); });
  }
  return persons;
}

}  // namespace mimicfleet::pose
