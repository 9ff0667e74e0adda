#include "common/signals.h"

#include <signal.h>

namespace mimicfleet {
namespace {

bool is_ignored(int signal) {
  struct sigaction current {};
  return ::sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

}  // namespace

void handle_signal(int signal, void (*handler)(int)) {
  if (signal == SIGHUP && is_ignored(signal)) return;
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

}  // namespace mimicfleet
