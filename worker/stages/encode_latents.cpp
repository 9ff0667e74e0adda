#include "worker/stages/encode_latents.h"

#include <algorithm>

#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include "worker/cache/feature_keys.h"
#include "worker/models/image/reference_image.h"
#include "worker/models/pose/draw.h"
#include "worker/models/pose/retarget.h"
#include "worker/stages/tensor_bytes.h"

namespace mimicfleet::stages {
namespace {

using cache::EntryKind;

constexpr std::size_t kFrameBudgetBytes = 256 << 20;
constexpr std::size_t kFramesAtOnce = 4 * pose::PoseEstimator::kFramesPerBatch;

// The names of all that one encode may find in the cache.
struct Keys {
  Digest keypoints;
  Digest reference_image;
  Digest reference_keypoints;
  Digest clip_embedding;
  Digest vae_latent;

  Keys(const jobs::NumericsClass& numerics, const jobs::TaskSpec& spec, const jobs::ModelSet& models)
      : keypoints(cache::keypoints_key(numerics, spec.video.digest, models.detector, spec.parameters)),
        reference_image(cache::reference_image_key(numerics, spec.reference.digest, spec.parameters)),
        reference_keypoints(cache::reference_keypoints_key(reference_image, models.detector)),
        clip_embedding(cache::clip_embedding_key(reference_image, models.clip)),
        vae_latent(cache::vae_latent_key(reference_image, models.vae, spec.parameters)) {}
};

// One encode on its way through the stages.
class Encoding {
 public:
  Encoding(Services& services, LoadedModels& models, const jobs::LeaseGrant& lease, EncodeInputs& inputs,
           runner::TaskContext& context)
      : services_(services),
        models_(models),
        spec_(lease.spec),
        keys_(services.device.numerics, lease.spec, lease.models),
        inputs_(inputs),
        context_(context) {}

  [[nodiscard]] Result<jobs::TaskResult> run();

 private:
  struct Reference {
    at::Tensor resized;   // uint8 [3, H, W]
    at::Tensor prepared;  // uint8 [3, H, W]
    bool warm = false;
  };
  [[nodiscard]] Result<Reference> prepare_reference();
  [[nodiscard]] Result<pose::FramePose> reference_pose(const Reference& reference, bool& warm);
  [[nodiscard]] Result<VideoKeypoints> driving_poses(bool& warm);
  [[nodiscard]] Result<at::Tensor> pose_pictures(const Reference& reference);
  [[nodiscard]] Result<at::Tensor> feature(const char* stage, EntryKind kind, const Digest& key,
                                           const std::function<Result<at::Tensor>()>& make);
  [[nodiscard]] Result<at::Tensor> sample(const svd::ImageConditioning& conditioning,
                                          const at::Tensor& poses);
  [[nodiscard]] Result<jobs::ArtefactRef> keep(const at::Tensor& latents);

  Services& services_;
  LoadedModels& models_;
  const jobs::TaskSpec& spec_;
  const Keys keys_;
  EncodeInputs& inputs_;
  runner::TaskContext& context_;
  double source_fps_ = 0;
};

Result<Encoding::Reference> Encoding::prepare_reference() {
  if (!inputs_.reference) {
    auto tensors = tensors_from_bytes(std::move(inputs_.reference_bytes), {"resized", "prepared"});
    if (!tensors.ok()) return tensors.status().prefixed("feature cache");
    return Reference{tensors->at("resized"), tensors->at("prepared"), true};
  }
  const auto& image = *inputs_.reference;
  const auto& parameters = spec_.parameters;
  const image::Size size = parameters.width != 0
                               ? image::Size{parameters.height, parameters.width}
                               : image::output_size({image.height, image.width}, parameters.resolution);
  const at::Tensor pixels = to_tensor(std::vector{image})[0].permute({2, 0, 1}).contiguous();
  auto made = image::prepare_reference_image(pixels, size);
  if (!made.ok()) return made.status().prefixed(spec_.reference.path);
  services_.features.put(EntryKind::kReferenceImage, keys_.reference_image,
                         tensors_to_bytes({{"resized", made->resized}, {"prepared", made->prepared}}));
  return Reference{made->resized, made->prepared, false};
}

Result<pose::FramePose> Encoding::reference_pose(const Reference& reference, bool& warm) {
  if (auto bytes = services_.features.get(EntryKind::kReferenceKeypoints, keys_.reference_keypoints)) {
    auto kept = keypoints_from_bytes(std::move(*bytes));
    if (kept.ok() && kept->frames.size() == 1) return kept->frames[0];
  }
  warm = false;
  auto poses = models_.pose->estimate(reference.resized.permute({1, 2, 0}).contiguous().unsqueeze(0));
  if (!poses.ok()) return poses.status().prefixed(spec_.reference.path);
  services_.features.put(EntryKind::kReferenceKeypoints, keys_.reference_keypoints,
                         keypoints_to_bytes({*poses, {}, 1}));
  return poses->at(0);
}

Result<VideoKeypoints> Encoding::driving_poses(bool& warm) {
  if (inputs_.keypoints) return *std::move(inputs_.keypoints);
  warm = false;
  VideoKeypoints found{{}, inputs_.frames->info().average_fps, inputs_.frames->stride()};
  for (;;) {
    ASSIGN_OR_RETURN(const auto frames,
                     inputs_.frames->next(kFramesAtOnce, [this] { return context_.cancelled(); }));
    if (frames.empty()) break;
    auto poses = models_.pose->estimate(to_tensor(frames));
    if (!poses.ok()) return poses.status().prefixed(spec_.video.path);
    std::move(poses->begin(), poses->end(), std::back_inserter(found.frames));
    context_.progress("preprocess", static_cast<int>(found.frames.size()));
    RETURN_IF_ERROR(context_.check_cancelled());
  }
  inputs_.frames.reset();
  services_.features.put(EntryKind::kKeypoints, keys_.keypoints, keypoints_to_bytes(found));
  return found;
}

// uint8 [F, 3, H, W], the reference's own pose first.
Result<at::Tensor> Encoding::pose_pictures(const Reference& reference) {
  runner::StageTimer timer(context_, "preprocess");
  bool warm = reference.warm;
  ASSIGN_OR_RETURN(const auto own, reference_pose(reference, warm));
  ASSIGN_OR_RETURN(const auto driving, driving_poses(warm));
  source_fps_ = driving.average_fps.value() / static_cast<double>(driving.stride);
  const auto mode = spec_.parameters.retarget == jobs::Retarget::kGraft ? pose::RetargetMode::kGraft
                                                                        : pose::RetargetMode::kRescale;
  auto poses = pose::retarget(own, driving.frames, mode);
  if (!poses.ok()) return poses.status().prefixed(spec_.video.path);
  // As in the original the fit sees all frames; only then the sequence is cut.
  const auto limit = static_cast<std::size_t>(spec_.parameters.max_pose_frames);
  if (limit != 0 && poses->size() > std::max<std::size_t>(limit, 2)) {
    poses->resize(std::max<std::size_t>(limit, 2));
  }
  ASSIGN_OR_RETURN(at::Tensor pictures, pose::draw_poses(*poses, static_cast<int>(reference.resized.size(1)),
                                                         static_cast<int>(reference.resized.size(2)),
                                                         spec_.parameters.pose_canvas));
  timer.finish(warm);
  return pictures;
}

Result<at::Tensor> Encoding::feature(const char* stage, EntryKind kind, const Digest& key,
                                     const std::function<Result<at::Tensor>()>& make) {
  RETURN_IF_ERROR(context_.check_cancelled());
  runner::StageTimer timer(context_, stage);
  ASSIGN_OR_RETURN(auto made,
                   services_.features.get_or_make(kind, key, {"value"}, [&]() -> Result<NamedTensors> {
                     ASSIGN_OR_RETURN(at::Tensor value, make());
                     return NamedTensors{{"value", std::move(value)}};
                   }));
  timer.finish(made.warm);
  return made.tensors.at("value");
}

Result<at::Tensor> Encoding::sample(const svd::ImageConditioning& conditioning, const at::Tensor& poses) {
  RETURN_IF_ERROR(context_.check_cancelled());
  const auto& parameters = spec_.parameters;
  svd::SamplingParameters sampling;
  sampling.scheduler = parameters.scheduler == jobs::SchedulerKind::kLcm ? svd::SchedulerKind::kLcm
                                                                         : svd::SchedulerKind::kEuler;
  sampling.steps = parameters.steps;
  sampling.min_guidance = sampling.max_guidance = parameters.guidance_scale;
  sampling.tile = parameters.tile_frames;
  sampling.overlap = parameters.tile_overlap;
  sampling.motion_fps = parameters.motion_fps;
  sampling.noise_aug_strength = parameters.noise_aug_strength;
  sampling.seed = parameters.seed;
  context_.progress("denoise", 0, sampling.steps);
  ASSIGN_OR_RETURN(auto sampled, svd::sample_latents(models_.diffusion, conditioning, poses, sampling,
                                                     [this](const svd::SamplingProgress& progress) {
                                                       const bool step_ends = progress.tile == progress.tiles;
                                                       if (step_ends) {
                                                         context_.progress("denoise", progress.step,
                                                                           progress.steps);
                                                       }
                                                       return !context_.cancelled();
                                                     }));
  context_.add_time("pose_net", sampled.pose_net_seconds, false);
  context_.add_time("denoise", sampled.denoise_seconds, false);
  if (!at::isfinite(sampled.latents).all().item<bool>()) {
    return Status(
        StatusCode::kBadInput,
        fmt::format("{}: the models made numbers that are not finite in {}; use --precision fp32, or "
                    "other models",
                    spec_.video.path, to_string(services_.device.precision)));
  }
  return sampled.latents;
}

Result<jobs::ArtefactRef> Encoding::keep(const at::Tensor& latents) {
  const std::string bytes = latents_to_bytes(latents, {{"format", "mimicfleet.latents.1"},
                                                       {"key", spec_.key.hex()},
                                                       {"vae", models_.set.vae.hex()},
                                                       {"num_frames", std::to_string(latents.size(1))},
                                                       {"height", std::to_string(latents.size(3) * 8)},
                                                       {"width", std::to_string(latents.size(4) * 8)}});
  return services_.artefacts.put(spec_.key, services_.device.numerics, bytes);
}

Result<jobs::TaskResult> Encoding::run() {
  ASSIGN_OR_RETURN(const Reference reference, prepare_reference());
  ASSIGN_OR_RETURN(const at::Tensor poses, pose_pictures(reference));
  svd::ImageConditioning conditioning;
  ASSIGN_OR_RETURN(conditioning.clip_embedding,
                   feature("clip", EntryKind::kClipEmbedding, keys_.clip_embedding,
                           [&] { return svd::encode_clip(models_.diffusion, reference.prepared); }));
  ASSIGN_OR_RETURN(
      conditioning.vae_latent, feature("vae_encode", EntryKind::kVaeLatent, keys_.vae_latent, [&] {
        return svd::encode_image_latent(models_.diffusion, reference.prepared, spec_.parameters.seed,
                                        spec_.parameters.noise_aug_strength);
      }));
  ASSIGN_OR_RETURN(const at::Tensor latents, sample(conditioning, poses));
  jobs::TaskResult result;
  ASSIGN_OR_RETURN(result.latents, keep(latents));
  result.frames = static_cast<std::int32_t>(latents.size(1));
  result.height = static_cast<std::int32_t>(reference.prepared.size(1));
  result.width = static_cast<std::int32_t>(reference.prepared.size(2));
  result.source_fps = source_fps_;
  result.numerics = services_.device.numerics;
  return result;
}

}  // namespace

Result<std::unique_ptr<EncodeInputs>> prepare_encode(const Services& services, const jobs::LeaseGrant& lease,
                                                     runner::TaskContext& context) {
  runner::StageTimer timer(context, "preprocess");
  const Keys keys(services.device.numerics, lease.spec, lease.models);
  ASSIGN_OR_RETURN(StableFile video, services.inputs.open_input(lease.spec.video));
  ASSIGN_OR_RETURN(const StableFile reference, services.inputs.open_input(lease.spec.reference));
  auto inputs = std::make_unique<EncodeInputs>();
  if (auto bytes = services.features.get(EntryKind::kKeypoints, keys.keypoints)) {
    auto keypoints = keypoints_from_bytes(std::move(*bytes));
    if (keypoints.ok()) inputs->keypoints = std::move(*keypoints);
  }
  bool warm = true;
  if (!inputs->keypoints) {
    warm = false;
    ASSIGN_OR_RETURN(inputs->frames, FrameStream::open(std::move(video), lease.spec.parameters.sample_stride,
                                                       kFrameBudgetBytes));
  }
  if (auto bytes = services.features.get(EntryKind::kReferenceImage, keys.reference_image)) {
    inputs->reference_bytes = std::move(*bytes);
  } else {
    warm = false;
    ASSIGN_OR_RETURN(inputs->reference, av::read_image(reference));
  }
  timer.finish(warm);
  return inputs;
}

Result<jobs::TaskResult> run_encode(Services& services, LoadedModels& models, const jobs::LeaseGrant& lease,
                                    EncodeInputs& inputs, runner::TaskContext& context) {
  return Encoding(services, models, lease, inputs, context).run();
}

}  // namespace mimicfleet::stages
