#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/patience.h"

// Real programs for end-to-end tests: started, watched, killed.
namespace mimicfleet::e2e {

using Seconds = std::chrono::duration<double>;

// As kPatience, for a program that makes videos.
inline constexpr Seconds kProcessPatience{1200};

struct Outcome {
  int exit_code = -1;  // 128 + signal when killed by one
  std::string out;
  std::string err;
  double seconds = 0;
};

// A file system of the process's own: it hides what others see in this folder.
struct PrivateDisk {
  std::string folder;
  std::size_t bytes = 0;
};

// What a process finds around itself.
struct Surroundings {
  std::vector<std::string> environment = {};  // NAME=value, added to the test's own
  std::string folder = {};                    // it works in; empty: as the test
  std::vector<PrivateDisk> disks = {};        // only where can_make_disks()
  bool modes_bind = false;                    // a file's mode binds root, too
  bool ignores_hangup = false;                // as under nohup
};

// Gives this process, which has one thread, such disks. False where that is not allowed.
bool mount_disks(const std::vector<PrivateDisk>& disks);

// Whether this system lets a process have disks of its own (mount namespaces).
bool can_make_disks();

// A child process whose output goes to files; killed when it goes out of scope.
class Process {
 public:
  Process(std::vector<std::string> command, const std::string& scratch_folder,
          const Surroundings& surroundings = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] int pid() const { return pid_; }
  void signal(int number) const;
  // Waits for the end; the process is killed when `limit` passes (exit code 137).
  Outcome wait(Seconds limit = kProcessPatience);
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

// The processes whose command line has `mark` in it, by their id.
std::map<int, std::string> processes_with(const std::string& mark);

// Polls until the condition holds; false after `limit`.
bool eventually(const std::function<bool()>& condition, Seconds limit = kPatience);

}  // namespace mimicfleet::e2e
