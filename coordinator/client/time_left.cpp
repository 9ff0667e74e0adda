#include "coordinator/client/time_left.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "jobs/stages.h"

namespace mimicfleet::coordinator {
namespace {

// Of an encode, until a decode was seen.
constexpr double kGuessedDecodeShare = 0.25;
// Of a task that has cost more than others of its kind, so much of these is expected to be left.
constexpr double kLeastShareLeft = 0.1;
constexpr double kShortestMemorySeconds = 10;
constexpr double kFewestWorkers = 0.05;

// Whether a worker computes the task. Loading models is done once, not for each clip.
bool is_computed(const jobs::TaskProgress& at) {
  return !at.stage.empty() && at.stage != jobs::kQueued && at.stage != "load" &&
         jobs::takes_slot(at.stage);
}

std::uint32_t less(std::uint32_t from, std::uint32_t part) { return from - std::min(from, part); }

std::uint32_t encodes_before_videos(const jobs::JobSummary& summary) {
  return less(summary.tasks.total(), summary.videos.total());
}

}  // namespace

void TimeLeft::see(const JobView& view, Instant now) {
  if (!last_ || job_ != view.summary.number) {
    begin(view);
  } else {
    charge(to_seconds(now - *last_));
  }
  last_ = now;
  note(view);
  count(view);
}

void TimeLeft::begin(const JobView& view) {
  *this = TimeLeft();
  job_ = view.summary.number;
  const auto& summary = view.summary;
  videos_.not_counted = summary.videos.ended();
  encodes_.not_counted =
      std::min(less(summary.tasks.ended(), summary.videos.ended()), encodes_before_videos(summary));
  for (const auto& task : view.running) running_[task.spec.id].joined = is_computed(task.progress);
}

// What the tasks computed since the last look; a worker that computes several shares its time among
// them.
void TimeLeft::charge(double seconds) {
  std::map<std::string, int> computed;  // by worker
  for (const auto& [id, task] : running_) computed[task.worker] += task.computes ? 1 : 0;
  double busy = 0;
  for (const auto& [worker, tasks] : computed) busy += tasks > 0 ? 1 : 0;
  for (auto& [id, task] : running_) {
    if (!task.computes) continue;
    const double part = seconds / computed.at(task.worker);
    task.spent += part;
    if (!task.joined) (task.ends_video ? videos_ : encodes_).spent += part;
  }
  if (busy > 0 && !busy_workers_) busy_workers_ = busy;
  if (!busy_workers_) return;
  const double memory =
      std::max(kShortestMemorySeconds, cost(false).value_or(0) + cost(true).value_or(0));
  *busy_workers_ += (1 - std::exp(-seconds / memory)) * (busy - *busy_workers_);
}

// A step that has just ended tells what steps cost.
void TimeLeft::note_steps(const jobs::TaskProgress& at, Running& task) {
  if (!task.before_steps) {
    task.before_steps = task.spent;
    task.first_step = task.last_step = at.step;
  }
  if (at.step <= task.last_step) return;
  task.last_step = at.step;
  const double each = (task.spent - *task.before_steps) / (at.step - task.first_step);
  task.whole = *task.before_steps + each * (at.steps - task.first_step);
}

void TimeLeft::note(const JobView& view) {
  const bool only_videos = encodes_before_videos(view.summary) == 0;
  for (auto& [id, task] : running_) task.seen = false;
  for (const auto& info : view.running) {
    Running& task = running_[info.spec.id];
    if (task.attempt != info.attempt && task.attempt != 0) task = Running();
    task.seen = true;
    task.attempt = info.attempt;
    task.worker = info.worker;
    task.ends_video = only_videos || info.spec.kind == jobs::TaskKind::kDecodeVideo;
    task.computes = is_computed(info.progress);
    if (info.progress.steps == 0 || !task.computes) continue;
    note_steps(info.progress, task);
  }
  for (auto task = running_.begin(); task != running_.end();) {
    if (task->second.seen) {
      ++task;
      continue;
    }
    if (task->second.joined) ++(task->second.ends_video ? videos_ : encodes_).not_counted;
    task = running_.erase(task);
  }
}

void TimeLeft::count(const JobView& view) {
  const auto& [videos, tasks] = std::tie(view.summary.videos, view.summary.tasks);
  videos_.open = videos.total() - videos.ended();
  videos_.ended = less(videos.ended(), videos_.not_counted);
  const std::uint32_t encodes = encodes_before_videos(view.summary);
  const std::uint32_t ended = std::min(less(tasks.ended(), videos.ended()), encodes);
  encodes_.open = encodes - ended;
  encodes_.ended = less(ended, encodes_.not_counted);
}

std::uint32_t TimeLeft::running_of(bool ends_video) const {
  return static_cast<std::uint32_t>(
      std::count_if(running_.begin(), running_.end(),
                    [&](const auto& task) { return task.second.ends_video == ends_video; }));
}

// Of one task: what those came to that ended; before that, what the steps of those that run
// foretell.
std::optional<double> TimeLeft::cost(bool ends_video) const {
  const Kind& kind = ends_video ? videos_ : encodes_;
  double of_open = 0;
  double foretold = 0;
  int foretelling = 0;
  for (const auto& [id, task] : running_) {
    if (task.ends_video != ends_video || task.joined) continue;
    of_open += task.spent;
    foretold += task.whole.value_or(0);
    foretelling += task.whole ? 1 : 0;
  }
  if (kind.ended > 0) return std::max(0.0, kind.spent - of_open) / kind.ended;
  if (foretelling > 0) return foretold / foretelling;
  return std::nullopt;
}

std::optional<double> TimeLeft::seconds() const {
  const auto encode = encodes_.open > 0 ? cost(false) : std::optional(cost(false).value_or(0));
  if (!encode || !busy_workers_ || *busy_workers_ < kFewestWorkers) return std::nullopt;
  auto video = cost(true);
  if (!video && *encode > 0) video = kGuessedDecodeShare * *encode;
  if (!video) return std::nullopt;
  const std::uint32_t encodes_waiting = less(encodes_.open, running_of(false));
  const std::uint32_t videos_waiting = less(videos_.open, running_of(true));
  double work = encodes_waiting * *encode + videos_waiting * *video;
  double longest = encodes_waiting > 0 ? *encode + *video : videos_waiting > 0 ? *video : 0;
  for (const auto& [id, task] : running_) {
    const double each = task.ends_video ? *video : *encode;
    const double left = task.whole ? std::max(0.0, *task.whole - task.spent)
                                   : std::max(each - task.spent, kLeastShareLeft * each);
    work += left;
    longest = std::max(longest, left + (task.ends_video ? 0 : *video));
  }
  return std::max(work / *busy_workers_, longest);
}

}  // namespace mimicfleet::coordinator
