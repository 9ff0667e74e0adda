#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "coordinator/client/job_follower.h"
#include "coordinator/client/time_left.h"

namespace mimicfleet::coordinator {

// The share of a job's work that is done, 0 to 1: an encode counts most of a clip, and what runs
// counts by its stage and step.
[[nodiscard]] double fraction_done(const JobView& view);

// "3:05", "1:02:03".
[[nodiscard]] std::string clock_text(double seconds);

// The lines of a progress display of `columns` columns: a bar with counts, rate and time left, then
// what runs. `seconds`: since the job was first seen, `fraction_then` of it being done at that
// time. `left`: a better estimate of the time left than the share of the work that is done gives;
// null: that one.
[[nodiscard]] std::vector<std::string> progress_lines(const JobView& view, double seconds,
                                                      double fraction_then, std::size_t columns,
                                                      const TimeLeft* left = nullptr);

// The same in one line, for logs: without the bar and what runs.
[[nodiscard]] std::string progress_line(const JobView& view, double seconds, double fraction_then,
                                        const TimeLeft* left = nullptr);

// Draws progress on a terminal, in place; on anything else it writes a line now and then.
class ProgressDisplay {
 public:
  ProgressDisplay(std::FILE* out, bool terminal) : out_(out), terminal_(terminal) {}
  ~ProgressDisplay() { clear(); }
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void show(const JobView& view, Instant now);  // another job has a clock of its own
  void note(const std::string& line);           // one line for the moment, on terminals only
  void clear();                                 // removes what is drawn

 private:
  void draw(const std::vector<std::string>& lines);

  std::FILE* out_;
  bool terminal_;
  std::size_t drawn_ = 0;  // lines on the terminal
  std::optional<Instant> first_;
  std::uint64_t job_ = 0;  // the number of the one shown
  double fraction_then_ = 0;
  TimeLeft left_;
  std::optional<Instant> last_line_;
};

// True if stderr is a terminal that can move its cursor.
[[nodiscard]] bool stderr_is_terminal();

}  // namespace mimicfleet::coordinator
