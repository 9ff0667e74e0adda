#include "coordinator/client/summary.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "common/log.h"
#include "coordinator/client/progress.h"

namespace mimicfleet::coordinator {
namespace {

// In the order in which a clip goes through them.
constexpr std::array<std::string_view, 10> kStages = {"load",       "preprocess", "draw",    "clip",
                                                      "vae_encode", "pose_net",   "denoise", "transfer",
                                                      "vae_decode", "mux"};
constexpr std::array<std::string_view, 5> kStates = {"done", "skipped", "pending", "failed", "cancelled"};
constexpr std::size_t kListedClips = 50;

std::string videos_line(const RunSummary& summary) {
  std::string line;
  for (const auto state : kStates) {
    const auto count = summary.videos.find(std::string(state));
    if (count == summary.videos.end() || count->second == 0) continue;
    const std::string_view text = state == "skipped"   ? "already there"
                                  : state == "pending" ? "not made"
                                                       : state;
    line += fmt::format("{}{} {}", line.empty() ? "" : ", ", count->second, text);
  }
  return line.empty() ? "none" : line;
}

void add_stages(fmt::memory_buffer& out, const jobs::Ledger& ledger) {
  if (ledger.stages.empty()) return;
  fmt::format_to(std::back_inserter(out), "\n{:<12}{:>10}{:>10}{:>10}\n", "stage", "cold s", "warm s",
                 "saved s");
  const auto line = [&](std::string_view name, const jobs::StageSeconds& stage) {
    fmt::format_to(std::back_inserter(out), "{:<12}{:>10.2f}{:>10.2f}{:>10.2f}\n", name, stage.cold_seconds,
                   stage.warm_seconds, stage.saved_seconds);
  };
  for (const auto name : kStages) {
    const auto stage = ledger.stages.find(std::string(name));
    if (stage != ledger.stages.end()) line(name, stage->second);
  }
  for (const auto& [name, stage] : ledger.stages) {
    if (std::find(kStages.begin(), kStages.end(), name) == kStages.end()) line(log::printable(name), stage);
  }
  line("all", ledger.total());
}

void add_features(fmt::memory_buffer& out, const jobs::Ledger& ledger) {
  if (ledger.features.empty()) return;
  fmt::format_to(std::back_inserter(out), "\n{:<22}{:>8}{:>8}{:>8}\n", "feature", "hits", "misses",
                 "damaged");
  for (const jobs::FeatureKind kind : jobs::kFeatureKinds) {
    const auto counts = ledger.features.find(std::string(to_string(kind)));
    if (counts == ledger.features.end()) continue;
    const auto count = [&](jobs::FeatureOutcome outcome) {
      const auto found = counts->second.find(std::string(to_string(outcome)));
      return found == counts->second.end() ? 0U : found->second;
    };
    using enum jobs::FeatureOutcome;
    fmt::format_to(std::back_inserter(out), "{:<22}{:>8}{:>8}{:>8}\n", to_string(kind), count(kHit),
                   count(kMiss) + count(kUnasked), count(kDamaged));
  }
}

void add_problems(fmt::memory_buffer& out, const RunSummary& summary) {
  std::size_t listed = 0;
  std::size_t problems = 0;
  for (const auto& clip : summary.clips) {
    if (clip.error.empty() && clip.warnings.empty()) continue;
    ++problems;
    if (listed == kListedClips) continue;
    ++listed;
    if (!clip.error.empty()) {
      fmt::format_to(std::back_inserter(out), "{} {}: {}\n", clip.state, log::printable(clip.name),
                     log::printable(clip.error));
    }
    for (const auto& warning : clip.warnings) {
      fmt::format_to(std::back_inserter(out), "warning {}: {}\n", log::printable(clip.name),
                     log::printable(warning));
    }
  }
  if (problems > listed) {
    fmt::format_to(std::back_inserter(out), "… and {} more; all are in summary.json\n", problems - listed);
  }
}

}  // namespace

bool RunSummary::all_done() const {
  return std::all_of(clips.begin(), clips.end(),
                     [](const ClipOutcome& clip) { return clip.state == "done" || clip.state == "skipped"; });
}

SummaryBuilder::SummaryBuilder(const RunPlan& plan, const std::string& output_dir) {
  summary.program = "mimicfleet " MIMICFLEET_VERSION;
  summary.output_dir = output_dir;
  summary.models = plan.models.set.name;
  summary.models_id = plan.models.set.id.hex();
  summary.notice = plan.notice;
  for (const auto& clip : plan.clips) {
    ClipOutcome outcome;
    outcome.name = clip.plan.output.relative;
    outcome.video = clip.plan.video.path;
    outcome.state = clip.reason.empty() ? "skipped" : "pending";
    outcome.reason = clip.reason;
    outcome.cached = clip.cached;
    place_[outcome.name] = summary.clips.size();
    summary.clips.push_back(std::move(outcome));
  }
  for (const auto& clip : plan.refused) {
    ClipOutcome outcome;
    outcome.name = clip.relative;
    outcome.video = clip.path;
    outcome.state = "failed";
    outcome.error = clip.error.message();
    summary.clips.push_back(std::move(outcome));
  }
}

void SummaryBuilder::add(const jobs::TaskInfo& task) {
  summary.ledger.add(task.result);
  const auto place = place_.find(task.spec.name);
  if (place == place_.end()) return;
  ClipOutcome& clip = summary.clips[place->second];
  clip.seconds += task.run_seconds;
  clip.attempts += task.attempt;
  clip.warnings.insert(clip.warnings.end(), task.result.warnings.begin(), task.result.warnings.end());
  if (task.state == jobs::TaskState::kFailed && clip.error.empty()) clip.error = task.error.message();
  if (task.spec.kind == jobs::TaskKind::kEncodeLatents) {
    clip.encode_worker = task.worker;
    return;
  }
  clip.decode_worker = task.worker;
  clip.frames = task.result.frames;
  if (jobs::is_terminal(task.state)) clip.state = to_string(task.state);
}

RunSummary SummaryBuilder::finish(double seconds) {
  summary.seconds = seconds;
  for (const auto state : kStates) summary.videos[std::string(state)] = 0;
  for (const auto& clip : summary.clips) {
    ++summary.videos[clip.state];
    summary.frames += clip.frames;
  }
  return std::move(summary);
}

std::string ledger_table(const jobs::Ledger& ledger) {
  fmt::memory_buffer out;
  add_stages(out, ledger);
  add_features(out, ledger);
  return fmt::to_string(out);
}

std::string summary_table(const RunSummary& summary) {
  fmt::memory_buffer out;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "videos      {}\n", videos_line(summary));
  if (summary.frames > 0) fmt::format_to(to, "frames      {}\n", summary.frames);
  fmt::format_to(to, "time        {}\n", clock_text(summary.seconds));
  fmt::format_to(to, "models      {}\n", log::printable(summary.models));
  fmt::format_to(to, "outputs     {}\n", log::printable(summary.output_dir));
  if (!summary.notice.empty()) fmt::format_to(to, "note        {}\n", log::printable(summary.notice));
  fmt::format_to(to, "{}", ledger_table(summary.ledger));
  add_problems(out, summary);
  return fmt::to_string(out);
}

std::string plan_table(const RunPlan& plan) {
  fmt::memory_buffer out;
  auto to = std::back_inserter(out);
  std::size_t listed = 0;
  for (const auto& clip : plan.clips) {
    if (clip.reason.empty() || ++listed > kListedClips) continue;
    fmt::format_to(to, "make    {} ({}{})\n", log::printable(clip.plan.output.relative), clip.reason,
                   clip.cached.empty() ? "" : fmt::format("; cached: {}", fmt::join(clip.cached, ", ")));
  }
  if (listed > kListedClips) fmt::format_to(to, "…       and {} more\n", listed - kListedClips);
  for (const auto& clip : plan.refused) {
    fmt::format_to(to, "cannot  {}: {}\n", log::printable(clip.relative),
                   log::printable(clip.error.message()));
  }
  fmt::format_to(to, "{} to make, {} already there, {} cannot be made; models {}\n", plan.to_run(),
                 plan.clips.size() - plan.to_run(), plan.refused.size(),
                 log::printable(plan.models.set.name));
  if (plan.cached && plan.cached->wanted > 0) {
    fmt::format_to(to, "features   {} of {} are in workers' caches, which may save {:.1f} s\n",
                   plan.cached->held, plan.cached->wanted, plan.cached->worth_seconds);
  }
  if (const auto seconds = plan.seconds_per_clip(); seconds && plan.to_run() > 0) {
    fmt::format_to(to, "about {} of one worker's time, going by the clips that are there\n",
                   clock_text(*seconds * static_cast<double>(plan.to_run())));
  }
  return fmt::to_string(out);
}

}  // namespace mimicfleet::coordinator
