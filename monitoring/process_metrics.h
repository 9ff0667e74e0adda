#pragma once

#include <vector>

#include <prometheus/metric_family.h>

namespace mimicfleet::monitoring {

// The customary process_* metrics, read from /proc/self.
[[nodiscard]] std::vector<prometheus::MetricFamily> process_metrics();

}  // namespace mimicfleet::monitoring
