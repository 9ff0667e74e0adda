#include "jobs/plan.h"

#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>

#include "jobs/keys.h"

namespace mimicfleet::jobs {
namespace {

// Outputs that differ only by case are one file on some file systems.
std::string folded(const std::string& path) {
  std::string lower = path;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return lower;
}

TaskSpec encode_task(const JobPlan& plan, const ClipPlan& clip, JobId job) {
  TaskSpec task;
  task.id = new_id<TaskId>();
  task.job = job;
  task.kind = TaskKind::kEncodeLatents;
  task.name = clip.output.relative;
  task.key =
      latents_key(as_read(clip.video), as_read(clip.reference), plan.models, clip.parameters);
  task.model_set = plan.models.id;
  task.parameters = clip.parameters;
  task.video = clip.video;
  task.reference = clip.reference;
  task.output = clip.output;
  task.keep_latents = clip.keep_latents;
  task.reuse_latents = clip.reuse_latents;
  task.provenance = clip.provenance;
  task.warnings = clip.warnings;
  task.priority = plan.priority;
  task.features = plan.features;
  return task;
}

TaskSpec decode_task(const JobPlan& plan, const TaskSpec& encode) {
  TaskSpec task = encode;
  task.id = new_id<TaskId>();
  task.kind = TaskKind::kDecodeVideo;
  task.key = video_key(encode.key, plan.models, encode.parameters);
  task.keep_latents.reset();
  task.warnings.clear();
  task.needs = {encode.id};
  return task;
}

// `encodes`: by ClipPlan::output.relative.
Result<TaskSpec> film_task(const JobPlan& plan, const FilmPlan& film, JobId job,
                           const std::map<std::string, TaskId>& encodes) {
  TaskSpec task;
  task.id = new_id<TaskId>();
  task.job = job;
  task.kind = TaskKind::kDecodeVideo;
  task.name = film.output.relative;
  task.key = film.key;
  task.model_set = plan.models.id;
  task.parameters = film.parameters;
  task.output = film.output;
  task.provenance = film.provenance;
  task.priority = plan.priority;
  for (const auto& part : film.parts) {
    Segment segment{part.name, {}, part.saved};
    if (!part.clip.empty()) {
      const auto encode = encodes.find(part.clip);
      if (encode == encodes.end()) {
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("{}: its part {} is no clip of the plan", task.name, part.clip));
      }
      segment.encode = encode->second;
      task.needs.push_back(encode->second);
    }
    task.segments.push_back(std::move(segment));
  }
  if (!task.segments.empty()) return task;
  return Status(StatusCode::kInvalidArgument, fmt::format("{}: a film of no clips", task.name));
}

// The outputs of a plan and what they are made from.
class Outputs {
 public:
  // kInvalidArgument unless the path is safe and new; `source` is for messages.
  [[nodiscard]] Status add(const OutputTarget& output, const std::string& source) {
    if (!is_safe_relative(output.relative)) {
      return {StatusCode::kInvalidArgument,
              fmt::format("{}: output path '{}' is not below the output folder", source,
                          output.relative)};
    }
    const auto [place, inserted] =
        by_path_.emplace(folded(output.relative) + (output.save_video ? "" : " (latents)"), source);
    if (inserted) return {};
    return {
        StatusCode::kInvalidArgument,
        fmt::format(
            "{} and {} would both be written to {}.mp4: rename one of them or give them outputs of "
            "their own in a manifest",
            place->second, source, output.relative)};
  }

 private:
  std::map<std::string, std::string> by_path_;
};

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
  tasks.reserve(plan.clips.size() * 2 + plan.films.size());
  Outputs outputs;
  std::map<std::string, TaskId> encodes;
  for (const auto& clip : plan.clips) {
    if (Status bad = validate(clip.parameters); !bad.ok()) return bad.prefixed(clip.video.path);
    RETURN_IF_ERROR(outputs.add(clip.output, clip.video.path));
    tasks.push_back(encode_task(plan, clip, job));
    encodes.emplace(clip.output.relative, tasks.back().id);
    if (clip.output.save_video) tasks.push_back(decode_task(plan, tasks.back()));
  }
  for (const auto& film : plan.films) {
    if (Status bad = validate(film.parameters); !bad.ok())
      return bad.prefixed(film.output.relative);
    RETURN_IF_ERROR(outputs.add(film.output, "the film " + film.output.relative));
    ASSIGN_OR_RETURN(TaskSpec task, film_task(plan, film, job, encodes));
    tasks.push_back(std::move(task));
  }
  return tasks;
}

std::vector<std::size_t> shard_positions(std::size_t count, std::size_t index, std::size_t shards) {
  CHECK(shards > 0 && index >= 1 && index <= shards);
  std::vector<std::size_t> positions;
  for (std::size_t position = index - 1; position < count; position += shards)
    positions.push_back(position);
  return positions;
}

}  // namespace mimicfleet::jobs
