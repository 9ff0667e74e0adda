#include "common/signals.h"

#include <signal.h>

#include <gtest/gtest.h>

namespace mimicfleet {
namespace {

volatile sig_atomic_t handled = 0;
void on_signal(int signal) { handled = signal; }

class Signals : public ::testing::Test {
 protected:
  Signals() { handled = 0; }
  ~Signals() override {
    ::signal(SIGHUP, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
  }
};

TEST_F(Signals, AHandlerIsCalled) {
  handle_signal(SIGHUP, on_signal);
  ::raise(SIGHUP);
  EXPECT_EQ(handled, SIGHUP);
}

TEST_F(Signals, AnIgnoredHangupStaysIgnored) {
  ::signal(SIGHUP, SIG_IGN);
  handle_signal(SIGHUP, on_signal);
  ::raise(SIGHUP);
  handle_signal(SIGHUP, SIG_DFL);
  ::raise(SIGHUP);
  EXPECT_EQ(handled, 0);
}

TEST_F(Signals, AnIgnoredSignalToEndIsHandled) {
  ::signal(SIGTERM, SIG_IGN);
  handle_signal(SIGTERM, on_signal);
  ::raise(SIGTERM);
  EXPECT_EQ(handled, SIGTERM);
}

}  // namespace
}  // namespace mimicfleet
