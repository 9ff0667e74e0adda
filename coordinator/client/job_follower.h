#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/client/connection.h"

namespace mimicfleet::coordinator {

// Sends a job in parts of at most JobSubmit::kClipsPerPart clips or segments (one film may exceed
// that); once more from the beginning when the coordinator is started again in between. It becomes
// one job.
[[nodiscard]] Result<jobs::JobAccepted> submit_job(Connection& connection,
                                                   const jobs::JobPlan& plan);

// How a job stands now.
struct JobView {
  jobs::JobSummary summary;
  std::vector<jobs::TaskInfo> running;
  std::string waits_for;  // while nothing runs: what the first unfinished task waits for
  bool stuck = false;     // nothing runs, and nobody who is there can do what is left
};

[[nodiscard]] Result<JobView> view_job(Connection& connection, std::uint64_t number);

// Whether all that is left of the job are videos whose frames are all decoded.
[[nodiscard]] bool ends_soon(const JobView& view);

enum class Which { kAll, kUnfinished };

// Tasks of a job, page by page, in the order of the plan.
[[nodiscard]] Status each_task(Connection& connection, JobId job,
                               const std::function<void(const jobs::TaskInfo&)>& use,
                               Which which = Which::kAll);

// Events after `last`, which moves on; of one job, or of all if it is nil.
[[nodiscard]] Status each_event(Connection& connection, JobId job, std::uint64_t& last,
                                const std::function<void(const jobs::Event&)>& use);

}  // namespace mimicfleet::coordinator
