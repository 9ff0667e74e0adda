#include "coordinator/client/interrupts.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "common/check.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::array<int, 3> kSignals = {SIGINT, SIGTERM, SIGHUP};

std::atomic<int> signals_seen{0};
std::atomic<const net::WakeUp*> listener{nullptr};
std::atomic<bool> armed{false};

extern "C" void on_interrupt(int) {
  if (!armed.load()) ::_exit(kInterruptedExit);
  signals_seen.fetch_add(1);
  if (const auto* wake_up = listener.load()) wake_up->signal();
}

void handle_with(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

}  // namespace

Interrupts::Interrupts() {
  CHECK(listener.load() == nullptr);
  signals_seen = 0;
  armed = false;
  listener = &wake_up_;
  handle_with(on_interrupt);
}

Interrupts::~Interrupts() {
  handle_with(SIG_DFL);
  listener = nullptr;
}

void Interrupts::arm() const { armed = true; }

int Interrupts::count() const { return signals_seen.load(); }

}  // namespace mimicfleet::coordinator
