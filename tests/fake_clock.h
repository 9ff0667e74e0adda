#pragma once

#include "common/clock.h"

namespace mimicfleet {

// Stands still until told to move.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return now_; }
  void advance(Duration by) { now_ += by; }

 private:
  Instant now_{std::chrono::hours(1)};
};

}  // namespace mimicfleet
