#include "coordinator/client/report/cost.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/files/read_text.h"
#include "common/log.h"
#include "coordinator/client/report/progress.h"
#include "jobs/record_json.h"
#include "jobs/stages.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxRecords = 500;
constexpr std::size_t kListed = 50;

double seconds_in(const std::vector<jobs::StageTiming>& timings, jobs::TaskKind kind) {
  double seconds = 0;
  for (const auto& timing : timings) {
    const jobs::StageFacts* stage = jobs::find_stage(timing.stage);
    if (stage != nullptr && stage->of == kind) seconds += timing.seconds;
  }
  return seconds;
}

// What work took, according to records.
struct Rates {
  double encode_seconds = 0;
  double frame_steps = 0;
  double decode_seconds = 0;
  double frames = 0;

  void add(const jobs::OutputRecord& record) {
    const double encode = seconds_in(record.stages, jobs::TaskKind::kEncodeLatents);
    if (encode > 0) {
      encode_seconds += encode;
      frame_steps += static_cast<double>(record.frames + 1) * record.parameters.steps;
    }
    decode_seconds += seconds_in(record.stages, jobs::TaskKind::kDecodeVideo);
    frames += record.frames;
  }
};

Rates read_rates(const std::string& folder) {
  Rates rates;
  std::size_t records = 0;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error);
       !error && entry != fs::end(entry); entry.increment(error)) {
    const fs::path& path = entry->path();
    if (entry.depth() == 0 && path.filename().string().starts_with('_'))
      entry.disable_recursion_pending();
    if (path.extension() != ".json") continue;
    if (++records > kMaxRecords) break;
    const auto text = read_text(path.string(), jobs::kMaxRecordBytes);
    if (!text.ok()) continue;
    if (const auto record = jobs::read_record(*text); record.ok()) rates.add(*record);
  }
  return rates;
}

// The frames that a clip becomes, its reference included; 0 if the video does not say.
std::int64_t frames_of(const jobs::ClipPlan& clip, MediaLooks& looks) {
  const auto looked = looks.video(clip.video);
  if (!looked.ok() || looked->video.declared_frames <= 0) return 0;
  const double fps = looked->video.average_fps.value();
  const auto thinning = std::max<std::int64_t>(1, static_cast<std::int64_t>(fps / 24));
  const std::int64_t stride = clip.parameters.sample_stride * thinning;
  const std::int64_t frames = 1 + (looked->video.declared_frames + stride - 1) / stride;
  const std::int64_t limit = clip.parameters.max_pose_frames;
  return limit == 0 ? frames : std::min(frames, std::max<std::int64_t>(limit, 2));
}

bool has_to_run(const PlannedClip& clip) {
  return !clip.reason.empty() && clip.plan.cache_latents.has_value();
}

void count_frames(const RunPlan& plan, MediaLooks& looks, Cost& cost) {
  for (const auto& clip : plan.clips) {
    if (has_to_run(clip)) cost.frames[clip.plan.output.relative] = frames_of(clip.plan, looks);
  }
}

void add_clip(Cost& cost, const PlannedClip& clip) {
  const std::int64_t frames = cost.frames.at(clip.plan.output.relative);
  if (clip.held_by.empty()) {
    ++cost.encodes;
    cost.encode_frames += frames;
    cost.frame_steps += frames * clip.plan.parameters.steps;
  } else {
    ++cost.fetches;
  }
  if (!clip.plan.output.save_video) return;
  ++cost.videos;
  cost.video_frames += std::max<std::int64_t>(frames - 1, 0);
}

void add_concat(Cost& cost, const PlannedConcat& concat) {
  ++cost.videos;
  for (const auto& part : concat.plan.parts) {
    const auto clip = cost.frames.find(part.clip);
    cost.video_frames += clip == cost.frames.end() ? part.saved.frames : clip->second;
  }
}

std::string clip_line(const PlannedClip& clip, const Cost& cost) {
  const std::string name = log::printable(clip.plan.output.relative);
  if (!clip.held_by.empty()) {
    return fmt::format("fetch   {} ({}; worker {} holds its latents)\n", name, clip.reason,
                       clip.held_by);
  }
  const std::string cached =
      clip.cached.empty() ? "" : fmt::format("; cached: {}", fmt::join(clip.cached, ", "));
  std::string line = fmt::format("{:<7} {} ({}{})", clip.plan.output.save_video ? "make" : "encode",
                                 name, clip.reason, cached);
  if (const auto frames = cost.frames.find(clip.plan.output.relative);
      frames != cost.frames.end()) {
    if (frames->second > 0) line += fmt::format(": {} frames", frames->second);
    line +=
        fmt::format("{}{} steps", frames->second > 0 ? " x " : ": ", clip.plan.parameters.steps);
    const auto guided = jobs::guided_steps(clip.plan.parameters).count();
    if (clip.plan.parameters.guidance_scale > 1 && guided < clip.plan.parameters.steps) {
      line += fmt::format(", {} guided", guided);
    }
  }
  return line + "\n";
}

// Lines that had to be left out of a long table.
class Lines {
 public:
  void add(const std::string& line) {
    if (++count_ <= kListed) text_ += line;
  }
  [[nodiscard]] std::string finish() const {
    return count_ <= kListed ? text_
                             : text_ + fmt::format("…       and {} more\n", count_ - kListed);
  }

 private:
  std::size_t count_ = 0;
  std::string text_;
};

template <typename Planned>
std::size_t count_to_run(const std::vector<Planned>& planned) {
  return static_cast<std::size_t>(std::count_if(
      planned.begin(), planned.end(), [](const auto& item) { return !item.reason.empty(); }));
}

std::string totals(const RunPlan& plan) {
  std::string line;
  const std::size_t clips = count_to_run(plan.clips);
  if (plan.concats.empty()) {
    line = fmt::format("{} to make, {} already there, {} cannot be made", clips,
                       plan.clips.size() - clips, plan.refused.size());
  } else {
    const std::size_t concats = count_to_run(plan.concats);
    line = fmt::format("{} to make, {} already there; {} clips to encode first", concats,
                       plan.concats.size() - concats, clips);
  }
  line += fmt::format("; models {}", log::printable(plan.models.set.name));
  line += plan.preset.empty() ? "\n" : fmt::format("; preset {}\n", plan.preset);
  if (plan.cached && plan.cached->wanted > 0) {
    line += fmt::format("features   {} of {} are in workers' caches, which may save {:.1f} s\n",
                        plan.cached->held, plan.cached->wanted, plan.cached->worth_seconds);
  }
  return line;
}

std::string work(const RunPlan& plan, const Cost& cost) {
  const bool tells = !plan.concats.empty() || !cost.frames.empty();
  if (!tells || plan.to_run() == 0) return "";
  std::string line = fmt::format("{} encodes ({} frames, {} frames x steps)", cost.encodes,
                                 cost.encode_frames, cost.frame_steps);
  if (cost.fetches > 0) line += fmt::format(", {} fetched instead", cost.fetches);
  return line + fmt::format(", {} videos decoded ({} frames)\n", cost.videos, cost.video_frames);
}

// Clips without cached latents: as long as those that are there took.
std::optional<double> seconds_of_clips(const RunPlan& plan) {
  const auto each = plan.seconds_per_clip();
  if (!each || plan.to_run() == 0) return std::nullopt;
  return *each * static_cast<double>(plan.to_run());
}

}  // namespace

Cost estimate_cost(const RunPlan& plan, const std::string& output_dir, MediaLooks& looks) {
  Cost cost;
  count_frames(plan, looks, cost);
  for (const auto& clip : plan.clips) {
    if (has_to_run(clip)) add_clip(cost, clip);
  }
  for (const auto& concat : plan.concats) {
    if (!concat.reason.empty()) add_concat(cost, concat);
  }
  if (cost.encodes + cost.videos == 0) {
    cost.seconds = seconds_of_clips(plan);
    return cost;
  }
  const Rates rates = read_rates(output_dir);
  const bool knows_encode = cost.frame_steps == 0 || rates.frame_steps > 0;
  const bool knows_decode = cost.video_frames == 0 || rates.frames > 0;
  if (!knows_encode || !knows_decode) return cost;
  const auto share = [](double seconds, double of, std::int64_t amount) {
    return amount == 0 ? 0 : seconds / of * static_cast<double>(amount);
  };
  cost.seconds = share(rates.encode_seconds, rates.frame_steps, cost.frame_steps) +
                 share(rates.decode_seconds, rates.frames, cost.video_frames);
  return cost;
}

std::string plan_table(const RunPlan& plan, const Cost& cost) {
  Lines lines;
  Lines cannot;  // printed always: they are the cause of exit code 1
  Lines left_out;
  for (const auto& clip : plan.clips) {
    if (!clip.reason.empty()) lines.add(clip_line(clip, cost));
  }
  for (const auto& concat : plan.concats) {
    if (concat.reason.empty()) continue;
    lines.add(fmt::format("make    {} ({}) of {} clips\n",
                          log::printable(concat.plan.output.relative), concat.reason,
                          concat.plan.parts.size()));
  }
  for (const auto& clip : plan.refused) {
    cannot.add(fmt::format("cannot  {}: {}\n", log::printable(clip.relative),
                           log::printable(clip.error.message())));
  }
  for (const auto& sentence : plan.left_out) left_out.add(fmt::format("leave   {}\n", sentence));
  std::string table =
      lines.finish() + cannot.finish() + left_out.finish() + totals(plan) + work(plan, cost);
  if (cost.seconds) {
    table += fmt::format("about {} of one worker's time, going by {}\n", clock_text(*cost.seconds),
                         cost.encodes + cost.videos == 0 ? "the clips that are there"
                                                         : "the records that are there");
  }
  return table;
}

}  // namespace mimicfleet::coordinator
