#pragma once

#include "common/net/socket.h"

namespace mimicfleet::coordinator {

// Ctrl-C, SIGTERM and, unless it is ignored (nohup), SIGHUP. Before arm() they end the process at
// once with kInterruptedExit; afterwards they are something that a loop waits for: the first asks
// for an orderly end, the second for an immediate one. One per process.
inline constexpr int kInterruptedExit = 130;

class Interrupts {
 public:
  Interrupts();   // takes the signals over
  ~Interrupts();  // gives them back
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  void arm() const;
  [[nodiscard]] int count() const;
  [[nodiscard]] bool requested() const { return count() > 0; }
  // Whether the first signal was Ctrl-C, so that a person is there to read.
  [[nodiscard]] bool by_user() const;

  // Readable after a signal, until acknowledge().
  [[nodiscard]] int fd() const { return wake_up_.fd(); }
  void acknowledge() const { wake_up_.clear(); }

 private:
  net::WakeUp wake_up_;
};

}  // namespace mimicfleet::coordinator
