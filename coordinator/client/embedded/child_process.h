#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/files/unique_fd.h"
#include "common/status.h"

namespace mimicfleet::coordinator {

// A program that we started, in a process group of its own (Ctrl-C in the terminal does not reach
// it). It gets SIGTERM when we die. Destroying this kills what is left of the group.
class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> command;  // the program's path first
    std::string log_path;              // gets stdout and stderr, at its end
    int pass_fd = -1;                  // becomes descriptor kPassedFd; borrowed
  };
  static constexpr int kPassedFd = 3;

  // kNotFound if there is no such program.
  [[nodiscard]] static Result<ChildProcess> start(const Options& options);

  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running();  // reaps it when it has ended
  // "exited with 1", "was killed by signal 9 (Killed)"; of an ended child.
  [[nodiscard]] std::string end_text() const;
  [[nodiscard]] std::optional<int> exit_code() const;  // none if a signal ended it

  void signal_group(int signal) const;
  // Waits for its end, at most `patience`. True if it has ended.
  bool wait_for(std::chrono::milliseconds patience);

 private:
  ChildProcess() = default;
  void kill_and_reap();

  pid_t pid_ = -1;
  std::optional<int> status_;  // as waitpid says, once it has ended
  UniqueFd process_;           // readable when it has ended
};

// The text of the last line of a log that has level error, or its last line; empty if there is
// none.
[[nodiscard]] std::string last_error_in(const std::string& log_path);

}  // namespace mimicfleet::coordinator
