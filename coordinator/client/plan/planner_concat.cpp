#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include "common/config/nearest.h"
#include "common/files/absolute_path.h"
#include "common/files/read_text.h"
#include "common/files/spelling.h"
#include "common/log.h"
#include "coordinator/client/plan/latents_file.h"
#include "coordinator/client/plan/missing_file.h"
#include "coordinator/client/plan/planner.h"
#include "coordinator/config/sentences.h"
#include "jobs/joining.h"
#include "jobs/keys.h"

// The parts of planning that concern latents that are kept and the concatenated videos that are
// joined from them.
namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxNameBytes = 160;
constexpr std::size_t kListedWords = 20;

std::string without_suffix(const fs::path& relative) {
  return (relative.parent_path() / relative.stem()).generic_string();
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// As the original names it, but the same each time, and never too long for a file.
std::string concat_name(const std::string& prefix, const std::vector<Input>& inputs,
                        const std::vector<std::size_t>& order) {
  std::string name = prefix;
  for (const std::size_t input : order)
    name += "_" + fs::path(inputs[input].relative).filename().string();
  if (name.size() <= kMaxNameBytes) return name;
  std::size_t cut = kMaxNameBytes - 32;
  while (cut > 0 && (static_cast<unsigned char>(name[cut]) & 0xc0) == 0x80)
    --cut;  // not within a letter
  return fmt::format("{}_of_{}_{:.8}", name.substr(0, cut), order.size(), sha256(name).hex());
}

// The videos that words may mean: by path, else by name, with or without suffix, in either spelling
// of accents.
class WordIndex {
 public:
  explicit WordIndex(const std::vector<Input>& inputs) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].error.ok()) continue;
      const fs::path relative = inputs[i].relative;
      by_path_[composed(relative.native())] = i;
      by_name_[composed(relative.filename().native())].insert(i);
      by_name_[composed(fs::path(inputs[i].path).filename().native())].insert(i);
      names_.push_back(relative.filename().string());
    }
  }

  // The inputs that are called so.
  [[nodiscard]] std::vector<std::size_t> find(const std::string& word) const {
    const std::string name = composed(word);
    if (const auto path = by_path_.find(name); path != by_path_.end()) return {path->second};
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return {};
    return {found->second.begin(), found->second.end()};
  }
  [[nodiscard]] std::string nearest(const std::string& word) const {
    const auto near = config::nearest(word, names_);
    return near ? fmt::format("; did you mean '{}'?", log::printable(*near)) : "";
  }

 private:
  std::map<std::string, std::size_t> by_path_;
  std::map<std::string, std::set<std::size_t>> by_name_;
  std::vector<std::string> names_;
};

// What the latents of a word are called below the folder where they are kept, if they are.
std::optional<std::string> kept_word(const std::string& folder, const std::string& word,
                                     SpelledPaths& spelled) {
  constexpr std::string_view kSuffix = ".safetensors";
  if (!jobs::is_safe_relative(word)) return std::nullopt;
  const std::string found = spelled.find(fmt::format("{}/{}{}", folder, word, kSuffix));
  if (!is_there(found) || !found.starts_with(folder + "/")) return std::nullopt;
  return found.substr(folder.size() + 1, found.size() - folder.size() - 1 - kSuffix.size());
}

struct JoinedClip {
  std::string name;
  jobs::CachedLatents latents;
};

// What tells that latents cannot be joined: the field and both values; empty if they can, or if
// nobody knows yet.
std::string misfit(const jobs::CachedLatents& a, const jobs::CachedLatents& b) {
  const bool known = a.width != 0 && b.width != 0;
  if (known && (a.width != b.width || a.height != b.height)) {
    return fmt::format("size ({}x{} and {}x{})", a.width, a.height, b.width, b.height);
  }
  if (!a.vae.is_zero() && !b.vae.is_zero() && a.vae != b.vae) {
    return fmt::format("VAE digest ({:.8}… and {:.8}…)", a.vae.hex(), b.vae.hex());
  }
  if (a.fps > 0 && b.fps > 0 && a.fps != b.fps) return fmt::format("fps ({} and {})", a.fps, b.fps);
  return "";
}

Status check_joined(const std::vector<JoinedClip>& clips, const jobs::ModelSet& models) {
  for (std::size_t i = 0; i < clips.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const std::string field = misfit(clips[j].latents, clips[i].latents);
      if (field.empty()) continue;
      return {StatusCode::kInvalidArgument,
              fmt::format(
                  "{} and {} cannot be joined: their latents differ in {}; make one of them again "
                  "(--mode encode --overwrite-latents)",
                  clips[j].name, clips[i].name, field)};
    }
    const Digest& vae = clips[i].latents.vae;
    if (vae.is_zero() || vae == models.vae) continue;
    return {
        StatusCode::kInvalidArgument,
        fmt::format(
            "{} cannot be decoded by the models {}: its latents differ in VAE digest ({:.8}… and "
            "{:.8}…); give the --models that made it, or make it again",
            clips[i].name, models.name, vae.hex(), models.vae.hex())};
  }
  return {};
}

// Latents that are to be encoded, as far as it is known before.
jobs::CachedLatents expected_latents(const jobs::ClipPlan& clip, const jobs::ModelSet& models) {
  jobs::CachedLatents latents;
  latents.key = jobs::latents_key(jobs::as_read(clip.video), jobs::as_read(clip.reference), models,
                                  clip.parameters);
  latents.vae = models.vae;
  latents.width = clip.parameters.width;
  latents.height = clip.parameters.height;
  latents.fps = clip.parameters.fps;
  return latents;
}

}  // namespace

std::string Planner::kept_path(const OutputPlaces& places, const std::string& relative) const {
  return fmt::format("{}/{}{}.safetensors", places.latents.directory, places.latents.relative,
                     relative);
}

void Planner::cache_latents(jobs::ClipPlan& clip, const OutputPlaces& places) const {
  clip.output.save_video = !makes_concats() && request_.individual_videos;
  clip.cache_latents = places.latents;
  clip.cache_latents->relative += clip.output.relative + ".safetensors";
  clip.reuse_latents = !request_.overwrite_cache;
}

OutputState Planner::look_at_encode(const jobs::ClipPlan& clip, FileDigestCache& cache) const {
  if (request_.overwrite_cache) return {"--overwrite-latents", 0};
  const std::string path = clip.cache_latents->directory + "/" + clip.cache_latents->relative;
  OutputState video =
      clip.output.save_video ? look_at_outputs(clip, models_.set, cache) : OutputState{};
  if (!is_there(path)) {
    const std::string missing =
        clip.output.save_video ? "no cached latents in " + path : "not made yet";
    return {video.reason.empty() ? missing : video.reason, 0, std::move(video.made_with)};
  }
  const auto file = read_latents_file(path, cache);
  const std::string cause =
      file.ok() ? latents_differ(*file, clip, models_.set) : file.status().message();
  if (!cause.empty()) {
    const bool video_tells = !video.made_with.empty();
    const std::string choice = file.ok() ? latents_made_with(*file, clip, models_.set) : "";
    return {fmt::format("its latents do not fit: {}", cause), 0,
            video_tells ? video.made_with : choice, !video_tells};
  }
  for (const std::string& warning : file->warnings) {
    const bool is_told =
        std::find(video.warnings.begin(), video.warnings.end(), warning) != video.warnings.end();
    if (!is_told) video.warnings.push_back(warning);
  }
  if (video.reason.empty()) return video;
  return {"its video: " + video.reason, 0, std::move(video.made_with)};
}

// `--videos`: names below one folder, or paths.
Status Planner::collect_videos(const std::string& folder) {
  if (request_.paths.size() > 1) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--videos are looked for below one folder, not below {}",
                        fmt::join(request_.paths, " and "))};
  }
  const fs::path root = absolute_path(folder);
  std::vector<std::string> missing;
  SpelledPaths spelled;
  for (const auto& name : request_.videos) {
    fs::path path = spelled.find(root / name);
    const fs::path elsewhere = spelled.find(absolute_path(name));
    if (!is_there(path) && is_there(elsewhere)) path = elsewhere;
    if (!is_there(path)) missing.push_back(log::printable(name));
    std::string relative = without_suffix(path.lexically_normal().lexically_relative(root));
    if (!jobs::is_safe_relative(relative)) relative = path.stem().string();
    inputs_.push_back({path.lexically_normal().string(), std::move(relative), {}, {}, 0});
  }
  if (missing.empty() || request_.mode == Mode::kDecode) return {};  // cached latents need no video
  return {StatusCode::kNotFound,
          fmt::format("--videos: not found below {}: {}", root.string(), fmt::join(missing, ", "))};
}

// One concatenated video of all videos, in order; one that is there several times is encoded once.
Status Planner::want_concat() {
  WantedConcat concat;
  for (const auto& input : inputs_) RETURN_IF_ERROR(input.error);
  std::map<std::string, std::size_t> known;  // by path
  std::vector<Input> once;
  std::vector<std::size_t> order;
  for (auto& input : inputs_) {
    const auto [place, is_new] = known.emplace(input.path, once.size());
    order.push_back(place->second);
    if (is_new) once.push_back(std::move(input));
  }
  inputs_ = std::move(once);
  if (order.size() > kMaxWords) {
    return {
        StatusCode::kInvalidArgument,
        fmt::format("{} clips are too many for one concatenated video; at most {} can be joined",
                    order.size(), kMaxWords)};
  }
  std::map<std::string, std::string> paths;  // by what names their latents
  for (const auto& input : inputs_) {
    const auto [place, is_new] = paths.emplace(input.relative, input.path);
    if (is_new) continue;
    return {StatusCode::kInvalidArgument,
            fmt::format("{} and {} would share latents {}.safetensors; rename one", place->second,
                        input.path, input.relative)};
  }
  const fs::path named(request_.output_name);
  concat.relative = request_.output_name.empty()
                        ? concat_name(request_.experiment_name, inputs_, order)
                    : named.extension() == ".mp4" ? without_suffix(named)
                                                  : named.generic_string();
  if (!jobs::is_safe_relative(concat.relative)) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--concat-name '{}' is not below the output folder",
                        log::printable(concat.relative))};
  }
  for (const std::size_t i : order)
    concat.parts.push_back({inputs_[i].relative, inputs_[i].relative, i});
  concats_.push_back(std::move(concat));
  return {};
}

// A concatenated video for each chosen sentence. One error names all missing words.
Status Planner::want_sentences() {
  auto text = read_text(request_.sentences, kMaxSentencesBytes);
  if (const std::string why = text.ok() ? "" : why_missing(request_.sentences); !why.empty()) {
    return {text.status().code(), fmt::format("{}; {}", text.status().message(), why)};
  }
  RETURN_IF_ERROR(text.status());
  ASSIGN_OR_RETURN(const auto sentences, parse_sentences(*text, request_.sentences));
  const std::string cache =
      request_.cache_dir.empty() ? request_.output_dir + "/_latents" : request_.cache_dir;
  const WordIndex index(inputs_);
  SpelledPaths spelled;
  const auto& selection = request_.selection;
  std::vector<WantedConcat> chosen;
  std::vector<std::string> problems;  // of each, by position; empty: none
  for (const auto& sentence : sentences) {
    if (!selection.filter.empty() &&
        ::fnmatch(selection.filter.c_str(), sentence.id.c_str(), 0) != 0)
      continue;
    WantedConcat concat{sentence.id, {}};
    std::string problem;
    for (const auto& word : sentence.words) {
      const auto found = index.find(word);
      if (found.size() > 1) {
        return {StatusCode::kInvalidArgument,
                fmt::format("{}: '{}' may be {} or {}; write the one that is meant", sentence.where,
                            word, inputs_[found[0]].relative, inputs_[found[1]].relative)};
      }
      if (found.size() == 1) {
        concat.parts.push_back({word, inputs_[found[0]].relative, found[0]});
      } else if (const auto kept = kept_word(cache, word, spelled)) {
        concat.parts.push_back({word, *kept, std::nullopt});
      } else if (problem.find(fmt::format("'{}'", word)) == std::string::npos) {
        const std::string why = why_missing(word);
        problem +=
            fmt::format("{}no video for '{}'{}", problem.empty() ? "" : ", ", log::printable(word),
                        why.empty() ? index.nearest(word) : fmt::format(" ({})", why));
      }
    }
    chosen.push_back(std::move(concat));
    problems.push_back(
        problem.empty() ? "" : fmt::format("{} ({}): {}", sentence.id, sentence.where, problem));
  }
  std::vector<std::string> missing;
  for (const std::size_t i :
       jobs::shard_positions(chosen.size(), selection.shard, selection.shards)) {
    if (selection.limit != 0 && concats_.size() + missing.size() == selection.limit) break;
    if (problems[i].empty()) {
      concats_.push_back(std::move(chosen[i]));
    } else {
      missing.push_back(std::move(problems[i]));
    }
  }
  if (missing.empty() || request_.skip_missing) {
    std::move(missing.begin(), missing.end(), std::back_inserter(left_out_));
    return {};
  }
  const std::size_t more = missing.size() - std::min(missing.size(), kListedWords);
  missing.resize(missing.size() - more);
  return {
      StatusCode::kNotFound,
      fmt::format("words are missing; --skip-missing goes on without their sentences: {}{}",
                  fmt::join(missing, "; "), more == 0 ? "" : fmt::format("; and {} more", more))};
}

Result<const Planner::PartSource*> Planner::source_of(const WantedPart& part,
                                                      const OutputPlaces& places,
                                                      FileDigestCache& cache) {
  const auto known = sources_.find(part.relative);
  if (known != sources_.end()) return &known->second;
  ASSIGN_OR_RETURN(PartSource source, find_source(part, places, cache));
  return &sources_.emplace(part.relative, std::move(source)).first->second;
}

// What names the video of an input in files of latents.
Result<Digest> Planner::video_as_read(std::size_t index, FileDigestCache& cache) {
  jobs::ClipPlan clip;
  clip.parameters = settings_[settings_index_[index]].parameters;
  clip.video.path = inputs_[index].path;
  ASSIGN_OR_RETURN(clip.video.digest, cache.digest(clip.video.path));
  static_cast<void>(look_at_video(clip, looks_));
  return jobs::as_read(clip.video);
}

// Latents that are kept and fit, else the clip. In decode mode they fit as long as the video is the
// same, as in the original; sentences name all that they are made with.
Result<Planner::PartSource> Planner::find_source(const WantedPart& part, const OutputPlaces& places,
                                                 FileDigestCache& cache) {
  const std::string path = kept_path(places, part.relative);
  const bool has_video = part.input && is_there(inputs_[*part.input].path);
  const bool is_kept = is_there(path) && !request_.overwrite_cache;
  if (!is_kept && !has_video) {
    return Status(
        StatusCode::kNotFound,
        fmt::format(
            "{}: neither its latents {} nor its video {}are there; make them with --mode encode",
            log::printable(part.name), path, part.input ? inputs_[*part.input].path + " " : ""));
  }
  std::string reason = is_there(path) ? "--overwrite-latents" : "no cached latents in " + path;
  std::string made_with;
  PartSource source;
  if (is_kept) {
    const auto file = read_latents_file(path, cache);
    if (!file.ok() && !has_video) return file.status();
    reason = file.ok() ? "" : file.status().message();
    if (file.ok() && has_video && request_.sentences.empty() && !file->driving.is_zero()) {
      ASSIGN_OR_RETURN(const Digest driving, video_as_read(*part.input, cache));
      if (driving != file->driving) reason = "the video changed";
    } else if (file.ok() && has_video && !request_.sentences.empty()) {
      ASSIGN_OR_RETURN(const jobs::ClipPlan clip, plan_clip(*part.input, places, cache));
      reason = latents_differ(*file, clip, models_.set);
      made_with = latents_made_with(*file, clip, models_.set);
    }
    if (reason.empty()) {
      source.saved = file->saved;
      return source;
    }
    reason = "its latents do not fit: " + reason;
  }
  auto clip = plan_clip(*part.input, places, cache);
  if (!clip.ok()) return clip.status().prefixed(fmt::format("{} ({})", part.name, reason));
  source.clip = PlannedClip{*std::move(clip), std::move(reason), 0, {}};
  source.clip->replaces = std::move(made_with);
  source.clip->replaces_latents = true;
  return source;
}

Result<jobs::ConcatPlan> Planner::plan_concat(const WantedConcat& wanted,
                                              const OutputPlaces& places, FileDigestCache& cache) {
  jobs::ConcatPlan concat;
  std::vector<Digest> keys;
  std::vector<JoinedClip> joined;
  std::vector<jobs::ConcatClip> lengths;
  concat.parameters = concat_settings_.parameters;
  concat.provenance = concat_settings_.provenance;
  for (const auto& part : wanted.parts) {
    ASSIGN_OR_RETURN(const PartSource* source, source_of(part, places, cache));
    concat.parts.push_back({part.name, source->clip ? part.relative : "", source->saved});
    lengths.push_back({source->saved.file.path, source->saved.frames});
    jobs::CachedLatents latents =
        source->clip ? expected_latents(source->clip->plan, models_.set) : source->saved;
    keys.push_back(latents.key.is_zero() ? latents.file.digest : latents.key);
    // The words of a sentence fit by their key, in which the rate of the output is not.
    if (!request_.sentences.empty() && !latents.key.is_zero()) latents.fps = concat.parameters.fps;
    joined.push_back({part.name, std::move(latents)});
  }
  RETURN_IF_ERROR(check_joined(joined, models_.set));
  RETURN_IF_ERROR(jobs::Joining(concat.parameters).check(lengths));
  const double fps = joined[0].latents.fps;
  if (fps > 0 && fps != concat.parameters.fps &&
      concat.provenance["fps"] != "flag") {  // as the original
    concat.parameters.fps = fps;
    concat.provenance["fps"] = "latents";
  }
  concat.output = places.videos;
  concat.output.relative = wanted.relative;
  concat.output.save_frames = request_.save_frames;
  const OutputNames names(places.videos.directory, places.latents.directory);
  const std::string_view remedy =
      request_.sentences.empty() ? "give a shorter --concat-name" : "shorten its sentence_id";
  RETURN_IF_ERROR(names.check_length(wanted.relative, wanted.relative, false, remedy));
  RETURN_IF_ERROR(check_outputs_free(concat.output, std::nullopt));
  RETURN_IF_ERROR(read_.check_replaces_none(concat.output));
  concat.key = jobs::concat_key(keys, models_.set, concat.parameters);
  return concat;
}

Status Planner::plan_concats(RunPlan& run, const OutputPlaces& places, FileDigestCache& cache,
                             const std::function<void(std::size_t)>& on_concat) {
  std::set<std::string> encoded;
  for (const auto& wanted : concats_) {
    auto planned = plan_concat(wanted, places, cache);
    if (!planned.ok() && request_.sentences.empty()) return planned.status();
    if (!planned.ok()) {
      run.refused.push_back({wanted.relative, request_.sentences, planned.status()});
      continue;
    }
    OutputState state = request_.overwrite_cache ? OutputState{"--overwrite-latents", 0}
                                                 : look_at_concat(*planned, models_.set, cache);
    for (const auto& part : planned->parts) {
      if (state.reason.empty() || part.clip.empty() || !encoded.insert(part.clip).second) continue;
      run.clips.push_back(*sources_.at(part.clip).clip);
    }
    run.concats.push_back({std::move(*planned), std::move(state.reason), state.seconds,
                           std::move(state.made_with), std::move(state.warnings)});
    if (on_concat) on_concat(run.concats.size());
  }
  return {};
}

}  // namespace mimicfleet::coordinator
