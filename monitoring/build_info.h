#pragma once

#include <string>
#include <string_view>

#include "monitoring/metrics.h"

namespace mimicfleet::monitoring {

// The commit that this program was built from, `-dirty` if the files differed from it; `unknown`
// where it was not built in a git checkout.
[[nodiscard]] std::string_view build_revision();

// mimicfleet_build_info. `further` are labels beside program, version and revision.
void add_build_info(Metrics& metrics, const std::string& program, const std::string& version,
                    const Labels& further = {});

}  // namespace mimicfleet::monitoring
