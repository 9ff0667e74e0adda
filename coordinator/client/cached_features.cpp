#include "coordinator/client/cached_features.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "common/files/list_folder.h"
#include "common/files/read_text.h"
#include "jobs/keys.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

using Held = std::unordered_map<std::uint64_t, double>;  // tag -> what making it cost

constexpr std::size_t kMaxHeldBytes = 16 << 20;

jobs::FeatureKeys keys_of(const jobs::ClipPlan& clip, const RunPlan& plan) {
  return jobs::feature_keys(jobs::as_read(clip.video), jobs::as_read(clip.reference),
                            plan.models.set, clip.parameters);
}

std::unordered_set<std::uint64_t> wanted_by(const RunPlan& plan,
                                            const jobs::FeaturePolicy& policy) {
  std::unordered_set<std::uint64_t> wanted;
  for (const auto& clip : plan.clips) {
    if (clip.reason.empty()) continue;
    const auto keys = keys_of(clip.plan, plan);
    for (const auto kind : jobs::kFeatureKinds) {
      if (policy.takes(kind)) wanted.insert(jobs::feature_tag(keys.of(kind)));
    }
  }
  return wanted;
}

void note(const Held& held, const jobs::FeaturePolicy& policy, RunPlan& plan) {
  CachedFeatures cached;
  for (const std::uint64_t tag : wanted_by(plan, policy)) {
    ++cached.wanted;
    cached.held += held.contains(tag) ? 1 : 0;
  }
  for (auto& clip : plan.clips) {
    if (clip.reason.empty()) continue;
    const auto keys = keys_of(clip.plan, plan);
    for (const auto kind : jobs::kFeatureKinds) {
      const auto found = held.find(jobs::feature_tag(keys.of(kind)));
      if (!policy.takes(kind) || found == held.end()) continue;
      clip.cached.emplace_back(to_string(kind));
      cached.worth_seconds += found->second;
    }
  }
  plan.cached = cached;
}

// Lines of a tag in 16 hexadecimal digits and its seconds; others are passed over.
void read_held(const std::string& text, Held& held) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::uint64_t tag = 0;
    double seconds = 0;
    const char* const end = line.data() + line.size();
    const auto [rest, bad_tag] = std::from_chars(line.data(), end, tag, 16);
    if (bad_tag != std::errc() || rest == end || *rest != ' ') continue;
    if (std::from_chars(rest + 1, end, seconds).ec == std::errc()) held[tag] = seconds;
  }
}

}  // namespace

Status note_cached_features(Connection& connection, const jobs::FeaturePolicy& policy,
                            RunPlan& plan) {
  const auto wanted = wanted_by(plan, policy);
  const std::vector<std::uint64_t> tags(wanted.begin(), wanted.end());
  Held held;
  for (std::size_t begin = 0; begin < tags.size(); begin += jobs::FeatureQuery::kTagsPerRequest) {
    const auto end = std::min(tags.size(), begin + jobs::FeatureQuery::kTagsPerRequest);
    jobs::FeatureQuery query;
    query.tags.assign(tags.begin() + static_cast<std::ptrdiff_t>(begin),
                      tags.begin() + static_cast<std::ptrdiff_t>(end));
    ASSIGN_OR_RETURN(const auto answer, connection.call<jobs::FeatureHolders>(query));
    for (const auto& feature : answer.held) held[feature.tag] = feature.made_seconds;
  }
  note(held, policy, plan);
  return {};
}

void note_cached_features(const std::string& directory, const jobs::FeaturePolicy& policy,
                          RunPlan& plan) {
  Held held;
  bool known = false;
  const auto folders = list_folder(directory);
  if (!folders.ok()) return;  // there is none yet
  for (const auto& folder : *folders) {
    const auto text = read_text((folder.path() / "held").string(), kMaxHeldBytes);
    if (!text.ok()) continue;
    known = true;
    read_held(*text, held);
  }
  if (known) note(held, policy, plan);
}

}  // namespace mimicfleet::coordinator
