#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

// Real programs for end-to-end tests: started, watched, killed.
namespace mimicfleet::e2e {

using Seconds = std::chrono::duration<double>;

struct Outcome {
  int exit_code = -1;  // 128 + signal when killed by one
  std::string out;
  std::string err;
  double seconds = 0;
};

// A child process whose output goes to files; killed when it goes out of scope.
class Process {
 public:
  Process(std::vector<std::string> command, const std::string& scratch_folder,
          std::vector<std::string> environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] int pid() const { return pid_; }
  void signal(int number) const;
  // Waits for the end; the process is killed when `limit` passes (exit code 137).
  Outcome wait(Seconds limit = Seconds(300));
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;

 private:
  int pid_ = -1;
  bool reaped_ = false;
  Outcome outcome_;
  std::chrono::steady_clock::time_point started_;
  std::string out_path_;
  std::string err_path_;
};

// Polls until the condition holds; false after `limit`.
bool eventually(const std::function<bool()>& condition, Seconds limit = Seconds(60));

}  // namespace mimicfleet::e2e
