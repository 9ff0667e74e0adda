#include "coordinator/client/time_left.h"

#include <algorithm>
#include <deque>
#include <vector>

#include <gtest/gtest.h>

namespace mimicfleet::coordinator {
namespace {

// Seconds of the parts of a clip, as records have them.
struct Clip {
  double preprocess = 1;
  double denoise = 10;
  double decode = 2;
};

// A job on workers as ours: one encode before each decode, decodes first, the next task waiting at
// the worker.
class Simulation {
 public:
  static constexpr int kSteps = 25;
  static constexpr double kLook = 0.1;

  Simulation(std::vector<Clip> clips, std::size_t workers, double load_seconds)
      : clips_(std::move(clips)) {
    for (std::size_t i = 0; i < clips_.size(); ++i) encodes_.push_back(i);
    workers_.resize(workers);
    for (auto& worker : workers_) worker.load_left = load_seconds;
    for (std::size_t i = 0; i < clips_.size(); ++i)
      ids_.push_back({new_id<jobs::TaskId>(), new_id<jobs::TaskId>()});
  }

  void advance(double seconds) {
    time_ += seconds;
    for (auto& worker : workers_) work(worker, seconds);
  }
  [[nodiscard]] bool over() const { return decoded_ == clips_.size(); }
  [[nodiscard]] double time() const { return time_; }
  [[nodiscard]] std::size_t decoded() const { return decoded_; }
  [[nodiscard]] Instant now() const {
    return Instant{} + std::chrono::hours(1) + from_seconds(time_);
  }

  [[nodiscard]] JobView view() const {
    JobView view;
    view.summary.number = 1;
    const auto clips = static_cast<std::uint32_t>(clips_.size());
    const auto running = static_cast<std::uint32_t>(std::count_if(
        workers_.begin(), workers_.end(), [](const Worker& worker) { return worker.busy; }));
    view.summary.videos.done = static_cast<std::uint32_t>(decoded_);
    view.summary.videos.waiting = clips - view.summary.videos.done;
    view.summary.tasks.done = static_cast<std::uint32_t>(decoded_ + encoded_);
    view.summary.tasks.running = running;
    view.summary.tasks.waiting = 2 * clips - running - view.summary.tasks.done;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      if (workers_[i].busy) view.running.push_back(info(workers_[i], i));
    }
    return view;
  }

 private:
  struct Worker {
    double load_left = 0;
    bool busy = false;
    bool decodes = false;
    std::size_t clip = 0;
    double spent = 0;
  };

  void work(Worker& worker, double seconds) {
    while (seconds > 0) {
      if (!worker.busy && !take(worker)) return;
      if (worker.load_left > 0) {
        const double part = std::min(seconds, worker.load_left);
        worker.load_left -= part;
        seconds -= part;
        continue;
      }
      const Clip& clip = clips_[worker.clip];
      const double whole = worker.decodes ? clip.decode : clip.preprocess + clip.denoise;
      const double part = std::min(seconds, whole - worker.spent);
      worker.spent += part;
      seconds -= part;
      if (worker.spent < whole - 1e-9) continue;
      worker.busy = false;
      if (worker.decodes) {
        ++decoded_;
      } else {
        ++encoded_;
        decodes_.push_back(worker.clip);
      }
    }
  }
  bool take(Worker& worker) {
    auto& queue = decodes_.empty() ? encodes_ : decodes_;
    if (queue.empty()) return false;
    worker.decodes = &queue == &decodes_;
    worker.clip = queue.front();
    queue.pop_front();
    worker.busy = true;
    worker.spent = 0;
    return true;
  }
  [[nodiscard]] jobs::TaskInfo info(const Worker& worker, std::size_t index) const {
    jobs::TaskInfo task;
    task.state = jobs::TaskState::kRunning;
    task.attempt = 1;
    task.worker = "worker-" + std::to_string(index);
    task.spec.kind = worker.decodes ? jobs::TaskKind::kDecodeVideo : jobs::TaskKind::kEncodeLatents;
    task.spec.id = worker.decodes ? ids_[worker.clip].second : ids_[worker.clip].first;
    const Clip& clip = clips_[worker.clip];
    if (worker.load_left > 0) {
      task.progress.stage = "load";
    } else if (worker.decodes) {
      task.progress.stage = "vae_decode";
      task.progress.steps = 9;
      task.progress.step = static_cast<int>(9 * worker.spent / clip.decode);
    } else if (worker.spent < clip.preprocess) {
      task.progress.stage = "preprocess";
    } else {
      task.progress.stage = "denoise";
      task.progress.steps = kSteps;
      task.progress.step =
          static_cast<int>(kSteps * (worker.spent - clip.preprocess) / clip.denoise);
    }
    return task;
  }

  std::vector<Clip> clips_;
  std::vector<Worker> workers_;
  std::vector<std::pair<jobs::TaskId, jobs::TaskId>> ids_;  // encode and decode of each clip
  std::deque<std::size_t> encodes_;
  std::deque<std::size_t> decodes_;
  std::size_t encoded_ = 0;
  std::size_t decoded_ = 0;
  double time_ = 0;
};

// From the first clip that is seen to be finished to the end, but for what is about a second.
// `watch_from`: when somebody begins to look at the job; of the clips that run then, `joined` at
// most, too little is seen.
void expect_within_factor_two(Simulation simulation, double watch_from = 0,
                              std::size_t joined = 0) {
  std::vector<std::pair<double, std::optional<double>>> estimates;
  TimeLeft left;
  std::optional<std::size_t> at_first;
  while (!simulation.over()) {
    simulation.advance(Simulation::kLook);
    if (simulation.time() < watch_from) continue;
    if (!at_first) at_first = simulation.decoded();
    left.see(simulation.view(), simulation.now());
    if (simulation.decoded() > *at_first + joined)
      estimates.emplace_back(simulation.time(), left.seconds());
  }
  const double end = simulation.time();
  ASSERT_FALSE(estimates.empty());
  for (const auto& [time, seconds] : estimates) {
    if (end - time < 1.5) break;
    ASSERT_TRUE(seconds) << "after " << time << " s of " << end;
    EXPECT_LE(*seconds, 2 * (end - time)) << "after " << time << " s of " << end;
    EXPECT_GE(*seconds, (end - time) / 2) << "after " << time << " s of " << end;
    if (::testing::Test::HasFailure()) return;
  }
}

std::vector<Clip> alike(std::size_t count, Clip clip) { return std::vector<Clip>(count, clip); }

// As on two busy CPU cores: most of a clip's time are its poses.
TEST(TimeLeft, OfAFewStepsOnACpuIsRightAfterTheFirstClip) {
  expect_within_factor_two(Simulation(alike(7, {45, 2.1, 7}), 1, 3));
}

TEST(TimeLeft, OfManyStepsOnACpuIsRightAfterTheFirstClip) {
  expect_within_factor_two(Simulation(alike(4, {45, 260, 20}), 1, 3));
}

TEST(TimeLeft, TheLoadingOfModelsIsNotExpectedAgain) {
  expect_within_factor_two(Simulation(alike(10, {0.5, 2.4, 1.3}), 1, 60));
}

TEST(TimeLeft, OfAFleetIsRightFromTheFirstClipToTheLast) {
  for (const std::size_t clips : {8, 9, 30, 200}) {
    SCOPED_TRACE(clips);
    expect_within_factor_two(Simulation(alike(clips, {1, 30, 6}), 8, 20));
  }
}

TEST(TimeLeft, ClipsOfDifferentLengthAverageOut) {
  std::vector<Clip> clips;
  for (int i = 0; i < 24; ++i) {
    const double length = 0.6 + 0.1 * ((i * 7) % 9);
    clips.push_back({4 * length, 20 * length, 5 * length});
  }
  expect_within_factor_two(Simulation(clips, 3, 10));
}

TEST(TimeLeft, WhoBeginsToLookInTheMiddleLearnsItToo) {
  expect_within_factor_two(Simulation(alike(20, {3, 20, 5}), 2, 10), 95, 2);
}

TEST(TimeLeft, NothingIsSaidBeforeThereIsAnythingToGoBy) {
  Simulation simulation(alike(4, {5, 50, 5}), 1, 20);
  TimeLeft left;
  while (simulation.time() < 24) {
    simulation.advance(Simulation::kLook);
    left.see(simulation.view(), simulation.now());
    ASSERT_FALSE(left.seconds()) << *left.seconds();
  }
  while (simulation.time() < 40) {
    simulation.advance(Simulation::kLook);
    left.see(simulation.view(), simulation.now());
  }
  EXPECT_TRUE(left.seconds()) << "a few steps tell what an encode comes to";
}

TEST(TimeLeft, AnotherJobBeginsAnew) {
  Simulation simulation(alike(2, {1, 10, 1}), 1, 0);
  TimeLeft left;
  while (!simulation.over()) {
    simulation.advance(Simulation::kLook);
    left.see(simulation.view(), simulation.now());
  }
  JobView other = Simulation(alike(2, {1, 10, 1}), 1, 0).view();
  other.summary.number = 2;
  left.see(other, simulation.now());
  EXPECT_FALSE(left.seconds());
}

}  // namespace
}  // namespace mimicfleet::coordinator
