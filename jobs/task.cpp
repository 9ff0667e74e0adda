#include "jobs/task.h"

#include <array>
#include <utility>

namespace mimicfleet::jobs {
namespace {

constexpr std::array<std::pair<TaskKind, std::string_view>, 2> kKinds = {
    {{TaskKind::kEncodeLatents, "encode_latents"}, {TaskKind::kDecodeVideo, "decode_video"}}};
constexpr std::array<std::pair<TaskState, std::string_view>, 6> kStates = {
    {{TaskState::kWaiting, "waiting"},
     {TaskState::kReady, "ready"},
     {TaskState::kRunning, "running"},
     {TaskState::kDone, "done"},
     {TaskState::kFailed, "failed"},
     {TaskState::kCancelled, "cancelled"}}};

}  // namespace

std::string_view to_string(TaskKind kind) { return kKinds[static_cast<std::size_t>(kind)].second; }
std::string_view to_string(TaskState state) {
  return kStates[static_cast<std::size_t>(state)].second;
}

std::optional<TaskKind> enum_from(std::string_view name, TaskKind*) {
  for (const auto& [kind, candidate] : kKinds) {
    if (candidate == name) return kind;
  }
  return std::nullopt;
}

std::optional<TaskState> enum_from(std::string_view name, TaskState*) {
  for (const auto& [state, candidate] : kStates) {
    if (candidate == name) return state;
  }
  return std::nullopt;
}

}  // namespace mimicfleet::jobs
