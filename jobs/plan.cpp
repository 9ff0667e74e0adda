#include "jobs/plan.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "jobs/keys.h"

namespace mimicfleet::jobs {
namespace {

// Outputs that differ only by case are one file on some file systems.
std::string folded(const std::string& path) {
  std::string lower = path;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

TaskSpec encode_task(const JobPlan& plan, const ClipPlan& clip, JobId job) {
  TaskSpec task;
  task.id = new_id<TaskId>();
  task.job = job;
  task.kind = TaskKind::kEncodeLatents;
  task.name = clip.output.relative;
  task.key = latents_key(clip.video.digest, clip.reference.digest, plan.models, clip.parameters);
  task.model_set = plan.models.id;
  task.parameters = clip.parameters;
  task.video = clip.video;
  task.reference = clip.reference;
  task.output = clip.output;
  task.provenance = clip.provenance;
  task.priority = plan.priority;
  task.features = plan.features;
  return task;
}

TaskSpec decode_task(const JobPlan& plan, const TaskSpec& encode) {
  TaskSpec task = encode;
  task.id = new_id<TaskId>();
  task.kind = TaskKind::kDecodeVideo;
  task.key = video_key({encode.key}, plan.models, encode.parameters);
  task.needs = {encode.id};
  return task;
}

}  // namespace

bool is_safe_relative(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string::npos) return false;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part(path.data() + start, end - start);
    if (part.empty() || part == "." || part == "..") return false;
    start = end + 1;
  }
  return true;
}

Result<std::vector<TaskSpec>> make_tasks(const JobPlan& plan, JobId job) {
  std::vector<TaskSpec> tasks;
  tasks.reserve(plan.clips.size() * 2);
  std::map<std::string, const ClipPlan*> by_output;
  for (const auto& clip : plan.clips) {
    if (Status bad = validate(clip.parameters); !bad.ok()) return bad.prefixed(clip.video.path);
    if (!is_safe_relative(clip.output.relative)) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("{}: output path '{}' is not below the output folder", clip.video.path,
                                clip.output.relative));
    }
    const auto [place, inserted] = by_output.emplace(folded(clip.output.relative), &clip);
    if (!inserted) {
      return Status(
          StatusCode::kInvalidArgument,
          fmt::format("{} and {} would both be written to {}.mp4: rename one of them or give them outputs of "
                      "their own in a manifest",
                      place->second->video.path, clip.video.path, clip.output.relative));
    }
    tasks.push_back(encode_task(plan, clip, job));
    tasks.push_back(decode_task(plan, tasks.back()));
  }
  return tasks;
}

std::vector<std::size_t> shard_positions(std::size_t count, std::size_t index, std::size_t shards) {
  CHECK(shards > 0 && index >= 1 && index <= shards);
  std::vector<std::size_t> positions;
  for (std::size_t position = index - 1; position < count; position += shards) positions.push_back(position);
  return positions;
}

}  // namespace mimicfleet::jobs
