#pragma once

#include <string>

#include "common/status.h"
#include "coordinator/client/connection.h"
#include "coordinator/client/planner.h"

namespace mimicfleet::coordinator {

// kFailedPrecondition if a job of the server that has not ended is to write videos of `output_dir`
// (as the plan's outputs have it) that this plan would write, too: names the job, how many and
// which, and how to follow or cancel it.
//
// `server`: as the user named it, for these commands; empty if nobody did. A job that is submitted
// in the same moment is not seen.
[[nodiscard]] Status check_no_other_job_writes(Connection& connection, const RunPlan& plan,
                                               const std::string& output_dir,
                                               const std::string& server);

}  // namespace mimicfleet::coordinator
