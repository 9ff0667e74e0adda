#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/clock.h"

namespace mimicfleet::agent {

struct SessionOptions {
  // Leases held at once, without those that are computed: one runs, the next is prepared.
  std::uint32_t slots = 2;
  Duration min_heartbeat_gap = std::chrono::milliseconds(100);
  // Of the coordinator, before a new connection is tried.
  Duration silence = std::chrono::seconds(10);
  Duration repeat_after = std::chrono::seconds(2);  // a result without an answer is sent again, …
  Duration repeat_at_most = std::chrono::seconds(10);  // … each time later, up to this
  Duration goodbye_wait = std::chrono::seconds(2);     // for the answer when leaving
  std::size_t max_artefacts = 4096;                    // in a hello
  std::size_t max_features = 16384;                    // in a hello
  std::optional<Duration> leave_when_idle;             // leave after this time without a lease
  Duration drain_on_stop{};  // how long running tasks may go on after a request to stop
};

}  // namespace mimicfleet::agent
