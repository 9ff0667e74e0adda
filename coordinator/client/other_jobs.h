#pragma once

#include <string>

#include "common/status.h"
#include "coordinator/client/connection.h"
#include "coordinator/client/planner.h"

namespace mimicfleet::coordinator {

// kFailedPrecondition if a job of the server that has not ended is to write videos of `output_dir` (as the
// plan's outputs have it) that this plan would write, too: names the job, how many and which, and how to
// follow or cancel it.
[[nodiscard]] Status check_no_other_job_writes(Connection& connection, const RunPlan& plan,
                                               const std::string& output_dir);

}  // namespace mimicfleet::coordinator
