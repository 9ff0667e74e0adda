#include "worker/runner/runner.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "jobs/stages.h"

namespace mimicfleet::runner {
namespace {

// One is finished and one waits for it, and maybe a third to be handed over: each may hold memory
// and a process.
constexpr int kUnfinishedAtMost = 2;
// What a process that can compute no more gives to what is almost done.
constexpr std::chrono::seconds kLastPatience{10};

// The last line of defence against exceptions of libraries; where they can be expected they are
// caught before.
template <typename T, typename Work>
Result<T> guarded(Work&& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kResourceExhausted, "the worker has not enough memory");
  } catch (const std::exception& error) {
    return Status(StatusCode::kInternal, fmt::format("unexpected failure: {}", error.what()));
  }
}

}  // namespace

Runner::Runner(Executor& executor, Post post, Observer observe,
               std::chrono::milliseconds decode_comes_within, const Clock* clock)
    : executor_(executor),
      post_(std::move(post)),
      observe_(std::move(observe)),
      decode_comes_within_(decode_comes_within),
      clock_(clock != nullptr ? *clock : steady_) {
  preparing_ = std::thread([this] { prepare_loop(); });
  conditioning_ = std::thread([this] { condition_loop(); });
  computing_ = std::thread([this] { compute_loop(); });
  finishing_ = std::thread([this] { finish_loop(); });
}

bool Runner::is_decode(const Task& task) {
  return task.lease.spec.kind == jobs::TaskKind::kDecodeVideo;
}

Runner::~Runner() {
  request_stop();
  preparing_.join();
  conditioning_.join();
  computing_.join();
  finishing_.join();
}

void Runner::start(jobs::LeaseGrant lease) {
  auto task = std::make_shared<Task>();
  const jobs::TaskAttempt attempt{lease.spec.id, lease.attempt};
  task->context = std::make_unique<TaskContext>(
      attempt, [this](const jobs::TaskProgress& progress) { post_(worker::Event(progress)); });
  task->context->confirm_lease(Instant::min());  // not yet
  task->lease = std::move(lease);
  if (is_decode(*task)) task->phase = Phase::kConditioned;
  const MutexLock lock(mutex_);
  if (stopping_) return;
  tasks_.push_back(task);
  waiting_.push_back(std::move(task));
  changed_.notify_all();
}

void Runner::cancel(const jobs::TaskAttempt& attempt) {
  const MutexLock lock(mutex_);
  for (const auto& task : tasks_) {
    if (task->context->attempt() == attempt) task->context->cancel();
  }
}

void Runner::confirm(const worker::Confirmation& lease) {
  const MutexLock lock(mutex_);
  for (const auto& task : tasks_) {
    if (task->context->attempt() == lease.attempt) task->context->confirm_lease(lease.until);
  }
}

void Runner::request_stop() {
  const MutexLock lock(mutex_);
  stopping_ = true;
  for (const auto& task : tasks_) task->context->cancel();
  changed_.notify_all();
}

bool Runner::stop(std::chrono::milliseconds patience) {
  request_stop();
  MutexLock lock(mutex_);
  return changed_.wait_for(lock, patience, [this] {
    mutex_.assert_held();
    return running_threads_ == 0;
  });
}

Status Runner::failure() const {
  const MutexLock lock(mutex_);
  return failure_;
}

void Runner::give_up(const Status& status) {
  {
    const MutexLock lock(mutex_);
    failure_ = status;
    stopping_ = true;
    changed_.notify_all();
  }
  post_(worker::Stop{});
}

Runner::TaskPtr Runner::next_to_prepare() {
  MutexLock lock(mutex_);
  changed_.wait(lock, [this] {
    mutex_.assert_held();
    return stopping_ || !waiting_.empty();
  });
  if (stopping_) return nullptr;
  auto chosen = std::find_if(waiting_.begin(), waiting_.end(),
                             [](const TaskPtr& waiting) { return is_decode(*waiting); });
  if (chosen == waiting_.end()) chosen = waiting_.begin();
  TaskPtr task = std::move(*chosen);
  waiting_.erase(chosen);
  return task;
}

// Where the next task to compute is: end() if there is none.
std::deque<Runner::TaskPtr>::iterator Runner::choose_to_compute() {
  const bool one_conditions =
      std::any_of(prepared_.begin(), prepared_.end(),
                  [](const TaskPtr& task) { return task->phase == Phase::kConditioning; });
  // Other models than those of an encode that has begun would have to be loaded, and these once
  // more.
  const auto may_decode = [this](const TaskPtr& task) {
    mutex_.assert_held();
    return is_decode(*task) && may_start(*task) &&
           std::none_of(prepared_.begin(), prepared_.end(), [&task](const TaskPtr& other) {
             return !is_decode(*other) &&
                    (other->phase == Phase::kConditioned || other->phase == Phase::kConditioning) &&
                    other->lease.spec.model_set != task->lease.spec.model_set;
           });
  };
  const auto decode = std::find_if(prepared_.begin(), prepared_.end(), may_decode);
  if (decode != prepared_.end()) return decode;
  return std::find_if(prepared_.begin(), prepared_.end(), [&](const TaskPtr& task) {
    mutex_.assert_held();
    return !is_decode(*task) && (task->phase == Phase::kConditioned || !one_conditions) &&
           may_start(*task);
  });
}

// Where the next encode to begin beside what runs is: end() if there is none, or if one has begun
// already.
std::deque<Runner::TaskPtr>::iterator Runner::choose_to_condition() {
  const auto encode = std::find_if(prepared_.begin(), prepared_.end(),
                                   [](const TaskPtr& task) { return !is_decode(*task); });
  const bool may_condition =
      running_ && encode != prepared_.end() && (*encode)->phase == Phase::kToCondition;
  return may_condition ? encode : prepared_.end();
}

// Not while an earlier attempt at it is being finished, which may tidy up files of the same names.
bool Runner::may_start(const Task& task) const {
  return std::none_of(tasks_.begin(), tasks_.end(), [&task](const TaskPtr& other) {
    return other->phase == Phase::kComputed && other->lease.spec.id == task.lease.spec.id;
  });
}

Runner::TaskPtr Runner::next_to_condition() {
  MutexLock lock(mutex_);
  auto chosen = prepared_.end();
  changed_.wait(lock, [&] {
    mutex_.assert_held();
    return stopping_ || (chosen = choose_to_condition()) != prepared_.end();
  });
  if (stopping_) return nullptr;
  (*chosen)->phase = Phase::kConditioning;
  return *chosen;
}

// How long the decode of the encode that ran last is waited for before `next` goes on.
Duration Runner::patience_for_decode(const Task& next) const {
  if (!encoded_ || !decodes_follow_ || is_decode(next)) return Duration::zero();
  if (next.phase == Phase::kConditioned) return decode_comes_within_;
  return std::max<Duration>(kTimesBeforeConditioning * decode_comes_within_,
                            conditioning_took_ / kShareOfConditioning);
}

// Whether a decode has come that is not prepared yet.
bool Runner::prepares_decode() const {
  return std::any_of(tasks_.begin(), tasks_.end(), [](const TaskPtr& task) {
    return is_decode(*task) && task->phase == Phase::kConditioned && task->prepared == nullptr;
  });
}

Runner::TaskPtr Runner::next_to_compute() {
  MutexLock lock(mutex_);
  auto chosen = prepared_.end();
  const auto there_is_one = [&] {
    mutex_.assert_held();
    return stopping_ || (chosen = choose_to_compute()) != prepared_.end();
  };
  changed_.wait(lock, there_is_one);
  const Duration patience = stopping_ ? Duration::zero() : patience_for_decode(**chosen);
  if (patience > Duration::zero()) {
    const auto is_ready = [&] {
      mutex_.assert_held();
      return stopping_ || (there_is_one() && is_decode(**chosen));
    };
    const bool begins = (*chosen)->phase != Phase::kConditioned;
    decodes_follow_ = changed_.wait_for(lock, patience, is_ready);
    if (!decodes_follow_ && begins && prepares_decode()) {
      const auto is_over = [&] {
        mutex_.assert_held();
        return is_ready() || !prepares_decode();
      };
      decodes_follow_ = changed_.wait_for(lock, kDecodeIsPreparedWithin, is_over);
    }
    changed_.wait(lock, there_is_one);
  }
  if (stopping_) return nullptr;
  TaskPtr task = std::move(*chosen);
  prepared_.erase(chosen);
  running_ = task->phase == Phase::kConditioned;
  encoded_ = running_ && !is_decode(*task);
  decodes_follow_ = decodes_follow_ || is_decode(*task);
  changed_.notify_all();
  return task;
}

void Runner::thread_ends() {
  const MutexLock lock(mutex_);
  --running_threads_;
  changed_.notify_all();
}

void Runner::prepare_loop() {
  while (const TaskPtr task = next_to_prepare()) {
    auto prepared = guarded<std::unique_ptr<Prepared>>([&]() -> Result<std::unique_ptr<Prepared>> {
      RETURN_IF_ERROR(task->context->check_cancelled());
      return executor_.prepare(task->lease, *task->context);
    });
    if (!prepared.ok()) {
      end(task, prepared.status());
      continue;
    }
    task->context->progress(jobs::Stage::kQueued);
    const MutexLock lock(mutex_);
    task->prepared = std::move(*prepared);
    prepared_.push_back(task);
    changed_.notify_all();
  }
  thread_ends();
}

void Runner::condition_loop() {
  while (const TaskPtr task = next_to_condition()) condition_overlapped(task);
  thread_ends();
}

void Runner::condition_overlapped(const TaskPtr& task) {
  auto begun = guarded<bool>([&]() -> Result<bool> {
    RETURN_IF_ERROR(task->context->check_cancelled());
    return executor_.condition_overlapped(task->lease, *task->prepared, *task->context);
  });
  if (begun.ok() && *begun) task->context->progress(jobs::Stage::kQueued);
  {
    const MutexLock lock(mutex_);
    task->phase = begun.ok() && *begun ? Phase::kConditioned : Phase::kToConditionInTurn;
    if (!begun.ok()) std::erase(prepared_, task);
    changed_.notify_all();
  }
  if (!begun.ok()) end(task, begun.status());
}

void Runner::compute_loop() {
  auto ready = guarded<worker::Ready>([&] { return executor_.load(); });
  if (ready.ok()) {
    post_(std::move(*ready));
  } else {
    give_up(ready.status());
  }
  while (const TaskPtr task = next_to_compute()) {
    compute(task);
    {
      const MutexLock lock(mutex_);
      running_ = false;
    }
    if (const Status status = executor_.end_of_process(); !status.ok()) {
      wait_until_finished();
      give_up(status);
    }
  }
  thread_ends();
}

// The next part of the task.
void Runner::compute(const TaskPtr& task) {
  const bool begun = task->phase == Phase::kConditioned;
  const Instant start = clock_.now();
  auto outcome = guarded<Outcome>([&]() -> Result<Outcome> {
    RETURN_IF_ERROR(task->context->check_cancelled());
    if (begun) return executor_.run(task->lease, *task->prepared, *task->context);
    RETURN_IF_ERROR(executor_.begin(task->lease, *task->prepared, *task->context));
    return Outcome();
  });
  if (!outcome.ok()) {
    end(task, outcome.status());
  } else if (!begun) {
    task->context->progress(jobs::Stage::kQueued);
    const MutexLock lock(mutex_);
    conditioning_took_ = clock_.now() - start;
    task->phase = Phase::kConditioned;
    prepared_.push_front(task);
  } else if (outcome->finish) {
    hand_to_finishing(task, std::move(*outcome));
  } else {
    end(task, std::move(outcome->result));
  }
}

void Runner::hand_to_finishing(const TaskPtr& task, Outcome outcome) {
  task->outcome = std::move(outcome);
  {
    const MutexLock lock(mutex_);
    task->phase = Phase::kComputed;
  }
  post_(worker::Computed{task->context->attempt()});
  MutexLock lock(mutex_);
  changed_.wait(lock, [this] {
    mutex_.assert_held();
    return stopping_ || unfinished_ < kUnfinishedAtMost;
  });
  ++unfinished_;
  if (!stopping_) {
    computed_.push_back(task);
    changed_.notify_all();
    return;
  }
  lock.unlock();
  finish(task);
}

void Runner::wait_until_finished() {
  MutexLock lock(mutex_);
  changed_.wait_for(lock, kLastPatience, [this] {
    mutex_.assert_held();
    return stopping_ || unfinished_ == 0;
  });
}

// Also of a task that was cancelled: then it tidies up.
void Runner::finish(const TaskPtr& task) {
  auto result = guarded<jobs::TaskResult>([&]() -> Result<jobs::TaskResult> {
    RETURN_IF_ERROR(task->outcome.finish(task->outcome.result));
    return std::move(task->outcome.result);
  });
  end(task, std::move(result));
  const MutexLock lock(mutex_);
  --unfinished_;
  changed_.notify_all();
}

void Runner::finish_loop() {
  for (;;) {
    MutexLock lock(mutex_);
    changed_.wait(lock, [this] {
      mutex_.assert_held();
      return stopping_ || !computed_.empty();
    });
    if (computed_.empty()) break;
    const TaskPtr task = std::move(computed_.front());
    computed_.pop_front();
    lock.unlock();
    finish(task);
  }
  thread_ends();
}

void Runner::end(const TaskPtr& task, Result<jobs::TaskResult> result) {
  {
    const MutexLock lock(mutex_);
    std::erase(tasks_, task);
    changed_.notify_all();
  }
  task->outcome.finish = nullptr;
  task->prepared.reset();
  const TaskContext& context = *task->context;
  worker::TaskEnd end;
  end.attempt = context.attempt();
  end.status = result.status();
  if (!result.ok() && context.cancelled())
    end.status = context.check_cancelled();  // and ended for it
  end.lost_inputs = context.lost_inputs();
  end.of_host = context.is_of_host(end.status);
  if (result.ok()) end.result = std::move(*result);
  end.result.stages = context.timings();
  end.result.features = context.features();
  end.result.calls = context.calls();
  end.result.warnings = context.warnings();
  end.result.transferred_bytes = context.transferred_bytes();
  if (!end.status.ok() && end.status.code() != StatusCode::kCancelled) {
    log::warn("{} {}: {}", to_string(task->lease.spec.kind), log::printable(task->lease.spec.name),
              log::printable(end.status.message()));
  }
  observe_(task->lease, end);
  post_(std::move(end));
}

}  // namespace mimicfleet::runner
