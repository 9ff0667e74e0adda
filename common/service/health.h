#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/mutex.h"
#include "common/status.h"

namespace mimicfleet::service {

// Whether a program's main loop turns and whether it can do work: for /healthz, /readyz and the
// service manager. Usable from any thread.
class Health {
 public:
  static constexpr Duration kPatience = std::chrono::seconds(30);

  // A loop that has not turned for `kPatience` hangs, once it has turned at all: before that the
  // program starts, which takes as long as its state is big. `clock` must outlive this object.
  Health(const Clock& clock, std::string not_ready_because);

  // Each time the main loop comes round.
  void turned();
  void set_ready();
  void set_not_ready(std::string because);

  // kTimeout: the main loop hangs.
  [[nodiscard]] Status alive() const;
  // kUnavailable with the reason.
  [[nodiscard]] Status ready() const;

 private:
  const Clock& clock_;
  mutable Mutex mutex_;
  std::optional<Instant> last_turn_ GUARDED_BY(mutex_);
  std::string not_ready_because_ GUARDED_BY(mutex_);  // empty: ready
};

}  // namespace mimicfleet::service
