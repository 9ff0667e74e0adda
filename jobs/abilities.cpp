#include "jobs/abilities.h"

#include <algorithm>
#include <string_view>

#include "jobs/settings.h"

namespace mimicfleet::jobs {
namespace {

constexpr const char* kGuidanceInterval = "guidance_interval";
constexpr const char* kLcmConstants = "lcm_constants";
constexpr const char* kReadings = "readings";  // FileRef::reading

bool lacks(std::span<const std::string> abilities, std::string_view ability) {
  return std::find(abilities.begin(), abilities.end(), ability) == abilities.end();
}

bool has_lcm_constants(const Parameters& parameters) {
  return parameters.scheduler == SchedulerKind::kLcm && parameters.lcm != LcmConstants();
}

}  // namespace

std::vector<std::string> known_abilities(bool fp8) {
  std::vector<std::string> abilities = {kGuidanceInterval, kLcmConstants, kReadings};
  for (const auto& setting : settings()) {
    if (setting.is_newer) abilities.emplace_back(setting.name);
  }
  if (fp8) abilities.emplace_back(kFp8);
  return abilities;
}

std::string lacking_ability(std::span<const std::string> abilities, const Parameters& parameters) {
  const bool everywhere = parameters.guidance_interval == GuidanceInterval();
  if (!everywhere && lacks(abilities, kGuidanceInterval)) return "--guidance-interval";
  if (has_lcm_constants(parameters) && lacks(abilities, kLcmConstants)) {
    return "other constants of the lcm scheduler (--scheduler-sigma-max and others)";
  }
  for (const auto& setting : settings()) {
    if (!setting.is_newer || setting.is_default(parameters)) continue;
    if (lacks(abilities, setting.name)) return setting.shown();
  }
  if (parameters.fp8 && lacks(abilities, kFp8)) return "--fp8";
  return "";
}

std::string lacking_ability(std::span<const std::string> abilities, const Parameters& parameters,
                            const FileRef& video, const FileRef& reference) {
  const bool as_original = video.reading.empty() && reference.reading.empty();
  if (!as_original && lacks(abilities, kReadings)) return "--compat viewer";
  return lacking_ability(abilities, parameters);
}

}  // namespace mimicfleet::jobs
