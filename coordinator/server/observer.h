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
  kUnknownType,  // of a peer that is newer, or none of ours
  kRefused,      // understood, and not done
};
constexpr EnumNames<Refusal, 4> enum_names(Refusal) {
  return {{{Refusal::kMalformed, "malformed"},
           {Refusal::kVersion, "version"},
           {Refusal::kUnknownType, "unknown_type"},
           {Refusal::kRefused, "refused"}}};
}

// Is told what the server does, on the server's thread: returns at once.
class Observer {
 public:
  virtual ~Observer() = default;

  // `type` is one of Server::message_types().
  virtual void on_message(std::string_view type) { static_cast<void>(type); }
  virtual void on_refusal(Refusal reason) { static_cast<void>(reason); }
  virtual void on_store_write(Duration took) { static_cast<void>(took); }
  virtual void on_store_failure() {}
  // What is stored now, in the order in which it was decided.
  virtual void on_commit(const std::vector<jobs::Event>& events, const Tally& tally) {
    static_cast<void>(events);
    static_cast<void>(tally);
  }
  // By and by, however much happens: several times a second, whether it is stored or not.
  virtual void look(const State& state, Instant now) {
    static_cast<void>(state);
    static_cast<void>(now);
  }
};

}  // namespace mimicfleet::coordinator
