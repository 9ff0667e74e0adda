#include "coordinator/cli/json_output.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "common/json/json.h"
#include "jobs/record_json.h"

namespace mimicfleet::coordinator {
namespace {

wire::Map map_of(const wire::Value& value) { return *value.get_if<wire::Map>(); }

void remove(wire::Map& map, std::string_view name) {
  std::erase_if(map, [&](const auto& member) { return member.first == name; });
}

wire::Value& member(wire::Map& map, std::string_view name) {
  return std::find_if(map.begin(), map.end(), [&](const auto& one) { return one.first == name; })
      ->second;
}

wire::Value without(const wire::Value& value, std::initializer_list<std::string_view> names) {
  wire::Map map = map_of(value);
  for (const auto name : names) remove(map, name);
  return map;
}

wire::Map job_map(const jobs::JobSummary& job) {
  wire::Map map = map_of(wire::to_value(job));
  remove(map, "job");
  member(map, "submitted_wall_ms") = rfc3339(job.submitted_wall_ms);
  const auto submitted = std::find_if(
      map.begin(), map.end(), [](const auto& one) { return one.first == "submitted_wall_ms"; });
  submitted->first = "submitted_at";
  return map;
}

}  // namespace

std::string rfc3339(std::int64_t wall_ms) {
  if (wall_ms <= 0) return "";
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(wall_ms / 1000)), wall_ms % 1000);
}

wire::Value job_value(const jobs::JobSummary& job) { return job_map(job); }

wire::Value job_value(const jobs::JobSummary& job, const jobs::Ledger& ledger) {
  wire::Map map = job_map(job);
  map.emplace_back("ledger", wire::to_value(ledger));
  return map;
}

wire::Value task_value(const jobs::TaskInfo& task, std::uint64_t job) {
  wire::Map map = map_of(wire::to_value(task));
  member(map, "spec") = without(member(map, "spec"), {"job"});
  member(map, "progress") = without(member(map, "progress"), {"task", "attempt"});
  wire::Map all = {{"job", job}, {"task", to_string(task.spec.id)}, {"name", task.spec.name}};
  for (auto& one : map) all.push_back(std::move(one));
  return all;
}

wire::Value event_value(const jobs::Event& event) {
  wire::Map map = map_of(wire::to_value(event));
  remove(map, "wall_time_ms");
  if (event.task.empty()) member(map, "task_kind") = std::string();
  map.insert(map.begin() + 1, {"time", rfc3339(event.wall_time_ms)});
  return map;
}

std::string json_document(const wire::Value& value) {
  return json::to_text(jobs::with_exact_numbers(value), 2) + "\n";
}

std::string json_line(const wire::Value& value) {
  return json::to_text(jobs::with_exact_numbers(value), -1) + "\n";
}

}  // namespace mimicfleet::coordinator
