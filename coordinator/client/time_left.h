#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/clock.h"
#include "coordinator/client/job_follower.h"

namespace mimicfleet::coordinator {

// Estimates how long a job goes on, from looks at it. It learns what an encode and a decode cost
// (workers' time, without the loading of models) and how many workers are busy with the job. What
// is left is then the larger of two: the work that is left, shared among these workers, and the
// longest way from an unfinished task to its video. Once a first clip is done the estimate is
// within a factor of two, if clips are alike.
class TimeLeft {
 public:
  // Looks in the order of time; another job begins anew.
  void see(const JobView& view, Instant now);

  // Nothing while there is nothing to go by.
  [[nodiscard]] std::optional<double> seconds() const;

 private:
  struct Running {
    std::string worker;
    std::uint32_t attempt = 0;
    bool ends_video = false;
    bool computes = false;  // at the last look
    bool seen = false;      // at the last look
    bool joined = false;    // it computed before the first look
    double spent = 0;
    // From the first look at its steps on.
    std::optional<double> before_steps;  // of what it spent
    int first_step = 0;
    int last_step = 0;
    std::optional<double> whole;  // what it comes to, by its steps
  };
  // Of a kind of tasks: those that end a video, and the encodes before them.
  struct Kind {
    double spent = 0;               // by workers, on all tasks of the kind but joined ones
    std::uint32_t ended = 0;        // since the first look, without joined ones
    std::uint32_t open = 0;         // not ended
    std::uint32_t not_counted = 0;  // had ended at the first look, or were joined
  };

  void begin(const JobView& view);
  void charge(double seconds);
  void count(const JobView& view);
  void note(const JobView& view);
  static void note_steps(const jobs::TaskProgress& at, Running& task);
  [[nodiscard]] std::optional<double> cost(bool ends_video) const;
  [[nodiscard]] std::uint32_t running_of(bool ends_video) const;

  std::uint64_t job_ = 0;
  std::optional<Instant> last_;
  Kind encodes_;
  Kind videos_;
  std::map<jobs::TaskId, Running> running_;
  std::optional<double> busy_workers_;  // of late, on average
};

}  // namespace mimicfleet::coordinator
