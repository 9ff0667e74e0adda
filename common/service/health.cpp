#include "common/service/health.h"

#include <utility>

#include <fmt/format.h>

namespace mimicfleet::service {

Health::Health(const Clock& clock, std::string not_ready_because)
    : clock_(clock), not_ready_because_(std::move(not_ready_because)) {}

void Health::turned() {
  const MutexLock lock(mutex_);
  last_turn_ = clock_.now();
}

void Health::set_ready() { set_not_ready({}); }

void Health::set_not_ready(std::string because) {
  const MutexLock lock(mutex_);
  not_ready_because_ = std::move(because);
}

Status Health::alive() const {
  const MutexLock lock(mutex_);
  if (!last_turn_) return {};
  const Duration silent = clock_.now() - *last_turn_;
  if (silent < kPatience) return {};
  return {StatusCode::kTimeout,
          fmt::format("the main loop has not come round for {:.0f} s", to_seconds(silent))};
}

Status Health::ready() const {
  const MutexLock lock(mutex_);
  if (not_ready_because_.empty()) return {};
  return {StatusCode::kUnavailable, not_ready_because_};
}

}  // namespace mimicfleet::service
