#pragma once

#include <optional>
#include <string>

#include "common/clock.h"

namespace mimicfleet::service {

// What systemd is told (sd_notify) of a unit with Type=notify and WatchdogSec=. Without a service
// manager (NOTIFY_SOCKET is not set) nothing happens. For one thread: the main loop's.
class ServiceManager {
 public:
  // `clock` must outlive this object.
  explicit ServiceManager(const Clock& clock);

  // A line for `systemctl status`. The same one again is not sent.
  void status(const std::string& line);
  // The unit is up. Sent once.
  void ready();
  // The end has begun. Sent once.
  void stopping();
  // Each time the main loop comes round: keeps the watchdog quiet.
  void turned();

 private:
  const Clock& clock_;
  std::optional<Duration>
      watchdog_;  // systemd ends the process after this time without a sign of life
  Instant last_sign_;
  std::string last_status_;
  bool told_ready_ = false;
  bool told_stopping_ = false;
};

}  // namespace mimicfleet::service
