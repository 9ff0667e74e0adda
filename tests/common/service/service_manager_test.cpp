#include "common/service/service_manager.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/service/fake_service_manager.h"

namespace mimicfleet::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ServiceManagerTest : public ::testing::Test {
 protected:
  ServiceManagerTest() { ::setenv("NOTIFY_SOCKET", systemd_.path().c_str(), 1); }
  ~ServiceManagerTest() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
  }
  const std::vector<std::string>& heard() { return systemd_.heard(); }

  FakeClock clock_;

 private:
  FakeServiceManager systemd_;
};

TEST_F(ServiceManagerTest, ReadyAndStoppingAreToldOnceAndAStatusWhenItChanges) {
  ServiceManager manager(clock_);
  manager.status("loads its models");
  manager.status("loads its models");
  manager.ready();
  manager.ready();
  manager.status("1 task\nREADY=1");
  manager.stopping();
  manager.stopping();
  EXPECT_THAT(heard(), ElementsAre("STATUS=loads its models", "READY=1",
                                   "STATUS=1 task\\x0aREADY=1", "STOPPING=1"));
}

TEST_F(ServiceManagerTest, TheWatchdogHearsOfTheLoopOftenEnough) {
  ::setenv("WATCHDOG_USEC", "20000000", 1);
  ServiceManager manager(clock_);
  for (int second = 0; second < 20; ++second) {
    clock_.advance(std::chrono::seconds(1));
    manager.turned();
  }
  EXPECT_THAT(heard(), ElementsAre("WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"));
}

TEST_F(ServiceManagerTest, AUnitWithoutAWatchdogIsNotToldOfTheLoop) {
  ServiceManager manager(clock_);
  clock_.advance(std::chrono::hours(1));
  manager.turned();
  EXPECT_THAT(heard(), IsEmpty());
}

TEST_F(ServiceManagerTest, WithoutAServiceManagerNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  ServiceManager manager(clock_);
  manager.ready();
  manager.status("works");
  manager.turned();
  EXPECT_THAT(heard(), IsEmpty());
}

}  // namespace
}  // namespace mimicfleet::service
