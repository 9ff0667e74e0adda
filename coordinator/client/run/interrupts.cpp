#include "coordinator/client/run/interrupts.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "common/check.h"
#include "common/signals.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::array<int, 3> kSignals = {SIGINT, SIGTERM, SIGHUP};

std::atomic<int> signals_seen{0};
std::atomic<int> first_signal{0};
std::atomic<const net::WakeUp*> listener{nullptr};
std::atomic<bool> armed{false};

extern "C" void on_interrupt(int signal) {
  if (!armed.load()) ::_exit(kInterruptedExit);
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
  signals_seen.fetch_add(1);
  if (const auto* wake_up = listener.load()) wake_up->signal();
}

void handle_with(void (*handler)(int)) {
  for (const int signal : kSignals) handle_signal(signal, handler);
}

}  // namespace

Interrupts::Interrupts() {
  CHECK(listener.load() == nullptr);
  signals_seen = 0;
  first_signal = 0;
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

bool Interrupts::by_user() const { return first_signal.load() == SIGINT; }

}  // namespace mimicfleet::coordinator
