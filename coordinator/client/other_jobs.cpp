#include "coordinator/client/other_jobs.h"

#include <set>
#include <string>

#include <fmt/format.h>

#include "common/log.h"
#include "coordinator/client/job_follower.h"
#include "coordinator/client/replaced.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::size_t kNamed = 5;

}  // namespace

Status check_no_other_job_writes(Connection& connection, const RunPlan& plan,
                                 const std::string& output_dir, const std::string& server) {
  const auto videos = plan.videos_to_make();
  if (videos.empty()) return {};
  const std::set<std::string> outputs(videos.begin(), videos.end());
  ASSIGN_OR_RETURN(const auto list, connection.call<jobs::JobList>(jobs::JobListRequest{"all"}));
  for (const auto& job : list.jobs) {
    if (jobs::is_terminal(job.state) || job.output_dir != output_dir) continue;
    std::set<std::string> both;
    RETURN_IF_ERROR(each_task(
        connection, job.job,
        [&](const jobs::TaskInfo& task) {
          const std::string& name = task.spec.output.relative;
          if (task.spec.kind == jobs::TaskKind::kDecodeVideo && outputs.contains(name))
            both.insert(name);
        },
        Which::kUnfinished));
    if (both.empty()) continue;
    const std::string there = server.empty() ? "" : " --server " + server;
    return {
        StatusCode::kFailedPrecondition,
        fmt::format(
            "{0}: job {1} is making {2} of these videos there ({3}); follow it with `coordinator "
            "job progress {1}{4}`, or cancel it with `coordinator job cancel {1}{4}` and run again",
            log::printable(output_dir), job.number, both.size(),
            listed({both.begin(), both.end()}, kNamed), there)};
  }
  return {};
}

}  // namespace mimicfleet::coordinator
