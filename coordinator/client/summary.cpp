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
constexpr std::array<std::string_view, 10> kStages = {
    "load",     "preprocess", "draw",     "clip",       "vae_encode",
    "pose_net", "denoise",    "transfer", "vae_decode", "mux"};
constexpr std::array<std::string_view, 5> kStates = {"done", "skipped", "pending", "failed",
                                                     "cancelled"};
constexpr std::string_view kUnknown = "unknown";
constexpr std::size_t kListedClips = 50;

std::string states_line(const std::map<std::string, std::uint32_t>& states) {
  std::string line;
  const auto add = [&](std::string_view state, std::string_view text) {
    const auto count = states.find(std::string(state));
    if (count == states.end() || count->second == 0) return;
    line += fmt::format("{}{} {}", line.empty() ? "" : ", ", count->second, text);
  };
  for (const auto state : kStates) {
    add(state, state == "skipped" ? "already there" : state == "pending" ? "not made" : state);
  }
  add(kUnknown, "of which it is not known what became of them");
  return line.empty() ? "none" : line;
}

void add_stages(fmt::memory_buffer& out, const jobs::Ledger& ledger) {
  if (ledger.stages.empty()) return;
  fmt::format_to(std::back_inserter(out), "\n{:<12}{:>10}{:>10}{:>10}\n", "stage", "cold s",
                 "warm s", "saved s");
  const auto line = [&](std::string_view name, const jobs::StageSeconds& stage) {
    fmt::format_to(std::back_inserter(out), "{:<12}{:>10.2f}{:>10.2f}{:>10.2f}\n", name,
                   stage.cold_seconds, stage.warm_seconds, stage.saved_seconds);
  };
  for (const auto name : kStages) {
    const auto stage = ledger.stages.find(std::string(name));
    if (stage != ledger.stages.end()) line(name, stage->second);
  }
  for (const auto& [name, stage] : ledger.stages) {
    if (std::find(kStages.begin(), kStages.end(), name) == kStages.end())
      line(log::printable(name), stage);
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

// Lines that had to be left out of a long list.
class Listed {
 public:
  explicit Listed(fmt::memory_buffer& out) : out_(out) {}
  void add(std::string_view what, const std::string& name, const std::string& text) {
    if (++count_ > kListedClips) return;
    fmt::format_to(std::back_inserter(out_), "{} {}: {}\n", what, log::printable(name),
                   log::printable(text));
  }
  void finish(std::string_view what) {
    if (count_ <= kListedClips) return;
    fmt::format_to(std::back_inserter(out_), "… and {} more {}; all are in summary.json\n",
                   count_ - kListedClips, what);
  }

 private:
  fmt::memory_buffer& out_;
  std::size_t count_ = 0;
};

// Errors first: no number of warnings hides why a run failed.
void add_problems(fmt::memory_buffer& out, const RunSummary& summary) {
  Listed errors(out);
  for (const auto& clip : summary.clips) {
    if (!clip.error.empty()) errors.add(clip.state, clip.name, clip.error);
  }
  errors.finish("errors");
  Listed warnings(out);
  for (const auto& clip : summary.clips) {
    for (const auto& warning : clip.warnings) warnings.add("warning", clip.name, warning);
  }
  warnings.finish("warnings");
}

}  // namespace

bool RunSummary::all_done() const {
  return std::all_of(clips.begin(), clips.end(), [](const ClipOutcome& clip) {
    return clip.state == "done" || clip.state == "skipped";
  });
}

SummaryBuilder::SummaryBuilder(const RunPlan& plan, const std::string& output_dir) {
  summary.program = "mimicfleet " MIMICFLEET_VERSION;
  summary.output_dir = output_dir;
  summary.models = plan.models.set.name;
  summary.models_id = plan.models.set.id.hex();
  summary.preset = plan.preset;
  summary.notice = plan.notice;
  summary.left_out = plan.left_out;
  for (const auto& clip : plan.clips) {
    ClipOutcome& outcome = add_outcome(clip.plan.output.relative, clip.reason, false);
    outcome.kind = clip.plan.output.save_video ? "clip" : "latents";
    outcome.video = clip.plan.video.path;
    outcome.cached = clip.cached;
    outcome.warnings = clip.reason.empty() ? clip.warnings : clip.plan.warnings;
  }
  for (const auto& film : plan.films) {
    ClipOutcome& outcome = add_outcome(film.plan.output.relative, film.reason, true);
    outcome.kind = "film";
    if (film.reason.empty()) outcome.warnings = film.warnings;
  }
  for (const auto& clip : plan.refused) {
    ClipOutcome outcome;
    outcome.name = clip.relative;
    outcome.kind = "clip";
    outcome.video = clip.path;
    outcome.state = "failed";
    outcome.error = clip.error.message();
    summary.clips.push_back(std::move(outcome));
  }
}

ClipOutcome& SummaryBuilder::add_outcome(const std::string& name, const std::string& reason,
                                         bool is_film) {
  place_[{is_film, name}] = summary.clips.size();
  ClipOutcome& outcome = summary.clips.emplace_back();
  outcome.name = name;
  outcome.reason = reason;
  outcome.state = reason.empty() ? "skipped" : "pending";
  return outcome;
}

void SummaryBuilder::add(const jobs::TaskInfo& task) {
  summary.ledger.add(task.result);
  const auto place = place_.find({!task.spec.segments.empty(), task.spec.name});
  if (place == place_.end()) return;
  ClipOutcome& clip = summary.clips[place->second];
  clip.seconds += task.run_seconds;
  clip.attempts += task.attempt;
  for (const auto& warning : task.result.warnings) {
    const bool is_told =
        std::find(clip.warnings.begin(), clip.warnings.end(), warning) != clip.warnings.end();
    if (!is_told) clip.warnings.push_back(warning);
  }
  if (task.state == jobs::TaskState::kFailed && clip.error.empty())
    clip.error = task.error.message();
  const bool is_encode = task.spec.kind == jobs::TaskKind::kEncodeLatents;
  (is_encode ? clip.encode_worker : clip.decode_worker) = task.worker;
  if (is_encode && clip.kind != "latents") return;
  clip.frames = task.result.frames;
  if (jobs::is_terminal(task.state)) clip.state = to_string(task.state);
}

void SummaryBuilder::leave_open() {
  for (auto& clip : summary.clips) {
    if (clip.state == "pending") clip.state = kUnknown;
  }
}

RunSummary SummaryBuilder::finish(double seconds) {
  summary.seconds = seconds;
  for (const auto state : kStates) summary.videos[std::string(state)] = 0;
  for (const auto& clip : summary.clips) {
    const bool is_video = clip.kind != "latents";
    ++(is_video ? summary.videos : summary.latents)[clip.state];
    if (is_video) summary.frames += clip.frames;
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
  if (summary.latents.empty() || states_line(summary.videos) != "none") {
    fmt::format_to(to, "videos      {}\n", states_line(summary.videos));
  }
  if (!summary.latents.empty())
    fmt::format_to(to, "latents     {}\n", states_line(summary.latents));
  if (summary.frames > 0) fmt::format_to(to, "frames      {}\n", summary.frames);
  fmt::format_to(to, "time        {}\n", clock_text(summary.seconds));
  fmt::format_to(to, "models      {}\n", log::printable(summary.models));
  if (!summary.preset.empty()) fmt::format_to(to, "preset      {}\n", summary.preset);
  fmt::format_to(to, "outputs     {}\n", log::printable(summary.output_dir));
  if (!summary.notice.empty())
    fmt::format_to(to, "note        {}\n", log::printable(summary.notice));
  fmt::format_to(to, "{}", ledger_table(summary.ledger));
  add_problems(out, summary);
  for (const auto& sentence : summary.left_out) fmt::format_to(to, "left out {}\n", sentence);
  return fmt::to_string(out);
}

}  // namespace mimicfleet::coordinator
