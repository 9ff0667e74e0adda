#include "worker/runner/runner.h"

#include <algorithm>
#include <exception>
#include <new>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::runner {
namespace {

// The last line of defence against exceptions of libraries; where they can be expected they are caught
// before.
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

Runner::Runner(Executor& executor, Post post, Observer observe)
    : executor_(executor), post_(std::move(post)), observe_(std::move(observe)) {
  preparing_ = std::thread([this] { prepare_loop(); });
  computing_ = std::thread([this] { compute_loop(); });
}

Runner::~Runner() {
  request_stop();
  preparing_.join();
  computing_.join();
}

void Runner::start(jobs::LeaseGrant lease) {
  auto task = std::make_shared<Task>();
  const jobs::TaskAttempt attempt{lease.spec.id, lease.attempt};
  task->context = std::make_unique<TaskContext>(
      attempt, [this](const jobs::TaskProgress& progress) { post_(agent::Event(progress)); });
  task->lease = std::move(lease);
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  tasks_.push_back(task);
  waiting_.push_back(std::move(task));
  changed_.notify_all();
}

void Runner::cancel(const jobs::TaskAttempt& attempt) {
  const std::lock_guard lock(mutex_);
  for (const auto& task : tasks_) {
    if (task->context->attempt() == attempt) task->context->cancel();
  }
}

void Runner::request_stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (const auto& task : tasks_) task->context->cancel();
  changed_.notify_all();
}

bool Runner::stop(std::chrono::milliseconds patience) {
  request_stop();
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return running_threads_ == 0; });
}

Status Runner::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Runner::give_up(const Status& status) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = status;
    stopping_ = true;
    changed_.notify_all();
  }
  post_(agent::Stop{});
}

Runner::TaskPtr Runner::next(std::deque<TaskPtr>& queue) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopping_ || !queue.empty(); });
  if (stopping_) return nullptr;
  TaskPtr task = std::move(queue.front());
  queue.pop_front();
  return task;
}

void Runner::prepare_loop() {
  while (const TaskPtr task = next(waiting_)) {
    auto prepared = guarded<std::unique_ptr<Prepared>>([&]() -> Result<std::unique_ptr<Prepared>> {
      RETURN_IF_ERROR(task->context->check_cancelled());
      return executor_.prepare(task->lease, *task->context);
    });
    if (!prepared.ok()) {
      end(task, prepared.status());
      continue;
    }
    const std::lock_guard lock(mutex_);
    task->prepared = std::move(*prepared);
    prepared_.push_back(task);
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  --running_threads_;
  changed_.notify_all();
}

void Runner::compute_loop() {
  auto ready = guarded<agent::Ready>([&] { return executor_.load(); });
  if (ready.ok()) {
    post_(std::move(*ready));
  } else {
    give_up(ready.status());
  }
  while (const TaskPtr task = next(prepared_)) {
    auto result = guarded<jobs::TaskResult>([&]() -> Result<jobs::TaskResult> {
      RETURN_IF_ERROR(task->context->check_cancelled());
      return executor_.run(task->lease, *task->prepared, *task->context);
    });
    task->prepared.reset();
    end(task, std::move(result));
    if (const Status status = executor_.end_of_process(); !status.ok()) give_up(status);
  }
  const std::lock_guard lock(mutex_);
  --running_threads_;
  changed_.notify_all();
}

void Runner::end(const TaskPtr& task, Result<jobs::TaskResult> result) {
  {
    const std::lock_guard lock(mutex_);
    std::erase(tasks_, task);
  }
  const TaskContext& context = *task->context;
  agent::TaskEnd end;
  end.attempt = context.attempt();
  end.status = result.status();
  end.lost_inputs = context.lost_inputs();
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
