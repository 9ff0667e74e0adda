#pragma once

#include <map>
#include <string>

#include "monitoring/metrics.h"

namespace mimicfleet::monitoring {

// Space of the disks that these folders are on: label `folder` -> path. A folder that is not made
// yet counts as the nearest one above it that is; one whose disk does not answer is left out. Read
// every ten seconds in the background: a disk that hangs keeps no scrape waiting.
void add_disk_metrics(Metrics& metrics, const std::map<std::string, std::string>& folders);

}  // namespace mimicfleet::monitoring
