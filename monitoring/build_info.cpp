#include "monitoring/build_info.h"

namespace mimicfleet::monitoring {

void add_build_info(Metrics& metrics, const std::string& program, const std::string& version,
                    const Labels& further) {
  Labels labels = {
      {"program", program}, {"version", version}, {"revision", std::string(build_revision())}};
  labels.insert(further.begin(), further.end());
  metrics.gauge("mimicfleet_build_info", "What this program was built from; always 1", labels)
      .set(1);
}

}  // namespace mimicfleet::monitoring
