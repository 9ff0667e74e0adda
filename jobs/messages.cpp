#include "jobs/messages.h"

#include <array>
#include <utility>

namespace mimicfleet::jobs {
namespace {

constexpr std::array<std::pair<WorkerState, std::string_view>, 4> kStates = {
    {{WorkerState::kLoading, "loading"},
     {WorkerState::kReady, "ready"},
     {WorkerState::kDraining, "draining"},
     {WorkerState::kLost, "lost"}}};

}  // namespace

std::string_view to_string(WorkerState state) {
  return kStates[static_cast<std::size_t>(state)].second;
}

std::optional<WorkerState> enum_from(std::string_view name, WorkerState*) {
  for (const auto& [state, candidate] : kStates) {
    if (candidate == name) return state;
  }
  return std::nullopt;
}

}  // namespace mimicfleet::jobs
