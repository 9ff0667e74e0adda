#include "coordinator/client/plan/planner.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "common/files/absolute_path.h"
#include "common/files/file_identity.h"
#include "common/files/spelling.h"
#include "common/log.h"
#include "common/wire/utf8.h"
#include "coordinator/client/plan/adaptation.h"
#include "coordinator/client/plan/missing_file.h"
#include "coordinator/client/plan/output_folder.h"
#include "coordinator/client/plan/own_outputs.h"
#include "coordinator/client/plan/weight_file.h"
#include "coordinator/config/presets.h"
#include "jobs/model_notice.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

std::string folder_of(const std::string& path) {
  return absolute_path(path).parent_path().string();
}

// What the defaults of a run that keeps latents or makes concatenated videos are, as in the
// original.
SettingLayer latents_defaults() {
  return {"mode", {{jobs::find_setting("max_pose_frames"), "179", "--mode"}}};
}

// What a look says against the file itself, not of the program that looked.
Status fault_of_file(const Status& look) {
  const bool is_of_program = look.code() == StatusCode::kInternal ||
                             look.code() == StatusCode::kTimeout ||
                             look.code() == StatusCode::kResourceExhausted;
  return is_of_program ? Status() : look;
}

// The model is told the rate of the output, unless somebody said something else.
Status follow_output_fps(ResolvedSettings& settings) {
  auto& parameters = settings.parameters;
  if (parameters.fps == 0) {
    return {StatusCode::kInvalidArgument,
            "--fps source: clips that are to be joined need one rate; give --fps N"};
  }
  if (settings.provenance.at("motion_fps") != "built-in") return {};
  parameters.motion_fps = std::max(1, static_cast<std::int32_t>(parameters.fps));
  settings.provenance["motion_fps"] = "fps";
  return {};
}

// Puts in a file's or folder's path as it is written on the disk; what is not there stays as it is.
void as_on_disk(std::string& path) {
  std::error_code error;
  if (path.empty() || fs::exists(path, error)) return;
  std::string found = SpelledPaths().find(absolute_path(path).string());
  if (fs::exists(found, error)) path = std::move(found);
}

// A path of a config: below the working folder if it is there, else below the config's folder.
std::string locate(const std::string& path, const std::string& config_folder) {
  if (path.empty()) return "";
  std::error_code error;
  SpelledPaths spelled;
  std::string found = spelled.find(absolute_path(path).string());
  if (fs::exists(found, error)) return found;
  return spelled.find((fs::path(config_folder) / path).lexically_normal().string());
}

Status no_such_file(const std::string& path, const std::string& where) {
  const std::string why = why_missing(path);
  const std::string subject = fmt::format("{}: there is no such file", log::printable(path));
  if (why.empty()) return {StatusCode::kNotFound, subject + "; copy it there"};
  return {StatusCode::kNotFound,
          fmt::format("{}; {}{}", subject, why, where.empty() ? "" : fmt::format(" ({})", where))};
}

// An input file by content. Links are followed now, so that workers see the file itself. `where` it
// is listed, if it is.
Result<jobs::FileRef> name_file(const std::string& path, const std::string& where,
                                FileDigestCache& cache) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  jobs::FileRef file;
  if (error == std::errc::no_such_file_or_directory) {
    return no_such_file(path, where);
  }
  file.path = error ? path : real.string();
  ASSIGN_OR_RETURN(const FileIdentity identity, identity_of(file.path));
  file.size_bytes = identity.size;
  ASSIGN_OR_RETURN(file.digest, cache.digest(file.path));
  if (file.size_bytes == 0) {
    return Status(StatusCode::kBadInput,
                  fmt::format("{}: is empty (0 bytes); copy it again", path));
  }
  return file;
}

}  // namespace

std::optional<double> RunPlan::seconds_per_clip() const {
  double seconds = 0;
  std::size_t finished = 0;
  for (const auto& clip : clips) {
    if (!clip.reason.empty()) continue;
    seconds += clip.seconds;
    ++finished;
  }
  if (finished == 0) return std::nullopt;
  return seconds / static_cast<double>(finished);
}

std::vector<std::string> RunPlan::videos_to_make() const {
  std::vector<std::string> names;
  for (const auto& clip : clips) {
    if (!clip.reason.empty() && clip.plan.output.save_video)
      names.push_back(clip.plan.output.relative);
  }
  for (const auto& concat : concats) {
    if (!concat.reason.empty()) names.push_back(concat.plan.output.relative);
  }
  return names;
}

std::size_t RunPlan::to_run() const {
  const auto has_to_run = [](const auto& planned) { return !planned.reason.empty(); };
  return static_cast<std::size_t>(std::count_if(clips.begin(), clips.end(), has_to_run) +
                                  std::count_if(concats.begin(), concats.end(), has_to_run));
}

std::vector<std::string> RunPlan::warnings() const {
  std::vector<const jobs::ClipPlan*> to_run;
  for (const auto& clip : clips) {
    if (!clip.reason.empty()) to_run.push_back(&clip.plan);
  }
  return input_warnings(to_run);
}

Result<Planner> Planner::prepare(SubmitRequest request, const OfferedModels& offered,
                                 const std::map<std::string, std::vector<std::string>>& folders) {
  Planner planner;
  planner.request_ = std::move(request);
  if (auto& reference = planner.request_.reference; !reference.empty()) {
    reference = SpelledPaths().find(absolute_path(reference).string());
  }
  for (auto* path : {&planner.request_.config, &planner.request_.models,
                     &planner.request_.sentences, &planner.request_.dwpose}) {
    as_on_disk(*path);
  }
  planner.looks_ = MediaLooks(planner.request_.looks);
  RETURN_IF_ERROR(planner.read_config());
  RETURN_IF_ERROR(planner.collect_inputs());
  if (!planner.request_.sentences.empty()) {
    RETURN_IF_ERROR(planner.want_sentences());
  } else if (planner.request_.mode == Mode::kDecode) {
    RETURN_IF_ERROR(planner.want_concat());
  }
  RETURN_IF_ERROR(planner.take_models(offered, folders));
  ASSIGN_OR_RETURN(planner.preset_, preset_layer(planner.request_.preset));
  RETURN_IF_ERROR(planner.resolve_all());
  planner.warn();
  return planner;
}

// Of a request that can be met: first that its models are toys.
void Planner::warn() const {
  if (!models_.warning.empty()) log::warn("{}", log::printable(models_.warning));
  if (!request_.paths.empty() && config_ && config_->cases.size() > 1) {
    log::warn("{}: has {} test cases; only the first one's settings are used", config_->path,
              config_->cases.size());
  }
}

Status Planner::take_models(const OfferedModels& offered,
                            const std::map<std::string, std::vector<std::string>>& folders) {
  ModelRequest models;
  models.root = request_.models;
  models.dwpose = request_.dwpose;
  if (config_) {
    models.base_model_path = config_->base_model_path;
    models.ckpt_path = config_->ckpt_path;
    models.config_folder = folder_of(config_->path);
  }
  ASSIGN_OR_RETURN(models_, choose_models(models, offered));
  const auto known = folders.find(models_.set.id.hex());
  if (models_.files) {
    model_folders_ = {folder_of(models_.files->checkpoint)};
  } else if (known != folders.end()) {
    model_folders_ = known->second;
  }
  ASSIGN_OR_RETURN(defaults_, defaults_layer(models_.set.defaults));
  return {};
}

Status Planner::read_config() {
  if (request_.config.empty()) return {};
  auto config = read_run_config(request_.config);
  if (config.status().code() == StatusCode::kNotFound) {
    const std::string why = why_missing(request_.config);
    return {StatusCode::kNotFound,
            fmt::format("{}; {}", config.status().message(),
                        why.empty() ? "give a file that is there to --config" : why)};
  }
  ASSIGN_OR_RETURN(config_, std::move(config));
  return {};
}

Status Planner::collect_inputs() {
  std::vector<Input> given;
  if (request_.paths.empty() && config_) {
    const std::string folder = folder_of(config_->path);
    if (!config_->video_folder.empty()) {
      request_.paths.push_back(locate(config_->video_folder, folder));
    } else {
      for (std::size_t i = 0; i < config_->cases.size(); ++i) {
        const std::string path = locate(config_->cases[i].video, folder);
        if (!path.empty()) given.push_back({path, fs::path(path).stem().string(), {}, {}, i});
      }
    }
  }
  if (!request_.videos.empty())
    return collect_videos(request_.paths.empty() ? "." : request_.paths.front());
  const bool only_kept_words =
      request_.paths.empty() && given.empty() && !request_.sentences.empty();
  if (request_.paths.empty() && given.empty() && !only_kept_words) {
    return {StatusCode::kInvalidArgument,
            "nothing to do: give a folder, videos or a manifest (see `coordinator submit --help`)"};
  }
  InputSelection selection = request_.selection;
  selection.ignore_folder = real_path(request_.output_dir);
  if (!request_.sentences.empty()) {  // it is the sentences that are chosen from
    selection.filter.clear();
    selection.limit = 0;
    selection.shard = selection.shards = 1;
  }
  ASSIGN_OR_RETURN(FoundInputs found, find_inputs(request_.paths, selection, std::move(given)));
  inputs_ = std::move(found.inputs);
  left_out_ = std::move(found.left_out);
  multiply_by_variants();
  return {};
}

// All clips of one variant before those of the next, so that workers change their weights seldom.
void Planner::multiply_by_variants() {
  if (request_.variants.empty()) return;
  std::vector<Input> all;
  for (std::size_t variant = 0; variant < request_.variants.size(); ++variant) {
    for (Input input : inputs_) {
      input.relative = request_.variants[variant].name + "/" + input.relative;
      input.variant = variant;
      all.push_back(std::move(input));
    }
  }
  inputs_ = std::move(all);
}

// Settings of an input; those that set nothing themselves share them.
Status Planner::resolve_input(const Input& input, SharedSettings& shared) {
  const std::pair sources(input.config_case, input.variant);
  const auto known = shared.find(sources);
  if (input.values.empty() && known != shared.end()) {
    settings_index_.push_back(known->second);
    return {};
  }
  ASSIGN_OR_RETURN(ResolvedSettings resolved, settings_of(input));
  if (input.values.empty()) shared[sources] = settings_.size();
  settings_index_.push_back(settings_.size());
  settings_.push_back(std::move(resolved));
  return {};
}

Status Planner::resolve_all() {
  SharedSettings shared;
  if (makes_concats()) {
    ASSIGN_OR_RETURN(concat_settings_, settings_of({}));
    if (!request_.reference.empty()) references_.insert(request_.reference);
  }
  for (const auto& input : inputs_) {
    RETURN_IF_ERROR(resolve_input(input, shared));
    if (makes_concats() || !input.error.ok())
      continue;  // a concatenated video may need no image at all
    ASSIGN_OR_RETURN(const std::string reference, reference_of(input));
    // That of a single manifest line fails this clip alone, later.
    if (reference != input.reference) references_.insert(reference);
  }
  std::error_code error;
  for (const auto& reference : references_) {
    if (!wire::is_utf8(reference)) {
      return {StatusCode::kInvalidArgument,
              fmt::format("{}: its name is not UTF-8; rename it", wire::in_utf8(reference))};
    }
    if (fs::exists(reference, error)) continue;
    const std::string why = why_missing(reference);
    return {StatusCode::kNotFound,
            fmt::format("{}: no such reference image; {}", log::printable(reference),
                        why.empty() ? "give one with --ref-image FILE" : why)};
  }
  return {};
}

Status Planner::check_files(FileDigestCache& cache) {
  RETURN_IF_ERROR(check_references(cache));
  return check_adaptations();
}

Status Planner::check_adaptations() const {
  std::set<std::string> loras;
  std::set<std::string> overlays;
  const auto collect = [&](const jobs::Parameters& parameters) {
    for (const auto& lora : parameters.loras) loras.insert(lora.file.path);
    if (parameters.unet_overlay) overlays.insert(parameters.unet_overlay->path);
  };
  collect(concat_settings_.parameters);
  for (const auto& settings : settings_) collect(settings.parameters);
  if (loras.empty() && overlays.empty()) return {};
  std::optional<weights::ParameterShapes> unet;  // none: only the server's workers have the models
  if (models_.files) {
    ASSIGN_OR_RETURN(unet, unet_parameters(models_.files->checkpoint));
  }
  const weights::ParameterShapes* shapes = unet ? &*unet : nullptr;
  for (const auto& path : loras) RETURN_IF_ERROR(check_lora_file(path, shapes));
  for (const auto& path : overlays) RETURN_IF_ERROR(check_overlay_file(path, shapes));
  return {};
}

Status Planner::check_references(FileDigestCache& cache) {
  for (const auto& reference : references_) {
    ASSIGN_OR_RETURN(const jobs::FileRef file, name_shared(reference, "", cache));
    RETURN_IF_ERROR(fault_of_file(looks_.image(file).status()));
  }
  return {};
}

Result<ResolvedSettings> Planner::settings_of(const Input& input) const {
  const SettingLayer config =
      config_ ? config_->layer(input.config_case) : SettingLayer{"config", {}};
  std::vector<SettingLayer> layers = {defaults_, config, SettingLayer{"manifest", input.values},
                                      preset_, request_.flags};
  if (!request_.variants.empty()) layers.push_back(request_.variants[input.variant].layer);
  if (caches_latents()) layers.insert(layers.begin(), latents_defaults());
  ASSIGN_OR_RETURN(ResolvedSettings resolved, resolve_settings(layers));
  RETURN_IF_ERROR(find_adaptation(resolved, adaptation_folders()));
  if (caches_latents()) RETURN_IF_ERROR(follow_output_fps(resolved));
  return resolved;
}

// Where relative paths of LoRAs and overlays are tried.
std::vector<std::string> Planner::adaptation_folders() const {
  std::vector<std::string> folders = {absolute_path(".").string()};
  if (config_) folders.push_back(folder_of(config_->path));
  folders.insert(folders.end(), model_folders_.begin(), model_folders_.end());
  return folders;
}

Result<std::string> Planner::reference_of(const Input& input) const {
  if (!request_.reference.empty()) return request_.reference;
  if (!input.reference.empty()) return input.reference;
  if (config_ && input.config_case < config_->cases.size()) {
    const auto& reference = config_->cases[input.config_case].reference;
    if (!reference.empty()) return locate(reference, folder_of(config_->path));
  }
  return Status(
      StatusCode::kInvalidArgument,
      fmt::format("{}: no reference image for it: give --ref-image FILE, a ref_image column in the "
                  "manifest, or ref_image_path in --config",
                  log::printable(input.path)));
}

Result<jobs::FileRef> Planner::name_shared(const std::string& path, const std::string& where,
                                           FileDigestCache& cache) {
  const auto known = shared_files_.find(path);
  if (known != shared_files_.end()) return known->second;
  return shared_files_.emplace(path, name_file(path, where, cache)).first->second;
}

Status Planner::name_adaptation(jobs::Parameters& parameters, FileDigestCache& cache) {
  for (auto& lora : parameters.loras) {
    ASSIGN_OR_RETURN(lora.file, name_shared(lora.file.path, "", cache));
  }
  if (!parameters.unet_overlay) return {};
  ASSIGN_OR_RETURN(parameters.unet_overlay, name_shared(parameters.unet_overlay->path, "", cache));
  return {};
}

Result<jobs::ClipPlan> Planner::plan_clip(std::size_t index, const OutputPlaces& places,
                                          FileDigestCache& cache) {
  const Input& input = inputs_[index];
  RETURN_IF_ERROR(input.error);
  jobs::ClipPlan clip;
  ASSIGN_OR_RETURN(clip.video, name_file(input.path, input.where, cache));
  ASSIGN_OR_RETURN(const std::string reference, reference_of(input));
  ASSIGN_OR_RETURN(clip.reference, name_shared(reference, input.where, cache));
  const ResolvedSettings& settings = settings_[settings_index_[index]];
  clip.parameters = settings.parameters;
  const LookedInputs looked = look_at_inputs(clip, looks_);
  if (request_.check_media) {
    RETURN_IF_ERROR(fault_of_file(looked.video));
    RETURN_IF_ERROR(fault_of_file(looked.reference));
  }
  RETURN_IF_ERROR(name_adaptation(clip.parameters, cache));
  clip.provenance = settings.provenance;
  clip.output = places.videos;
  clip.output.relative = input.relative;
  clip.output.save_latents = request_.save_latents;
  clip.output.save_frames = request_.save_frames;
  if (caches_latents()) cache_latents(clip, places);
  const OutputNames names(places.videos.directory, places.latents.directory);
  RETURN_IF_ERROR(
      names.check_length(input.path, input.relative, request_.save_latents || caches_latents()));
  RETURN_IF_ERROR(check_outputs_free(clip.output, clip.cache_latents));
  return clip;
}

void Planner::plan_clips(RunPlan& run, const OutputPlaces& places, FileDigestCache& cache,
                         const std::function<void(std::size_t)>& on_clip) {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    auto clip = plan_clip(i, places, cache);
    if (clip.ok() && clip->output.save_video) {
      if (Status replaces = read_.check_replaces_none(clip->output); !replaces.ok())
        clip = replaces;
    }
    if (clip.ok()) {
      OutputState outputs = request_.mode == Mode::kEncode
                                ? look_at_encode(*clip, cache)
                                : look_at_outputs(*clip, run.models.set, cache);
      run.clips.push_back({std::move(*clip), std::move(outputs.reason), outputs.seconds});
      run.clips.back().replaces = std::move(outputs.made_with);
      run.clips.back().replaces_latents = outputs.are_latents;
      run.clips.back().warnings = std::move(outputs.warnings);
    } else {
      run.refused.push_back(
          {wire::in_utf8(inputs_[i].relative), wire::in_utf8(inputs_[i].path), clip.status()});
    }
    if (on_clip) on_clip(i + 1);
  }
}

// Nothing that the run reads may be written over by it.
void Planner::note_read_files() {
  for (const auto& input : inputs_) {
    read_.add(input.path, "driving video");
    if (!input.reference.empty()) read_.add(input.reference, "reference image");
  }
  for (const auto& reference : references_) read_.add(reference, "reference image");
  for (const auto& path : request_.paths) read_.add(path, "manifest");
  read_.add(request_.config, "config");
  read_.add(request_.sentences, "list of sentences");
}

// The files to be replaced that mimicfleet did not make.
void Planner::look_for_foreign_files(RunPlan& run, const std::string& directory) {
  const OwnOutputs own(directory);
  for (auto& clip : run.clips) {
    if (!clip.reason.empty() && clip.plan.output.save_video) {
      clip.foreign = own.foreign(clip.plan.output.relative);
    }
  }
  for (auto& concat : run.concats) {
    if (!concat.reason.empty()) concat.foreign = own.foreign(concat.plan.output.relative);
  }
}

Result<RunPlan> Planner::finish(const OutputPlaces& places, FileDigestCache& cache,
                                const std::function<void(std::size_t)>& on_clip) {
  RunPlan run;
  note_read_files();
  RETURN_IF_ERROR(name_models(models_, cache));
  run.models = models_;
  run.notice = jobs::notice_of(models_.set.defaults);
  run.left_out = left_out_;
  run.preset = request_.preset;
  run.name = !request_.sentences.empty() ? request_.sentences
             : request_.paths.empty()    ? request_.config
                                         : request_.paths.front();
  if (makes_concats()) {
    RETURN_IF_ERROR(plan_concats(run, places, cache, on_clip));
  } else {
    plan_clips(run, places, cache, on_clip);
  }
  look_for_foreign_files(run, places.videos.directory);
  return run;
}

}  // namespace mimicfleet::coordinator
