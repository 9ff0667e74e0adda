#include "coordinator/client/server_abilities.h"

#include <fmt/format.h>

#include "common/log.h"
#include "jobs/abilities.h"

namespace mimicfleet::coordinator {

Status server_knows_settings(const jobs::ServerInfo& server, const std::string& endpoint,
                             const RunPlan& plan) {
  for (const auto& clip : plan.clips) {
    const std::string lacking = jobs::lacking_ability(server.abilities, clip.plan.parameters,
                                                      clip.plan.video, clip.plan.reference);
    if (clip.reason.empty() || lacking.empty()) continue;
    return {
        StatusCode::kFailedPrecondition,
        fmt::format(
            "{}: the server there is of an older version ({}) and does not know {}: stop it and "
            "start one of this version, or give --server embedded",
            endpoint, log::printable(server.version), lacking)};
  }
  return {};
}

}  // namespace mimicfleet::coordinator
