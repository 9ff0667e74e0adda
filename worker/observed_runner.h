#pragma once

#include <utility>

#include "worker/activity.h"
#include "worker/agent/agent.h"

namespace mimicfleet::worker {

// A runner whose beginning tasks are seen by an Activity.
class ObservedRunner final : public agent::TaskRunner {
 public:
  // Both must outlive this object.
  ObservedRunner(agent::TaskRunner& runner, Activity& activity)
      : runner_(runner), activity_(activity) {}

  void start(jobs::LeaseGrant lease) override {
    activity_.started({lease.spec.id, lease.attempt});
    runner_.start(std::move(lease));
  }
  void cancel(const jobs::TaskAttempt& attempt) override { runner_.cancel(attempt); }
  void confirm(const agent::Confirmation& lease) override { runner_.confirm(lease); }

 private:
  agent::TaskRunner& runner_;
  Activity& activity_;
};

}  // namespace mimicfleet::worker
