#include "worker/service_report.h"

#include <fmt/format.h>

namespace mimicfleet::worker {
namespace {

std::string line_of(const agent::Session& session, const std::string& not_ready) {
  const auto tasks = session.tasks();
  const std::string work =
      tasks == 0 ? "idle" : fmt::format("{} task{}", tasks, tasks == 1 ? "" : "s");
  return not_ready.empty() ? work : fmt::format("{}; {}", not_ready, work);
}

}  // namespace

std::string why_not_ready(const agent::Session& session) {
  if (session.is_leaving()) return "leaving";
  if (!session.is_connected()) return "the coordinator does not answer";
  switch (session.state()) {
    case jobs::WorkerState::kLoading:
      return "loading models";
    case jobs::WorkerState::kDraining:
      return "finishing what runs before it leaves";
    default:
      return {};
  }
}

void ServiceReport::observe(const agent::Session& session) {
  health_.turned();
  manager_.turned();
  std::string not_ready = why_not_ready(session);
  manager_.status(line_of(session, not_ready));
  if (session.is_leaving() || session.state() == jobs::WorkerState::kDraining) manager_.stopping();
  health_.set_not_ready(std::move(not_ready));
}

}  // namespace mimicfleet::worker
