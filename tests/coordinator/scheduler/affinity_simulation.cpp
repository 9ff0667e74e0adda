#include "tests/coordinator/scheduler/affinity_simulation.h"

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

constexpr auto kStep =
    std::chrono::milliseconds(250);  // the coordinator's tick, and the workers' heartbeat
constexpr std::uint32_t kSlots = 2;
constexpr double kDecodeSeconds = 2;

// Workers that compute one task after the other and keep the key points that they made.
class SimulatedFleet {
 public:
  explicit SimulatedFleet(const SimulationSetup& setup) : setup_(setup), random_(setup.seed) {
    fleet_.state.config.affinity = setup.affinity;
    std::lognormal_distribution<double> length(0, 0.4);
    for (std::size_t i = 0; i < setup.clips; ++i)
      lengths_["clip" + std::to_string(i)] = length(random_);
    join(setup.workers);
  }

  void join(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      Machine machine;
      machine.id = fleet_.join("worker-" + std::to_string(machines_.size()), kSlots);
      machines_.push_back(std::move(machine));
    }
  }

  // Makes all clips, in an order of its own, and says how it went.
  SimulationResult run() {
    hits_ = 0;
    const JobId job = fleet_.submit(plan());
    const Instant begin = fleet_.clock.now();
    while (!fleet_.job(job).ended) {
      for (auto& machine : machines_) fleet_.beat(machine.id, kSlots);
      take_grants();
      fleet_.pass(kStep);
      for (auto& machine : machines_) work(machine);
    }
    return {static_cast<double>(hits_) / static_cast<double>(setup_.clips),
            to_seconds(fleet_.clock.now() - begin)};
  }

 private:
  struct Work {
    TaskAttempt attempt;
    double seconds_left = 0;
    bool started = false;
  };
  struct Machine {
    WorkerId id;
    std::deque<Work> queue;
    std::set<std::uint64_t> cache;
  };

  jobs::JobPlan plan() {
    std::vector<std::string> names;
    for (const auto& [name, length] : lengths_) names.push_back(name);
    std::shuffle(names.begin(), names.end(), random_);
    jobs::JobPlan plan;
    plan.models = fleet_.models();
    for (const auto& name : names) {
      jobs::ClipPlan clip;
      clip.output.relative = name;
      clip.video.path = name;
      clip.video.digest = sha256(name);
      plan.clips.push_back(std::move(clip));
    }
    return plan;
  }

  void take_grants() {
    for (const auto& grant : fleet_.grants) {
      for (auto& machine : machines_) {
        if (machine.id == grant.worker)
          machine.queue.push_back({{grant.lease.spec.id, grant.lease.attempt}});
      }
    }
    fleet_.grants.clear();
  }

  void start(Machine& machine, Work& work) {
    const Task& task = fleet_.state.tasks.at(work.attempt.task);
    work.started = true;
    if (task.spec.kind == TaskKind::kDecodeVideo) {
      work.seconds_left = kDecodeSeconds;
      return;
    }
    const double length = lengths_.at(task.spec.name);
    const bool hit = machine.cache.contains(task.wants.front());
    hits_ += hit ? 1 : 0;
    work.seconds_left = length * (setup_.sample_seconds + (hit ? 0 : setup_.pose_seconds));
  }

  void work(Machine& machine) {
    double time = to_seconds(kStep);
    while (time > 0 && !machine.queue.empty()) {
      Work& work = machine.queue.front();
      if (!work.started) start(machine, work);
      const double spent = std::min(time, work.seconds_left);
      work.seconds_left -= spent;
      time -= spent;
      if (work.seconds_left > 0) return;
      end(machine, work.attempt);
      machine.queue.pop_front();
    }
  }

  void end(Machine& machine, const TaskAttempt& attempt) {
    const Task& task = fleet_.state.tasks.at(attempt.task);
    jobs::TaskResult result;
    if (task.spec.kind == TaskKind::kEncodeLatents) {
      const std::uint64_t tag = task.wants.front();
      machine.cache.insert(tag);
      result.features = {{jobs::FeatureKind::kKeypoints, jobs::FeatureOutcome::kMiss, tag,
                          lengths_.at(task.spec.name) * setup_.pose_seconds, true}};
    }
    fleet_.complete(machine.id, attempt, std::move(result));
  }

  SimulationSetup setup_;
  std::mt19937 random_;
  std::map<std::string, double> lengths_;  // of the clips, beside the average
  Fleet fleet_;
  std::vector<Machine> machines_;
  std::size_t hits_ = 0;
};

}  // namespace

SimulationResult simulate_second_run(const SimulationSetup& setup) {
  SimulatedFleet fleet(setup);
  static_cast<void>(fleet.run());
  fleet.join(setup.joining);
  return fleet.run();
}

}  // namespace mimicfleet::coordinator
