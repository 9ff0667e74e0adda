#pragma once

#include "coordinator/client/connection.h"
#include "coordinator/client/planner.h"

namespace mimicfleet::coordinator {

// Which features of the clips that have to run workers hold already, noted in the plan. Hints:
// which worker takes a clip is not known yet.

// Asks the server which features of the clips that have to run its workers hold.
[[nodiscard]] Status note_cached_features(Connection& connection, const jobs::FeaturePolicy& policy,
                                          RunPlan& plan);

// Reads what the workers of earlier embedded runs left below the feature cache's directory
// (docs/cache_format.md).
void note_cached_features(const std::string& directory, const jobs::FeaturePolicy& policy,
                          RunPlan& plan);

}  // namespace mimicfleet::coordinator
