#pragma once

#include <string>

#include "common/status.h"
#include "coordinator/client/planner.h"
#include "jobs/client_messages.h"

namespace mimicfleet::coordinator {

// kFailedPrecondition naming a setting of a clip that is to be made which the server, being older,
// would pass over: the video would be another one than was asked for.
[[nodiscard]] Status server_knows_settings(const jobs::ServerInfo& server,
                                           const std::string& endpoint, const RunPlan& plan);

}  // namespace mimicfleet::coordinator
