#include <fmt/format.h>

#include "common/files/atomic_file.h"
#include "common/json/json.h"
#include "common/log.h"
#include "coordinator/cli/exit_code.h"
#include "coordinator/cli/submit_run.h"

// `submit --benchmark-cache`: every clip twice on the same workers, into folders of their own.
namespace mimicfleet::coordinator {
namespace {

constexpr std::string_view kFolder = "_benchmark/";

}  // namespace

// One pass: a job of its own, whose clips go to `_benchmark/NAME/`.
Status SubmitRun::run_pass(const std::string& name, const jobs::FeaturePolicy& features,
                           BenchmarkPass& pass) {
  const std::string prefix = fmt::format("{}{}/", kFolder, name);
  jobs::JobPlan job = job_plan();
  job.name += fmt::format(" ({})", name);
  job.features = features;
  for (auto& clip : job.clips) clip.output.relative = prefix + clip.output.relative;
  ASSIGN_OR_RETURN(job_, submit_job(*connection_, job));
  ended_tasks_ = 0;
  display_.note(fmt::format("{} pass:", name));
  RETURN_IF_ERROR(follow());
  return each_task(*connection_, job_.job, [&](const jobs::TaskInfo& task) {
    pass.add(task.spec.name.substr(prefix.size()), task);
  });
}

Status SubmitRun::run_benchmark() {
  jobs::FeaturePolicy features = options_.request.features;
  features.use = features.refresh = true;
  RETURN_IF_ERROR(run_pass("cold", features, benchmark_.cold));
  features.refresh = false;
  RETURN_IF_ERROR(run_pass("warm", features, benchmark_.warm));
  benchmark_.compare();
  return {};
}

int SubmitRun::finish_benchmark(const Status& outcome) {
  stop_cluster(outcome.ok());
  display_.clear();
  if (!outcome.ok()) return report(outcome);
  const Status saved =
      write_file_atomically(folder_->run_folder() + "/benchmark.json", json::write(benchmark_));
  if (!saved.ok()) log::warn("{}", log::printable(saved.message()));
  fmt::print("{}", options_.json ? json::write(benchmark_) : benchmark_table(benchmark_));
  return benchmark_.same_outputs ? kAllDone : kSomeFailed;
}

}  // namespace mimicfleet::coordinator
