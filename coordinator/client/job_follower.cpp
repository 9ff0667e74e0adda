#include "coordinator/client/job_follower.h"

#include <algorithm>

#include <fmt/format.h>

#include "jobs/stages.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::uint32_t kShownTasks =
    64;  // of the first unfinished ones: those that run are among them
constexpr std::uint32_t kPage = 500;
constexpr std::chrono::milliseconds kSubmitPatience{60'000};
constexpr int kSubmissions = 5;

// One attempt at handing a job over. The last part goes under `request` whenever it is sent: if it
// was stored before the coordinator ended, the next one knows it again. `lost`: the coordinator
// knows nothing of the parts before.
Result<jobs::JobAccepted> hand_over(Connection& connection, const jobs::JobPlan& plan,
                                    RequestId request, bool& lost) {
  jobs::JobAccepted accepted;
  std::size_t clip = 0;
  std::size_t film = 0;
  do {
    jobs::JobSubmit part;
    part.job = accepted.job;
    part.plan.name = plan.name;
    part.plan.models = plan.models;
    part.plan.priority = plan.priority;
    part.plan.features = plan.features;
    for (std::size_t size = 0; clip < plan.clips.size() && size < jobs::JobSubmit::kClipsPerPart;
         ++size) {
      part.plan.clips.push_back(plan.clips[clip++]);
    }
    for (std::size_t size = part.plan.clips.size();
         film < plan.films.size() && size < jobs::JobSubmit::kClipsPerPart; ++film) {
      size += plan.films[film].parts.size() + 1;
      part.plan.films.push_back(plan.films[film]);
    }
    part.last = clip == plan.clips.size() && film == plan.films.size();
    const RequestId id = part.last ? request : new_id<RequestId>();
    auto answer = connection.call<jobs::JobAccepted>(part, kSubmitPatience, id);
    lost = !part.job.is_nil() && answer.status().code() == StatusCode::kNotFound;
    ASSIGN_OR_RETURN(accepted, std::move(answer));
  } while (clip < plan.clips.size() || film < plan.films.size());
  return accepted;
}

}  // namespace

Result<jobs::JobAccepted> submit_job(Connection& connection, const jobs::JobPlan& plan) {
  const auto request = new_id<RequestId>();
  for (int i = 0; i < kSubmissions; ++i) {
    bool lost = false;
    auto accepted = hand_over(connection, plan, request, lost);
    if (!lost) return accepted;
  }
  return Status(
      StatusCode::kUnavailable,
      fmt::format("{}: the coordinator lost parts of the job {} times while they were handed over; "
                  "see its log, and submit again",
                  connection.endpoint(), kSubmissions));
}

Result<JobView> view_job(Connection& connection, std::uint64_t number) {
  JobView view;
  ASSIGN_OR_RETURN(const auto list,
                   connection.call<jobs::JobList>(jobs::JobListRequest{fmt::format("{}", number)}));
  if (list.jobs.empty()) {
    return Status(StatusCode::kNotFound,
                  fmt::format("job {} is not there; see `coordinator job list`", number));
  }
  view.summary = list.jobs.front();
  jobs::TaskListRequest request;
  request.job = view.summary.job;
  request.count = kShownTasks;
  request.only_unfinished = true;
  ASSIGN_OR_RETURN(const auto tasks, connection.call<jobs::TaskList>(request));
  for (const auto& task : tasks.tasks) {
    if (task.state == jobs::TaskState::kRunning) view.running.push_back(task);
  }
  if (view.running.empty() && !tasks.tasks.empty()) {
    view.waits_for = tasks.tasks.front().why;
    view.stuck = std::all_of(tasks.tasks.begin(), tasks.tasks.end(),
                             [](const auto& task) { return task.stuck; });
  }
  return view;
}

bool ends_soon(const JobView& view) {
  const auto& tasks = view.summary.tasks;
  if (view.running.empty() || tasks.ended() + view.running.size() != tasks.total()) return false;
  return std::all_of(view.running.begin(), view.running.end(), [](const jobs::TaskInfo& task) {
    const auto& at = task.progress;
    const bool decoded = at.steps > 0 && at.step == at.steps;
    return task.spec.kind == jobs::TaskKind::kDecodeVideo &&
           (decoded || !jobs::takes_slot(at.stage));
  });
}

Status each_task(Connection& connection, JobId job,
                 const std::function<void(const jobs::TaskInfo&)>& use, Which which) {
  jobs::TaskListRequest request;
  request.only_unfinished = which == Which::kUnfinished;
  request.job = job;
  request.count = kPage;
  for (;;) {
    ASSIGN_OR_RETURN(const auto page, connection.call<jobs::TaskList>(request));
    for (const auto& task : page.tasks) use(task);
    request.first += static_cast<std::uint32_t>(page.tasks.size());
    if (page.tasks.empty() || request.first >= page.total) return {};
  }
}

Status each_event(Connection& connection, JobId job, std::uint64_t& last,
                  const std::function<void(const jobs::Event&)>& use) {
  for (;;) {
    ASSIGN_OR_RETURN(const auto page,
                     connection.call<jobs::Events>(jobs::EventsRequest{job, last, kPage}));
    for (const auto& event : page.events) use(event);
    if (page.last <= last) return {};
    last = page.last;
  }
}

}  // namespace mimicfleet::coordinator
