#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/client/planner.h"

namespace mimicfleet::coordinator {

// Names for people, separated by commas: the first `most`, and how many more there are.
[[nodiscard]] std::string listed(const std::vector<std::string>& names, std::size_t most);

// kFailedPrecondition if the run would replace what was made with another seed, image or model: how
// many, which, and what they were made with ("6 videos there were made with seed 42").
[[nodiscard]] Status check_replaced(const RunPlan& plan, const std::string& output_dir);

// kFailedPrecondition if the run would replace files that this program did not make: which.
[[nodiscard]] Status check_foreign(const RunPlan& plan, const std::string& output_dir);

}  // namespace mimicfleet::coordinator
