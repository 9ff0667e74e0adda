#include "coordinator/client/replaced.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::size_t kNamed = 20;

// What they were made with, and whether they are videos or latents -> names, in order.
using Replaced = std::map<std::pair<std::string, bool>, std::vector<std::string>>;

Replaced replaced_by(const RunPlan& plan) {
  Replaced replaced;
  for (const auto& clip : plan.clips) {
    if (clip.reason.empty() || clip.replaces.empty()) continue;
    replaced[{clip.replaces, !clip.replaces_latents}].push_back(clip.plan.output.relative);
  }
  for (const auto& film : plan.films) {
    if (film.reason.empty() || film.replaces.empty()) continue;
    replaced[{film.replaces, true}].push_back(film.plan.output.relative);
  }
  return replaced;
}

}  // namespace

std::string listed(const std::vector<std::string>& names, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", log::printable(names[i]));
  }
  return names.size() > most ? fmt::format("{} and {} more", text, names.size() - most) : text;
}

Status check_foreign(const RunPlan& plan, const std::string& output_dir) {
  std::vector<std::string> files;
  const auto add = [&](const auto& planned) {
    for (const auto& item : planned)
      files.insert(files.end(), item.foreign.begin(), item.foreign.end());
  };
  add(plan.clips);
  add(plan.films);
  if (files.empty()) return {};
  const bool one = files.size() == 1;
  return {
      StatusCode::kFailedPrecondition,
      fmt::format(
          "{}: {} file{} there {} not made by mimicfleet ({}); give --overwrite to replace {}, or "
          "another --output-dir",
          log::printable(output_dir), files.size(), one ? "" : "s", one ? "was" : "were",
          listed(files, kNamed), one ? "it" : "them")};
}

Status check_replaced(const RunPlan& plan, const std::string& output_dir) {
  const Replaced replaced = replaced_by(plan);
  if (replaced.empty()) return {};
  std::string text;
  for (const auto& [made, names] : replaced) {
    const auto& [made_with, are_videos] = made;
    const bool one = names.size() == 1;
    const std::string what =
        are_videos ? fmt::format("{} video{}", names.size(), one ? "" : "s")
                   : fmt::format("latents of {} clip{}", names.size(), one ? "" : "s");
    text += fmt::format("{}{} there {} made with {} ({})", text.empty() ? "" : "; ", what,
                        are_videos && one ? "was" : "were", log::printable(made_with),
                        listed(names, kNamed));
  }
  return {StatusCode::kFailedPrecondition,
          fmt::format("{}: {}; give --overwrite to replace them, or another --output-dir",
                      log::printable(output_dir), text)};
}

}  // namespace mimicfleet::coordinator
