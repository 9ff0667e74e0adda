#include "coordinator/scheduler/placement.h"

#include <algorithm>

namespace mimicfleet::coordinator {
namespace {

// How far beyond the first ready task one looks for a better match.
constexpr int kLookAhead = 256;

// What fetching latents from another worker costs.
constexpr double kFetchSeconds = 0.05;
constexpr double kFetchBytesPerSecond = 100e6;
// Less than this is not worth waiting for.
constexpr double kWorthWaiting = 0.1;
// What more workers have is no reason to prefer one.
constexpr std::size_t kRare = 16;
// So many tasks that wait for other workers are passed over.
constexpr int kPassedOver = 256;

const std::set<WorkerId>& replicas_of(const State& state, const TaskId& need) {
  static const std::set<WorkerId> kNobody;
  const auto& latents = state.tasks.at(need).result.latents;
  const auto replicas = latents ? state.replicas.find(latents->content) : state.replicas.end();
  return replicas == state.replicas.end() ? kNobody : replicas->second;
}

double fetch_seconds(const jobs::ArtefactRef& latents) {
  return kFetchSeconds + static_cast<double>(latents.size_bytes) / kFetchBytesPerSecond;
}

// Calls `visit(worker, seconds)` for each thing that the task needs and each worker that has it,
// with what it costs others to make or fetch it.
template <typename Visit>
void each_held(const State& state, const Task& task, Visit visit) {
  for (const std::uint64_t tag : task.wants) {
    const auto& replicas = state.affinity.replicas(tag);
    if (replicas.size() > kRare) continue;
    double seconds = 0;
    for (const auto& [worker, made_seconds] : replicas) seconds = std::max(seconds, made_seconds);
    for (const auto& [worker, made_seconds] : replicas) visit(worker, seconds);
  }
  for (const TaskId& need : task.spec.needs) {
    for (const WorkerId& worker : replicas_of(state, need)) {
      visit(worker, fetch_seconds(*state.tasks.at(need).result.latents));
    }
  }
}

// What each worker that has something would save, beside one that has nothing. Short.
std::vector<Place> places_of(const State& state, const Task& task) {
  std::vector<Place> places;
  each_held(state, task, [&](WorkerId replica, double seconds) {
    const auto known = std::find_if(places.begin(), places.end(),
                                    [&](const Place& place) { return place.worker == replica; });
    if (known != places.end()) {
      known->worth_seconds += seconds;
    } else {
      places.push_back({replica, seconds});
    }
  });
  return places;
}

double worth_to(const std::vector<Place>& places, WorkerId worker) {
  for (const auto& place : places) {
    if (place.worker == worker) return place.worth_seconds;
  }
  return 0;
}

Place best_of(const std::vector<Place>& places, const State& state, const Task& task) {
  Place best;
  for (const auto& place : places) {
    if (place.worth_seconds <= best.worth_seconds || task.failed_on == place.worker) continue;
    const auto worker = state.workers.find(place.worker);
    if (worker == state.workers.end() || !misfit(worker->second, task).empty()) continue;
    if (reservation(state, worker->second, task).empty()) best = place;
  }
  return best;
}

bool inputs_held(const State& state, const Task& task) {
  return std::all_of(task.spec.needs.begin(), task.spec.needs.end(), [&](const TaskId& need) {
    return is_available(state, state.tasks.at(need), task);
  });
}

}  // namespace

const jobs::ArtefactRef* held_latents(const State& state, const Digest& key,
                                      const jobs::NumericsClass* numerics) {
  const auto made = state.made.find(key);
  if (made == state.made.end()) return nullptr;
  for (const auto& artefact : made->second) {
    const bool fits = numerics == nullptr || artefact.numerics == *numerics;
    if (fits && state.replicas.contains(artefact.content)) return &artefact;
  }
  return nullptr;
}

std::uint32_t free_slots(const Worker& worker) {
  if (worker.state != jobs::WorkerState::kReady || worker.drain || worker.stop) return 0;
  const auto held = static_cast<std::uint32_t>(worker.leases.size() - worker.ending.size());
  return worker.slots > held ? worker.slots - held : 0;
}

Place best_place(const State& state, const Task& task) {
  return best_of(places_of(state, task), state, task);
}

namespace {

// When a task may go to a worker that would lose `loss` seconds by it.
Instant open_to(const State& state, const Task& task, double loss) {
  if (loss < kWorthWaiting) return task.ready_since;
  return task.ready_since +
         std::min(from_seconds(state.config.affinity * loss), state.config.affinity_at_most);
}

bool may_start(const State& state, const Worker& worker, const Task& task, Instant now) {
  if (task.not_before > now) return false;
  if (now < state.replicas_known_at && !inputs_held(state, task)) return false;
  return is_eligible(state, worker, task);
}

// Goes over candidates and keeps the one that it is best for the worker to start.
struct Search {
  const State& state;
  const Worker& worker;
  Instant now;
  std::optional<ReadyOrder> best;
  double best_gain = 0;
  int passed_over = 0;

  // False when no further candidate need be looked at.
  bool look_at(const ReadyOrder& order) {
    if (best && !best->same_group(order)) return order < *best;
    const Task& task = state.tasks.at(order.task);
    if (!may_start(state, worker, task, now)) return true;
    if (state.config.affinity == 0) {
      best = order;
      return false;
    }
    const auto places = places_of(state, task);
    const double most = best_of(places, state, task).worth_seconds;
    const double own = worth_to(places, worker.hello.worker);
    if (open_to(state, task, most - own) > now) return ++passed_over < kPassedOver;
    // What this worker saves, less what the best other worker would save.
    const double gain = own - (most - own);
    if (!best || gain > best_gain) {
      best = order;
      best_gain = gain;
    }
    return true;
  }

  void look_through(const std::set<ReadyOrder>& candidates) {
    int looked = 0;
    for (const auto& order : candidates) {
      if (++looked > kLookAhead && best) return;
      if (!look_at(order)) return;
    }
  }
};

}  // namespace

Instant open_to(const State& state, const Worker& worker, const Task& task) {
  const auto places = places_of(state, task);
  return open_to(
      state, task,
      best_of(places, state, task).worth_seconds - worth_to(places, worker.hello.worker));
}

std::optional<TaskId> next_task(const State& state, const Worker& worker, Instant now) {
  Search search{state, worker, now, std::nullopt};
  search.look_through(state.ready);
  // What it holds may lie far behind the others of the same group.
  if (state.config.affinity != 0) search.look_through(state.affinity.near(worker.hello.worker));
  if (!search.best) return std::nullopt;
  return search.best->task;
}

}  // namespace mimicfleet::coordinator
