#pragma once

#include <string>

#include <gtest/gtest.h>

// Where tests that compare with goldens note what they measured. `./dev parity` runs them and makes
// docs/parity.md of the figures, so that table and tests cannot disagree. Without it nothing is
// written.
namespace mimicfleet::parity {

// One comparison with what the original computed.
struct Figure {
  std::string file;     // below tests/goldens
  std::string part;     // the tensor or another part of it
  std::string measure;  // what `largest` counts
  double largest = 0;
  double bound = 0;
};

// Notes the figure and tells whether it is within its bound.
[[nodiscard]] ::testing::AssertionResult within_bound(const Figure& figure);

// Notes that a golden is used, be it as the input of a comparison: those that nothing uses are
// gaps.
void note_use(const std::string& file, const std::string& part = {});

}  // namespace mimicfleet::parity
