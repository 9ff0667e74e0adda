#pragma once

#include <utility>

#include "worker/agent/agent.h"
#include "worker/metrics/activity.h"

namespace mimicfleet::worker {

// A runner whose beginning tasks are seen by an Activity.
class ObservedRunner final : public worker::TaskRunner {
 public:
  // Both must outlive this object.
  ObservedRunner(worker::TaskRunner& runner, Activity& activity)
      : runner_(runner), activity_(activity) {}

  void start(jobs::LeaseGrant lease) override {
    activity_.started({lease.spec.id, lease.attempt});
    runner_.start(std::move(lease));
  }
  void cancel(const jobs::TaskAttempt& attempt) override { runner_.cancel(attempt); }
  void confirm(const worker::Confirmation& lease) override { runner_.confirm(lease); }

 private:
  worker::TaskRunner& runner_;
  Activity& activity_;
};

}  // namespace mimicfleet::worker
