#pragma once

#include <string>
#include <string_view>

#include "coordinator/scheduler/decide.h"

namespace mimicfleet::coordinator {

// The counter of a state.
[[nodiscard]] std::uint32_t& count(jobs::TaskCounts& counts, TaskState state);
// Counts a task where it is now, and what it made; `uncount` takes that back before it goes
// elsewhere.
void count_task(State& state, const Task& task);
void uncount_task(State& state, const Task& task);
// How a job ended whose tasks ended so: in the worst of their ways.
[[nodiscard]] TaskState end_state(const jobs::TaskCounts& counts);
// As it is told, or was told to be.
[[nodiscard]] jobs::WorkerState state_of(const Worker& worker);
[[nodiscard]] ReadyOrder ready_order(const State& state, const Task& task);
// The features that a task could take from a cache.
[[nodiscard]] std::vector<std::uint64_t> wanted_features(const jobs::TaskSpec& spec,
                                                         const jobs::ModelSet& models);
// True if all that makes its inputs is done.
[[nodiscard]] bool needs_are_done(const State& state, const Task& task);
// Adds a task to the ready ones, or takes it out.
void enqueue(State& state, Task& task, Instant now);
void dequeue(State& state, const Task& task);

// The steps that change a task, each keeping the state consistent (counts, ready queue, leases,
// events) and noting what has to be stored.
class Transitions {
 public:
  Transitions(State& state, Decision& decision, Instant now)
      : state_(state), decision_(decision), now_(now) {}

  // Ready if its inputs are there, else waiting.
  void admit(Task& task);
  void renew(Task& task, const jobs::TaskProgress& progress);
  void commit(Task& task, const jobs::TaskResult& result);
  // The attempt failed, and its worker with it: ready again after a while, or failed for good.
  void fail(Task& task, const Status& status);
  // The worker's host lacks something: another one is asked, and only when none is left, nor comes,
  // the task failed.
  void fail_on_host(Task& task, const Status& status);
  // The worker could not get these inputs: another one is asked, and only when none can have them
  // are they made again. Bounded, with a pause that grows.
  void lose_inputs(Task& task, const std::vector<Digest>& contents, const Status& status);
  // The attempt ends without blame.
  void release(Task& task);
  void cancel(Task& task);
  void end_job_if_over(Job& job);
  // Takes back the leases of a worker and removes it. `lost` leases count as failures.
  void forget_worker(const Worker& worker, bool lost);
  void note_holder(const jobs::ArtefactRef& artefact, WorkerId worker);
  // The worker may be asked again for what its host could not do.
  void forget_host_failures(Worker& worker);
  // Fails the tasks that all who are there have refused, once nobody else came for a while.
  void give_up_refused();
  void expire_leases();
  // A lease that no heartbeat of its worker lists: the grant got lost.
  void hand_back_unstarted(Task& task);
  [[nodiscard]] Instant last_progress(const Task& task) const;
  void postpone(Duration by);
  // Gives ready tasks to workers with free slots.
  void dispatch();

  jobs::Event& log(std::string_view kind, const Task& task, std::string detail);
  void log(std::string_view kind, const Job& job, std::string detail);
  void log(std::string_view kind, const Worker& worker, std::string detail);

 private:
  void move_to(Task& task, TaskState next);
  void drop_lease(Task& task);
  void note_expiry(const Task& task, Expiry reason, std::string detail);
  void fail_attempt(Task& task, const Status& status);
  void fail_for_good(Task& task, const Status& status);
  void note_who_is_left(Task& task);
  void note_strike(Worker& worker, const Task& task, const Status& status);
  void give_up_if_refused_by_all(Task& task);
  void forgive(Task& task);
  void forget_refusals(Task& task);
  void forget_strikes(Worker& worker, const Task& done);
  [[nodiscard]] std::vector<TaskId> needs_with(const Task& task,
                                               const std::vector<Digest>& contents) const;
  void note_cannot_fetch(const Digest& content, WorkerId worker);
  // What these encodes made, for the task that needs it. Bounded, unless all who held it have left.
  void make_again(Task& task, const std::vector<TaskId>& encodes, const std::string& reason,
                  bool all_left);
  void note_out_of_reach(Task& task, const Worker& worker, const std::string& why);
  // False if the worker cannot have latents that the task needs: their encodes are then ready
  // again, unless that would not help.
  bool inputs_available(Task& task, const Worker& worker);
  void grant(Task& task, Worker& worker);
  // Of those that the worker reaches.
  [[nodiscard]] std::vector<std::string> endpoints_of_holders(const Digest& content,
                                                              const Worker& worker) const;
  [[nodiscard]] jobs::TaskInput input_of(const TaskId& need, const Worker& worker) const;
  [[nodiscard]] std::vector<jobs::TaskInput> inputs_of(const Task& task,
                                                       const Worker& worker) const;
  jobs::Event& add_event(std::string_view kind, std::string detail);

  State& state_;
  Decision& decision_;
  Instant now_;
};

}  // namespace mimicfleet::coordinator
