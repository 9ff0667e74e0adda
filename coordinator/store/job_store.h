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
// A commit is on the disk before it returns. A file beside the database remembers how far it had
// come, so that a database that lost its tail, or was restored from a copy, is noticed instead of
// silently forgetting jobs.
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
