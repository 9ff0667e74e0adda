#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/scheduler/state.h"

namespace mimicfleet::coordinator {

// The coordinator's durable memory (RocksDB): jobs, tasks and the event log. docs/protocol.md,
// "What is stored".
//
// A commit is on the disk before commit() returns. The file `mark` beside the database has the
// epoch and the newest event: open() refuses a database that knows less (it lost its tail, or is an
// old copy), since jobs would be missing.
//
// Owns: the database and its lock, until it is destroyed. Threads: none of its own but RocksDB's;
// all methods are called on the server's thread. Failure: a failed commit changes nothing, and may
// be repeated.
class JobStore {
 public:
  struct Contents {
    std::vector<Job> jobs;
    std::vector<Task> tasks;
    std::uint64_t last_sequence = 0;  // of the event log
  };

  // Creates or opens the folder (0700) and starts the next epoch. kFailedPrecondition: another
  // coordinator has it open, or it went back in time; kCorruption: damaged records.
  [[nodiscard]] static Result<std::unique_ptr<JobStore>> open(const std::string& directory);
  ~JobStore();

  [[nodiscard]] std::uint64_t epoch() const;
  [[nodiscard]] Result<Contents> load() const;

  // All or nothing, synced. kResourceExhausted when the disk is full: the same again is right once
  // there is space.
  [[nodiscard]] Status commit(const std::vector<const Job*>& jobs,
                              const std::vector<const Task*>& tasks,
                              const std::vector<jobs::Event>& events);

  // Events with a sequence above `after`, oldest first, at most `count`.
  [[nodiscard]] Result<std::vector<jobs::Event>> events(std::uint64_t after,
                                                        std::size_t count) const;

 private:
  struct Impl;
  explicit JobStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimicfleet::coordinator
