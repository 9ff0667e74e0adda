#pragma once

#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/enum_names.h"
#include "coordinator/scheduler/decide.h"

namespace mimicfleet::coordinator {

enum class Refusal {
  kMalformed,
  kVersion,      // of the protocol
  kUnknownType,  // the peer is newer, or speaks another protocol
  kRefused,      // understood, but not carried out
};
constexpr EnumNames<Refusal, 4> enum_names(Refusal) {
  return {{{Refusal::kMalformed, "malformed"},
           {Refusal::kVersion, "version"},
           {Refusal::kUnknownType, "unknown_type"},
           {Refusal::kRefused, "refused"}}};
}

// Hears what the server does. All methods are called on the server's thread and must return at
// once: the server does nothing else meanwhile. They own nothing of what they are given.
class Observer {
 public:
  virtual ~Observer() = default;

  // `type` is one of Server::message_types().
  virtual void on_message(std::string_view type) { static_cast<void>(type); }
  virtual void on_refusal(Refusal reason) { static_cast<void>(reason); }
  virtual void on_store_write(Duration took) { static_cast<void>(took); }
  virtual void on_store_failure() {}
  // After a commit: its events, in the order in which they were decided.
  virtual void on_commit(const std::vector<jobs::Event>& events, const Tally& tally) {
    static_cast<void>(events);
    static_cast<void>(tally);
  }
  // Several times a second, with changes that may not be stored yet.
  virtual void look(const State& state, Instant now) {
    static_cast<void>(state);
    static_cast<void>(now);
  }
};

}  // namespace mimicfleet::coordinator
