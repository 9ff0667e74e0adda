#include "worker/stages/encode_latents.h"

#include <algorithm>
#include <cstdlib>
#include <future>
#include <map>
#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include "common/clock.h"
#include "common/files/atomic_file.h"
#include "common/log.h"
#include "jobs/keys.h"
#include "worker/formats/array_bytes.h"
#include "worker/formats/tensor_bytes.h"
#include "worker/models/image/reference_image.h"
#include "worker/models/pose/draw.h"
#include "worker/models/pose/retarget.h"
#include "worker/stages/driving_frames.h"
#include "worker/stages/latents_source.h"
#include "worker/stages/open_adaptation.h"
#include "worker/stages/output_files.h"
#include "worker/stages/persons.h"

namespace mimicfleet::stages {
namespace {

using jobs::FeatureKind;

constexpr std::size_t kFrameBudgetBytes = 256 << 20;
// For the estimator: two batches on a GPU, so that one is prepared while the other is computed.
constexpr std::size_t kFramesAtOnce = 2 * pose::PoseEstimator::kFramesPerGpuBatch;
static_assert(kFramesAtOnce % pose::PoseEstimator::kFramesPerBatch == 0);

jobs::FeatureKeys keys_of(const jobs::LeaseGrant& lease) {
  return jobs::feature_keys(jobs::as_read(lease.spec.video), jobs::as_read(lease.spec.reference),
                            lease.models, lease.spec.parameters);
}

// Not over what the attempt made that the task was given to since.
Status keep(const std::string& path, const std::string& bytes, runner::TaskContext& context,
            jobs::TaskResult& result) {
  RETURN_IF_ERROR(context.check_cancelled());
  RETURN_IF_ERROR(context.written(
      write_file_atomically(path, bytes, [&context] { return context.hold_lease(); })));
  result.cached_latents = jobs::FileRef{path, sha256(bytes), bytes.size()};
  return {};
}

// One encode on its way through the stages.
class Encoding {
 public:
  Encoding(Services& services, library::LoadedModels& models, const jobs::LeaseGrant& lease,
           EncodeInputs& inputs, runner::TaskContext& context)
      : services_(services),
        models_(models),
        named_models_(lease.models),
        spec_(lease.spec),
        keys_(keys_of(lease)),
        features_(services.features, lease.spec.features, context),
        inputs_(inputs),
        context_(context) {}

  [[nodiscard]] Status begin();
  [[nodiscard]] Result<runner::Outcome> run();

 private:
  struct Reference {
    at::Tensor resized;   // uint8 [3, H, W]
    at::Tensor prepared;  // uint8 [3, H, W]
  };
  // The features, and whether all of them came from the cache.
  struct Warmth {
    bool warm = true;
    double saved_seconds = 0;
  };
  [[nodiscard]] Result<Reference> prepare_reference(Warmth& warmth);
  [[nodiscard]] Result<pose::FramePose> reference_pose(const Reference& reference, Warmth& warmth);
  [[nodiscard]] Result<formats::VideoKeypoints> driving_poses(Warmth& warmth);
  [[nodiscard]] Result<bool> estimate_driving(formats::VideoKeypoints& found);
  [[nodiscard]] Result<std::vector<pose::FramePose>> estimate(const at::Tensor& frames,
                                                              const std::string& path);
  [[nodiscard]] Result<at::Tensor> pose_pictures(const pose::FramePose& own,
                                                 const formats::VideoKeypoints& driving,
                                                 const Reference& reference);
  [[nodiscard]] Result<at::Tensor> feature(jobs::Stage stage, FeatureKind kind, const Digest& key,
                                           const std::function<Result<at::Tensor>()>& make);
  [[nodiscard]] Result<svd::SampledLatents> sample();
  [[nodiscard]] Result<svd::SampledLatents> reuse(const jobs::ArtefactRef& made);
  [[nodiscard]] Status tell(const Result<std::vector<std::string>>& judged,
                            EncodeInputs::Conditions& conditions);
  [[nodiscard]] Result<jobs::ArtefactRef> store(const at::Tensor& latents);
  [[nodiscard]] std::string kept_bytes(const at::Tensor& latents) const;

  Services& services_;
  library::LoadedModels& models_;
  const jobs::ModelSet& named_models_;  // as the job names them
  const jobs::TaskSpec& spec_;
  const jobs::FeatureKeys keys_;
  const Features features_;
  EncodeInputs& inputs_;
  runner::TaskContext& context_;
  double source_fps_ = 0;
};

Result<Encoding::Reference> Encoding::prepare_reference(Warmth& warmth) {
  if (!inputs_.reference) {
    auto tensors = formats::tensors_from_bytes(std::move(inputs_.kept_reference->payload),
                                               {"resized", "prepared"});
    if (!tensors.ok()) return tensors.status().prefixed("feature cache");
    warmth.saved_seconds += inputs_.kept_reference->saved_seconds;
    return Reference{tensors->at("resized"), tensors->at("prepared")};
  }
  warmth.warm = false;
  const Instant begin = SteadyClock().now();
  const auto& image = *inputs_.reference;
  const auto& parameters = spec_.parameters;
  const image::Size size = parameters.width != 0 ? image::Size{parameters.height, parameters.width}
                                                 : image::output_size({image.height, image.width},
                                                                      parameters.resolution);
  const at::Tensor pixels =
      formats::to_tensor(std::vector{image})[0].permute({2, 0, 1}).contiguous();
  auto made = image::prepare_reference_image(pixels, size);
  if (!made.ok()) return made.status().prefixed(spec_.reference.path);
  features_.keep(
      FeatureKind::kReferenceImage, keys_.reference_image,
      formats::tensors_to_bytes({{"resized", made->resized}, {"prepared", made->prepared}}),
      inputs_.image_seconds + to_seconds(SteadyClock().now() - begin));
  return Reference{made->resized, made->prepared};
}

Result<std::vector<pose::FramePose>> Encoding::estimate(const at::Tensor& frames,
                                                        const std::string& path) {
  context_.count_call(jobs::Computation::kDetector);
  auto poses = models_.pose->estimate(frames);
  if (!poses.ok()) return poses.status().prefixed(path);
  return poses;
}

Result<pose::FramePose> Encoding::reference_pose(const Reference& reference, Warmth& warmth) {
  if (auto found = features_.find(FeatureKind::kReferenceKeypoints, keys_.reference_keypoints)) {
    auto kept = formats::keypoints_from_bytes(std::move(found->payload));
    if (kept.ok() && kept->frames.size() == 1) {
      warmth.saved_seconds += found->saved_seconds;
      return kept->frames[0];
    }
    context_.feature_damaged(FeatureKind::kReferenceKeypoints);
  }
  warmth.warm = false;
  const Instant begin = SteadyClock().now();
  ASSIGN_OR_RETURN(const auto poses,
                   estimate(reference.resized.permute({1, 2, 0}).contiguous().unsqueeze(0),
                            spec_.reference.path));
  features_.keep(FeatureKind::kReferenceKeypoints, keys_.reference_keypoints,
                 formats::keypoints_to_bytes({poses, {}, 1}),
                 to_seconds(SteadyClock().now() - begin));
  return poses.at(0);
}

// Whether the frames of which the poses are known are all that decide the clip.
bool suffices(const std::vector<pose::FramePose>& poses, std::size_t deciding) {
  const auto is_single = [](const pose::FramePose& pose) { return pose.persons.size() == 1; };
  return deciding != 0 && poses.size() >= deciding &&
         std::any_of(poses.begin(), poses.end(), is_single);
}

// True if the video has more frames than were estimated.
Result<bool> Encoding::estimate_driving(formats::VideoKeypoints& found) {
  const std::size_t deciding = deciding_frames(spec_.parameters);
  const auto is_cancelled = [this] { return context_.cancelled(); };
  const auto batch = static_cast<std::size_t>(models_.pose->frames_per_batch());
  while (!suffices(found.frames, deciding)) {
    std::size_t wanted = kFramesAtOnce;
    if (deciding >
        found.frames.size()) {  // whole batches: a frame's bits depend on those beside it
      wanted = std::min(wanted, (deciding - found.frames.size() + batch - 1) / batch * batch);
    } else if (deciding != 0) {
      wanted = batch;
    }
    ASSIGN_OR_RETURN(const auto frames, inputs_.frames->next(wanted, is_cancelled));
    if (frames.empty()) return false;
    ASSIGN_OR_RETURN(auto poses, estimate(formats::to_tensor(frames), spec_.video.path));
    std::move(poses.begin(), poses.end(), std::back_inserter(found.frames));
    context_.progress(jobs::Stage::kPreprocess, static_cast<int>(found.frames.size()));
    RETURN_IF_ERROR(context_.check_cancelled());
  }
  const std::size_t length = length_for_fit(found.frames, deciding);
  ASSIGN_OR_RETURN(const auto next, inputs_.frames->next(1, is_cancelled));
  if (next.empty()) return false;
  found.frames.resize(length);
  RETURN_IF_ERROR(inputs_.frames->check_unchanged());
  return true;
}

Result<formats::VideoKeypoints> Encoding::driving_poses(Warmth& warmth) {
  if (inputs_.keypoints) {
    warmth.saved_seconds += inputs_.keypoints_saved_seconds;
    return *std::move(inputs_.keypoints);
  }
  warmth.warm = false;
  const Instant begin = SteadyClock().now();
  formats::VideoKeypoints found{{}, inputs_.frames->info().average_fps, inputs_.frames->stride()};
  ASSIGN_OR_RETURN(const bool is_cut, estimate_driving(found));
  found.warnings = inputs_.frames->warnings();
  inputs_.frames.reset();
  features_.keep(FeatureKind::kKeypoints,
                 is_cut
                     ? first_keypoints_feature(keys_.keypoints, deciding_frames(spec_.parameters))
                     : keys_.keypoints,
                 formats::keypoints_to_bytes(found),
                 inputs_.open_seconds + to_seconds(SteadyClock().now() - begin));
  return found;
}

// What its decoder told of the frames that are used.
std::vector<std::string> decoders_warnings(const formats::VideoKeypoints& driving) {
  std::vector<std::string> warnings;
  for (const auto& [frame, text] : driving.warnings) {
    if (frame >= static_cast<std::int64_t>(driving.frames.size())) continue;
    warnings.push_back("driving video: " + text);
  }
  return warnings;
}

// uint8 [F, 3, H, W], the reference's own pose first.
Result<at::Tensor> Encoding::pose_pictures(const pose::FramePose& own,
                                           const formats::VideoKeypoints& driving,
                                           const Reference& reference) {
  RETURN_IF_ERROR(context_.check_cancelled());
  runner::StageTimer timer(context_, jobs::Stage::kDraw);
  const auto mode = spec_.parameters.retarget == jobs::Retarget::kGraft
                        ? pose::RetargetMode::kGraft
                        : pose::RetargetMode::kRescale;
  auto poses = pose::retarget(own, driving.frames, mode);
  if (!poses.ok()) return poses.status().prefixed(spec_.video.path);
  const auto limit = static_cast<std::size_t>(spec_.parameters.max_pose_frames);
  if (limit != 0 && poses->size() > std::max<std::size_t>(limit, 2)) {
    poses->resize(std::max<std::size_t>(limit, 2));
  }
  ASSIGN_OR_RETURN(
      at::Tensor pictures,
      pose::draw_poses(*poses, static_cast<int>(reference.resized.size(1)),
                       static_cast<int>(reference.resized.size(2)), spec_.parameters.pose_canvas));
  timer.finish();
  return pictures;
}

Result<at::Tensor> Encoding::feature(jobs::Stage stage, FeatureKind kind, const Digest& key,
                                     const std::function<Result<at::Tensor>()>& make) {
  RETURN_IF_ERROR(context_.check_cancelled());
  runner::StageTimer timer(context_, stage);
  ASSIGN_OR_RETURN(auto made,
                   features_.get_or_make(kind, key, {"value"}, [&]() -> Result<NamedTensors> {
                     context_.count_call(std::string(to_string(stage)));
                     ASSIGN_OR_RETURN(at::Tensor value, make());
                     return NamedTensors{{"value", std::move(value)}};
                   }));
  timer.finish(made.warm, made.saved_seconds);
  return made.tensors.at("value");
}

Result<svd::SampledLatents> Encoding::sample() {
  source_fps_ = inputs_.conditions->source_fps;
  const jobs::Sampling& sampling = spec_.parameters;
  context_.progress(jobs::Stage::kDenoise, 0, sampling.steps);
  ASSIGN_OR_RETURN(auto sampled,
                   svd::sample_latents(
                       models_.diffusion, inputs_.conditions->image, inputs_.conditions->poses,
                       sampling, [this](const svd::SamplingProgress& progress) {
                         services_.metrics.unet_evaluations.add(progress.evaluations);
                         const bool step_ends = progress.tile == progress.tiles;
                         if (step_ends) {
                           context_.progress(jobs::Stage::kDenoise, progress.step, progress.steps);
                         }
                         return !context_.cancelled();
                       }));
  context_.add_time(jobs::Stage::kPoseNet, sampled.pose_net_seconds, false);
  context_.add_time(jobs::Stage::kDenoise, sampled.denoise_seconds, false);
  if (!at::isfinite(sampled.latents).all().item<bool>()) {
    return Status(
        StatusCode::kBadInput,
        fmt::format(
            "{}: the models made numbers that are not finite in {}; use --precision fp32, or "
            "other models",
            spec_.video.path, to_string(services_.device.precision)));
  }
  return sampled;
}

// Puts warnings into the log, the attempt's report, and beside the latents that come of them.
Status Encoding::tell(const Result<std::vector<std::string>>& judged,
                      EncodeInputs::Conditions& conditions) {
  if (!judged.ok()) return judged.status();
  for (const auto& warning : *judged) {
    log::warn("{}: {}", log::printable(spec_.name), log::printable(warning));
    context_.warn(warning);
    conditions.warnings.push_back(warning);
  }
  return {};
}

Result<jobs::ArtefactRef> Encoding::store(const at::Tensor& latents) {
  formats::LatentsMetadata metadata = {{"format", "mimicfleet.latents.1"},
                                       {"key", spec_.key.hex()},
                                       {"vae", models_.set.vae.hex()},
                                       {"source_fps", fmt::format("{}", source_fps_)},
                                       {"num_frames", std::to_string(latents.size(1))},
                                       {"height", std::to_string(latents.size(3) * 8)},
                                       {"width", std::to_string(latents.size(4) * 8)}};
  formats::put_warnings(inputs_.conditions->warnings, metadata);
  const std::string bytes = formats::latents_to_bytes(latents, metadata);
  auto stored = services_.artefacts.put(spec_.key, services_.device.numerics, bytes);
  RETURN_IF_ERROR(context_.written(stored.status()));
  return stored;
}

// In half precision, as the original keeps them.
std::string Encoding::kept_bytes(const at::Tensor& latents) const {
  const auto metadata =
      formats::saved_metadata({.key = spec_.key,
                               .models = named_models_,
                               .parameters = spec_.parameters,
                               .driving = spec_.video,
                               .reference = spec_.reference,
                               .numerics = services_.device.numerics,
                               .fps = spec_.parameters.fps > 0 ? spec_.parameters.fps : source_fps_,
                               .frames = latents.size(1),
                               .height = latents.size(3) * 8,
                               .width = latents.size(4) * 8,
                               .half = true,
                               .warnings = context_.warnings()});
  return formats::latents_to_bytes(latents.to(at::kHalf), metadata);
}

// What this worker's store has of the same encode.
Result<svd::SampledLatents> Encoding::reuse(const jobs::ArtefactRef& made) {
  auto bytes = services_.artefacts.read(made.content);
  if (!bytes.ok()) return Status(StatusCode::kUnavailable, bytes.status().message());
  ASSIGN_OR_RETURN(
      const formats::Latents latents,
      formats::latents_from_bytes(*std::move(bytes), "latents of " + spec_.video.path));
  for (std::string& warning : formats::warnings_of(latents.metadata))
    context_.warn(std::move(warning));
  const auto fps = latents.metadata.find("source_fps");
  if (fps != latents.metadata.end()) source_fps_ = std::strtod(fps->second.c_str(), nullptr);
  context_.add_time(jobs::Stage::kDenoise, 0, true);
  svd::SampledLatents sampled;
  sampled.latents = formats::to_tensor(latents);
  return sampled;
}

// CLIP and the VAE's encoder see the reference image alone: while they run, the first frames are
// decoded.
Status Encoding::begin() {
  runner::StageTimer of_reference(context_, jobs::Stage::kPreprocess);
  Warmth warmth;
  ASSIGN_OR_RETURN(const Reference reference, prepare_reference(warmth));
  of_reference.finish(warmth.warm, std::exchange(warmth.saved_seconds, 0));
  EncodeInputs::Conditions conditions;
  ASSIGN_OR_RETURN(
      conditions.image.clip_embedding,
      feature(jobs::Stage::kClip, FeatureKind::kClipEmbedding, keys_.clip_embedding,
              [&] { return svd::encode_clip(models_.diffusion, reference.prepared); }));
  ASSIGN_OR_RETURN(conditions.image.vae_latent,
                   feature(jobs::Stage::kVaeEncode, FeatureKind::kVaeLatent, keys_.vae_latent, [&] {
                     return svd::encode_image_latent(models_.diffusion, reference.prepared,
                                                     spec_.parameters.seed,
                                                     spec_.parameters.noise_aug_strength);
                   }));
  RETURN_IF_ERROR(context_.check_cancelled());
  runner::StageTimer of_poses(context_, jobs::Stage::kPreprocess);
  ASSIGN_OR_RETURN(const auto own_pose, reference_pose(reference, warmth));
  RETURN_IF_ERROR(tell(judge_reference(own_pose, spec_.reference.path), conditions));
  ASSIGN_OR_RETURN(auto driving, driving_poses(warmth));
  // The same frames whether all are known or only these, for the fit as for the warnings.
  driving.frames.resize(length_for_fit(driving.frames, deciding_frames(spec_.parameters)));
  RETURN_IF_ERROR(tell(decoders_warnings(driving), conditions));
  RETURN_IF_ERROR(
      tell(judge_driving(driving.frames, driving.stride, spec_.video.path), conditions));
  of_poses.finish(warmth.warm, warmth.saved_seconds);
  conditions.source_fps = driving.average_fps.value() / static_cast<double>(driving.stride);
  ASSIGN_OR_RETURN(conditions.poses, pose_pictures(own_pose, driving, reference));
  inputs_.conditions = std::move(conditions);
  return {};
}

Result<runner::Outcome> Encoding::run() {
  runner::Outcome outcome;
  jobs::TaskResult& result = outcome.result;
  ASSIGN_OR_RETURN(const auto sampled, inputs_.made ? reuse(*inputs_.made) : sample());
  const at::Tensor& latents = sampled.latents;
  if (inputs_.made) {
    result.latents = inputs_.made;
  } else {
    ASSIGN_OR_RETURN(result.latents, store(latents));
  }
  if (!inputs_.kept_path.empty()) {
    outcome.finish = [&context = context_, path = inputs_.kept_path, bytes = kept_bytes(latents)](
                         jobs::TaskResult& kept) { return keep(path, bytes, context, kept); };
  }
  result.frames = static_cast<std::int32_t>(latents.size(1));
  result.unet_evaluations = sampled.unet_evaluations;
  result.tiles = sampled.tiles;
  result.height = static_cast<std::int32_t>(latents.size(3) * 8);
  result.width = static_cast<std::int32_t>(latents.size(4) * 8);
  result.source_fps = source_fps_;
  result.numerics = services_.device.numerics;
  return outcome;
}

// Key points out of the cache: those of all frames, or of as many as are needed.
std::optional<formats::VideoKeypoints> find_keypoints(const Features& features, const Digest& key,
                                                      std::size_t deciding,
                                                      runner::TaskContext& context,
                                                      EncodeInputs& inputs) {
  auto found = features.find(FeatureKind::kKeypoints, key);
  if (!found && deciding != 0) {
    found = features.find(FeatureKind::kKeypoints, first_keypoints_feature(key, deciding));
  }
  if (!found) return std::nullopt;
  auto keypoints = formats::keypoints_from_bytes(std::move(found->payload));
  if (keypoints.ok()) {
    inputs.keypoints_saved_seconds = found->saved_seconds;
    return *std::move(keypoints);
  }
  context.feature_damaged(FeatureKind::kKeypoints);
  return std::nullopt;
}

// How the client's version of the program reads a file.
Result<media::Reading> reading_of(const jobs::FileRef& file) {
  if (const auto reading = media::Reading::parse(file.reading)) return *reading;
  return Status(
      StatusCode::kUnsupported,
      fmt::format("{}: is to be read as '{}', which this worker's version cannot; update it",
                  file.path, log::printable(file.reading)));
}

// The prepared image out of the cache.
std::optional<Features::Found> find_reference(const Features& features, const Digest& key,
                                              runner::TaskContext& context) {
  auto found = features.find(FeatureKind::kReferenceImage, key);
  if (!found) return std::nullopt;
  const auto arrays =
      formats::parse_arrays(found->payload, "a reference image in the feature cache");
  Status status = arrays.status();
  for (const char* name : {"resized", "prepared"}) {
    if (status.ok()) status = formats::array_of(*arrays, name, weights::DType::kU8, 3).status();
  }
  if (status.ok()) return found;
  log::warn("{}; it is made again", log::printable(status.message()));
  context.feature_damaged(FeatureKind::kReferenceImage);
  return std::nullopt;
}

// The stream of frames to find key points in.
Status open_video(StableFile video, const jobs::TaskSpec& spec,
                  std::shared_ptr<media::MediaStop> stop, runner::TaskContext& context,
                  EncodeInputs& inputs) {
  const Instant begin = SteadyClock().now();
  ASSIGN_OR_RETURN(const media::Reading reading, reading_of(spec.video));
  context.count_call(jobs::Computation::kVideoDecode);
  ASSIGN_OR_RETURN(inputs.frames, FrameStream::open(std::move(video), spec.parameters.sample_stride,
                                                    kFrameBudgetBytes, reading, std::move(stop)));
  inputs.open_seconds = to_seconds(SteadyClock().now() - begin);
  return {};
}

Status read_reference(const StableFile& reference, const jobs::TaskSpec& spec,
                      std::shared_ptr<media::MediaStop> stop, runner::TaskContext& context,
                      EncodeInputs& inputs) {
  ASSIGN_OR_RETURN(const media::Reading reading, reading_of(spec.reference));
  const Instant begin = SteadyClock().now();
  context.count_call(jobs::Computation::kImageDecode);
  auto read = media::read_image_as(reference, reading, {}, std::move(stop));
  RETURN_IF_ERROR(reference.check_unchanged());  // says more than what a torn file looks like
  RETURN_IF_ERROR(read.status());
  inputs.reference = std::move(read->image);
  inputs.image_seconds = to_seconds(SteadyClock().now() - begin);
  return {};
}

// Latents of the same inputs in this worker's store.
std::optional<jobs::ArtefactRef> made_before(const Services& services,
                                             const jobs::LeaseGrant& lease,
                                             runner::TaskContext& context) {
  if (!lease.spec.reuse_latents) return std::nullopt;
  auto own = services.artefacts.find(lease.spec.key, services.device.numerics);
  if (own) return own;
  for (const auto& input : lease.inputs) {
    const bool same =
        input.artefact.key == lease.spec.key && input.artefact.numerics == services.device.numerics;
    if (!same) continue;
    runner::StageTimer timer(context, jobs::Stage::kTransfer);
    bool local = true;
    if (!fetch_into_store(services, input, context, local).ok()) continue;  // then it is made
    timer.finish(local);
    return input.artefact;
  }
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<EncodeInputs>> prepare_encode(const Services& services,
                                                     const jobs::LeaseGrant& lease,
                                                     runner::TaskContext& context) {
  auto inputs = std::make_unique<EncodeInputs>();
  for (const std::string& warning : lease.spec.warnings) context.warn(warning);
  if (lease.spec.cache_latents) {
    auto kept_path = open_latents_target(*lease.spec.cache_latents, services.inputs);
    RETURN_IF_ERROR(context.written(kept_path.status()));
    inputs->kept_path = *std::move(kept_path);
  }
  inputs->made = made_before(services, lease, context);
  if (inputs->made) return inputs;
  runner::StageTimer timer(context, jobs::Stage::kPreprocess);
  const jobs::FeatureKeys keys = keys_of(lease);
  const Features features(services.features, lease.spec.features, context);
  ASSIGN_OR_RETURN(StableFile video, services.inputs.open_input(lease.spec.video));
  ASSIGN_OR_RETURN(const StableFile reference, services.inputs.open_input(lease.spec.reference));
  ASSIGN_OR_RETURN(inputs->adaptation,
                   open_adaptation(services.inputs, lease.models.diffusion, lease.spec.parameters));
  inputs->keypoints = find_keypoints(features, keys.keypoints,
                                     deciding_frames(lease.spec.parameters), context, *inputs);
  inputs->kept_reference = find_reference(features, keys.reference_image, context);
  // Each starts a process that decodes, and that a cancelled attempt does not wait for.
  const auto stop = std::make_shared<media::MediaStop>();
  const auto on_cancel = context.on_cancel([stop] { stop->stop(); });
  auto image = std::async(std::launch::async, [&] {
    return inputs->kept_reference ? Status()
                                  : read_reference(reference, lease.spec, stop, context, *inputs);
  });
  const Status opened = inputs->keypoints
                            ? Status()
                            : open_video(std::move(video), lease.spec, stop, context, *inputs);
  const Status read = image.get();
  RETURN_IF_ERROR(opened);
  RETURN_IF_ERROR(read);
  timer.finish(!inputs->frames && !inputs->reference);
  return inputs;
}

Status condition_encode(Services& services, library::LoadedModels& models,
                        const jobs::LeaseGrant& lease, EncodeInputs& inputs,
                        runner::TaskContext& context) {
  return Encoding(services, models, lease, inputs, context).begin();
}

Result<runner::Outcome> run_encode(Services& services, library::LoadedModels& models,
                                   const jobs::LeaseGrant& lease, EncodeInputs& inputs,
                                   runner::TaskContext& context) {
  return Encoding(services, models, lease, inputs, context).run();
}

}  // namespace mimicfleet::stages
