#pragma once

#include <string>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "jobs/messages.h"

// What the agent, which talks to the coordinator, and the runner, which does the tasks, tell each
// other.
namespace mimicfleet::worker {

// The attempt needs no models any more, so that another task may come.
struct Computed {
  jobs::TaskAttempt attempt;
};

// How an attempt ended on this worker.
struct TaskEnd {
  jobs::TaskAttempt attempt;
  Status status;  // ok: `result` counts
  jobs::TaskResult result;
  std::vector<Digest> lost_inputs;
  bool of_host = false;  // this host lacks something; another worker can do the task
};

// What other workers can fetch from this one. Known when its store is open.
struct Holding {
  std::string data_endpoint;
  std::vector<jobs::ArtefactRef> artefacts;  // the most recently used first
};

// What is known when the models are loaded.
struct Ready {
  std::string device;
  jobs::NumericsClass numerics;
  std::vector<jobs::ModelSet> model_sets;
  std::vector<jobs::HeldFeature> features;   // in the cache, the most recently used first
  std::vector<std::string> abilities;        // see jobs/abilities.h
  std::vector<std::string> model_folders{};  // of each set
};

// The coordinator has confirmed that it will give this attempt's task to nobody else before then,
// unless it takes it back.
struct Confirmation {
  jobs::TaskAttempt attempt;
  Instant until;
};

// What runs the tasks. Called on the agent's thread; returns at once.
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;
  // The attempt is the runner's from now on; it posts one TaskEnd for it, sooner or later.
  virtual void start(jobs::LeaseGrant lease) = 0;
  // Asks for an early end (kCancelled). Unknown attempts are ignored.
  virtual void cancel(const jobs::TaskAttempt& attempt) = 0;
  // Until `lease.until`, unless it is cancelled, the attempt may replace outputs of other attempts.
  virtual void confirm(const Confirmation& lease) = 0;
};

// What other threads tell the agent.
struct Stop {};
using Event = std::variant<Holding, Ready, jobs::TaskProgress, TaskEnd, Computed, Stop>;

}  // namespace mimicfleet::worker
