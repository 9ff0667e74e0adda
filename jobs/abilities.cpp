#include "jobs/abilities.h"

#include <algorithm>

namespace mimicfleet::jobs {
namespace {

constexpr const char* kGuidanceInterval = "guidance_interval";
constexpr const char* kLcmConstants = "lcm_constants";

bool has_lcm_constants(const Parameters& parameters) {
  return parameters.scheduler == SchedulerKind::kLcm && parameters.lcm != LcmConstants();
}

}  // namespace

std::vector<std::string> known_abilities(bool fp8) {
  std::vector<std::string> abilities = {kGuidanceInterval, kLcmConstants};
  if (fp8) abilities.emplace_back(kFp8);
  return abilities;
}

std::string lacking_ability(std::span<const std::string> abilities, const Parameters& parameters) {
  const auto lacks = [&](const char* ability) {
    return std::find(abilities.begin(), abilities.end(), ability) == abilities.end();
  };
  const bool everywhere = parameters.guidance_interval == GuidanceInterval();
  if (!everywhere && lacks(kGuidanceInterval)) return "--guidance-interval";
  if (has_lcm_constants(parameters) && lacks(kLcmConstants)) {
    return "other constants of the lcm scheduler (--scheduler-sigma-max and others)";
  }
  if (parameters.fp8 && lacks(kFp8)) return "--fp8";
  return "";
}

}  // namespace mimicfleet::jobs
