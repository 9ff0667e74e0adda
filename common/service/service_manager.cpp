#include "common/service/service_manager.h"

#include <cstdint>
#include <utility>

#include <systemd/sd-daemon.h>

#include "common/log.h"

namespace mimicfleet::service {
namespace {

constexpr int kKeepEnvironment = 0;

// Nobody to tell is no fault, and what cannot be told stops no work.
void tell(const std::string& message) {
  static_cast<void>(::sd_notify(kKeepEnvironment, message.c_str()));
}

std::optional<Duration> watchdog() {
  std::uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(kKeepEnvironment, &microseconds) <= 0) return std::nullopt;
  return std::chrono::microseconds(microseconds);
}

}  // namespace

ServiceManager::ServiceManager(const Clock& clock)
    : clock_(clock), watchdog_(watchdog()), last_sign_(clock.now()) {}

void ServiceManager::status(const std::string& line) {
  const std::string shown = log::printable(line);
  if (std::exchange(last_status_, shown) != shown) tell("STATUS=" + shown);
}

void ServiceManager::ready() {
  if (!std::exchange(told_ready_, true)) tell("READY=1");
}

void ServiceManager::stopping() {
  if (!std::exchange(told_stopping_, true)) tell("STOPPING=1");
}

void ServiceManager::turned() {
  if (!watchdog_ || clock_.now() - last_sign_ < *watchdog_ / 4) return;
  last_sign_ = clock_.now();
  tell("WATCHDOG=1");
}

}  // namespace mimicfleet::service
