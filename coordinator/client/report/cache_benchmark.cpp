#include "coordinator/client/report/cache_benchmark.h"

#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "common/log.h"
#include "jobs/computations.h"
#include "jobs/stages.h"

namespace mimicfleet::coordinator {
namespace {

double* part_of(BenchmarkPass& pass, const std::string& stage) {
  const jobs::StageFacts* facts = jobs::find_stage(stage);
  if (facts == nullptr) return nullptr;
  if (facts->stage == jobs::Stage::kPreprocess) return &pass.preprocess_seconds;
  if (facts->stage == jobs::Stage::kDraw) return &pass.draw_seconds;
  return facts->uses_models ? &pass.pipeline_seconds : nullptr;
}

template <NamedEnum Enum>
std::string text(Enum value) {
  return std::string(to_string(value));
}

double ratio(double cold, double warm) { return warm > 0 ? cold / warm : 0; }

std::uint32_t count_of(const std::map<std::string, std::uint32_t>& counts,
                       const std::string& name) {
  const auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

// "3 of 3"
std::string hits_text(const jobs::Ledger& ledger, const std::string& kind) {
  const auto found = ledger.features.find(kind);
  if (found == ledger.features.end()) return "-";
  std::uint32_t all = 0;
  for (const auto& [outcome, times] : found->second) all += times;
  return fmt::format("{} of {}", count_of(found->second, text(jobs::FeatureOutcome::kHit)), all);
}

void add_seconds(fmt::memory_buffer& out, const CacheBenchmark& benchmark) {
  fmt::format_to(std::back_inserter(out), "{:<20}{:>12}{:>12}{:>10}\n", "", "cold s", "warm s",
                 "speed-up");
  const auto line = [&](std::string_view name, double cold, double warm) {
    fmt::format_to(std::back_inserter(out), "{:<20}{:>12.3f}{:>12.3f}{:>9.1f}x\n", name, cold, warm,
                   ratio(cold, warm));
  };
  const BenchmarkPass& cold = benchmark.cold;
  const BenchmarkPass& warm = benchmark.warm;
  line(to_string(jobs::Stage::kPreprocess), cold.preprocess_seconds, warm.preprocess_seconds);
  line("draw poses", cold.draw_seconds, warm.draw_seconds);
  line("pipeline", cold.pipeline_seconds, warm.pipeline_seconds);
  line("total", cold.total_seconds, warm.total_seconds);
  fmt::format_to(std::back_inserter(out),
                 "(loading the models, once: {:.3f} s, not in the total)\n",
                 cold.load_seconds + warm.load_seconds);
}

void add_counts(fmt::memory_buffer& out, const CacheBenchmark& benchmark) {
  const auto line = [&](const std::string& name, const std::string& cold, const std::string& warm) {
    fmt::format_to(std::back_inserter(out), "{:<20}{:>12}{:>12}\n", name, cold, warm);
  };
  line("\nhits", " cold", "warm");
  for (const jobs::FeatureKind kind : jobs::kFeatureKinds) {
    const std::string name(to_string(kind));
    line(name, hits_text(benchmark.cold.ledger, name), hits_text(benchmark.warm.ledger, name));
  }
  line("\ncomputed", " cold", "warm");
  for (const auto& [computation, name] : enum_names(jobs::Computation{})) {
    const std::string what(name);
    line(what, fmt::format("{}", count_of(benchmark.cold.ledger.calls, what)),
         fmt::format("{}", count_of(benchmark.warm.ledger.calls, what)));
  }
}

}  // namespace

void BenchmarkPass::add(const std::string& clip, const jobs::TaskInfo& task) {
  ledger.add(task.result);
  for (const auto& timing : task.result.stages) {
    if (jobs::is_stage(timing.stage, jobs::Stage::kLoad)) {
      load_seconds += timing.seconds;
      continue;
    }
    total_seconds += timing.seconds;
    if (double* part = part_of(*this, timing.stage)) *part += timing.seconds;
  }
  if (task.state == jobs::TaskState::kFailed) errors[clip] = task.error.message();
  if (task.result.video) outputs[clip] = task.result.video->digest.hex();
}

void CacheBenchmark::compare() {
  speed_up = {
      {text(jobs::Stage::kPreprocess), ratio(cold.preprocess_seconds, warm.preprocess_seconds)},
      {text(jobs::Stage::kDraw), ratio(cold.draw_seconds, warm.draw_seconds)},
      {"pipeline", ratio(cold.pipeline_seconds, warm.pipeline_seconds)},
      {"total", ratio(cold.total_seconds, warm.total_seconds)}};
  different.clear();
  for (const auto& [clip, digest] : cold.outputs) {
    const auto other = warm.outputs.find(clip);
    if (other != warm.outputs.end() && other->second != digest) different.push_back(clip);
  }
  same_outputs = complete() && different.empty();
}

bool CacheBenchmark::complete() const {
  return cold.errors.empty() && warm.errors.empty() && !cold.outputs.empty() &&
         cold.outputs.size() == warm.outputs.size();
}

std::string benchmark_table(const CacheBenchmark& benchmark) {
  fmt::memory_buffer out;
  add_seconds(out, benchmark);
  add_counts(out, benchmark);
  const auto to = std::back_inserter(out);
  if (benchmark.same_outputs) {
    fmt::format_to(to, "\noutputs     {} videos, byte-identical in both passes\n",
                   benchmark.cold.outputs.size());
  }
  for (const auto& clip : benchmark.different) {
    fmt::format_to(to, "\ndifferent   {}: its two videos are not equal", log::printable(clip));
  }
  for (const auto* pass : {&benchmark.cold, &benchmark.warm}) {
    for (const auto& [clip, error] : pass->errors) {
      fmt::format_to(to, "\nfailed      {}: {}", log::printable(clip), log::printable(error));
    }
  }
  if (!benchmark.same_outputs) fmt::format_to(to, "\n");
  return fmt::to_string(out);
}

}  // namespace mimicfleet::coordinator
