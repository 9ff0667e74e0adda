#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include "worker/models/nn/accelerator.h"
#include "worker/models/nn/guarded.h"
#include "worker/models/nn/transfer.h"
#include "worker/models/svd/autoencoder.h"
#include "worker/models/svd/noise.h"
#include "worker/models/svd/pipeline.h"
#include "worker/models/svd/pose_net.h"
#include "worker/models/svd/tiles.h"
#include "worker/models/svd/unet.h"

namespace mimicfleet::svd {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// What differs between the two passes of classifier-free guidance. The unconditional one sees
// neither the reference image nor the pose.
struct Pass {
  at::Tensor context;       // [1, 1, X]
  at::Tensor image_latent;  // [1, 1, 4, h, w]
  bool with_pose;
};

class Sampler {
 public:
  Sampler(const DiffusionModels& models, const ImageConditioning& conditioning,
          const jobs::Sampling& parameters, const Scheduler& scheduler, std::int64_t frames)
      : models_(models),
        scheduler_(scheduler),
        tiling_(make_tiling(frames, parameters.tile_frames, parameters.tile_overlap)),
        weights_(on_device(tile_weights(tiling_.size)).view({-1, 1, 1, 1})),
        weight_sums_(on_device(summed_weights(tiling_, frames)).view({-1, 1, 1, 1})),
        guidance_(on_device(at::linspace(
                                parameters.min_guidance_scale.value_or(parameters.guidance_scale),
                                parameters.guidance_scale, frames, at::kFloat))
                      .view({-1, 1, 1, 1})),
        time_ids_(make_time_ids(parameters)),
        guided_(jobs::guided_steps(parameters)) {
    const at::Tensor context = conditioning.clip_embedding.to(models.device, models.dtype);
    const at::Tensor latent = conditioning.vae_latent.to(models.device, models.dtype).unsqueeze(1);
    passes_.push_back({at::zeros_like(context), at::zeros_like(latent), false});
    passes_.push_back({context, latent, true});
  }

  [[nodiscard]] const Tiling& tiling() const { return tiling_; }
  [[nodiscard]] std::int64_t unet_evaluations() const { return unet_evaluations_; }

  // Features of all pictures, once a clip, a tile's worth at a time. pose_u8: [F, 3, H, W] -> [F,
  // C0, h, w].
  void embed_pose(const at::Tensor& pose_u8) {
    std::vector<at::Tensor> parts;
    for (const auto& pictures : pose_u8.split(tiling_.size)) {
      const at::Tensor pixels =
          nn::to_device(pictures, models_.device, at::kByte).to(at::kFloat).div_(127.5).sub_(1);
      parts.push_back((*models_.pose_net)(pixels.to(models_.dtype)));
    }
    pose_features_ = at::cat(parts);
  }

  // What the models predict for [1, F, 4, h, w] at step `step`, or nothing if `on_progress` said
  // stop.
  std::optional<at::Tensor> predict(const at::Tensor& latents, int step,
                                    const OnSamplingProgress& on_progress) {
    // [1, F, 4, h, w]
    const at::Tensor scaled = scheduler_.scale_model_input(latents, step).to(models_.dtype);
    const std::span<const Pass> passes = passes_of(step);
    std::vector<at::Tensor> sums;
    for (std::size_t i = 0; i < passes.size(); ++i) sums.push_back(at::zeros_like(latents));
    int tile_number = 0;
    for (const auto& tile : tiling_.tiles) {
      const std::vector<at::Tensor> predicted = predict_tile(passes, scaled, tile, step);
      for (std::size_t i = 0; i < sums.size(); ++i) add_tile(sums[i], predicted[i], weights_, tile);
      ++tile_number;
      const SamplingProgress progress{step + 1, scheduler_.steps(), tile_number,
                                      static_cast<int>(tiling_.tiles.size()),
                                      static_cast<int>(passes.size())};
      if (on_progress && !on_progress(progress)) return std::nullopt;
    }
    for (auto& sum : sums) sum.div_(weight_sums_);
    // unconditional + guidance * (conditional - unconditional)
    return sums.size() == 1 ? sums[0]
                            : sums[0] + guidance_ * (sums[1] - sums[0]);  // [1, F, 4, h, w]
  }

 private:
  [[nodiscard]] at::Tensor on_device(const at::Tensor& tensor) const {
    return tensor.to(models_.device);
  }

  // SVD was conditioned on fps - 1.
  [[nodiscard]] at::Tensor make_time_ids(const jobs::Sampling& parameters) const {
    const at::Tensor ids = at::zeros({1, 3}, at::kFloat);
    auto* values = ids.mutable_data_ptr<float>();
    values[0] = static_cast<float>(parameters.motion_fps - 1);
    values[1] = static_cast<float>(parameters.motion_bucket_id);
    values[2] = static_cast<float>(parameters.noise_aug_strength);
    return on_device(ids);
  }

  // Both, or of a step without guidance the conditional one alone.
  [[nodiscard]] std::span<const Pass> passes_of(int step) const {
    return std::span(passes_).subspan(guided_.has(step) ? 0 : 1);
  }

  // Of each pass what the UNet says of a tile: [1, tile, 4, h, w] float32.
  [[nodiscard]] std::vector<at::Tensor> predict_tile(std::span<const Pass> passes,
                                                     const at::Tensor& scaled, const Tile& tile,
                                                     int step) {
    unet_evaluations_ += static_cast<std::int64_t>(passes.size());
    std::vector<UnetInput> inputs;
    inputs.reserve(passes.size());
    for (const Pass& pass : passes) inputs.push_back(unet_input(pass, scaled, tile, step));
    if (models_.passes_together && inputs.size() == 2) {
      return run(together(inputs[0], inputs[1]), constants_of_both_).split(1);
    }
    std::vector<at::Tensor> predicted;
    predicted.reserve(inputs.size());
    for (UnetInput& input : inputs) {
      auto& constants = input.pose_features.defined() ? constants_with_pose_ : constants_without_;
      predicted.push_back(run(std::move(input), constants));
    }
    return predicted;
  }

  // Of a kind of input whose context is the same each time; `constants` are made at the first.
  [[nodiscard]] at::Tensor run(UnetInput input, std::optional<UnetConstants>& constants) const {
    if (!constants) constants = models_.unet->constants(input.context, tiling_.size);
    input.constants = &*constants;
    return (*models_.unet)(input).to(at::kFloat);
  }

  [[nodiscard]] UnetInput unet_input(const Pass& pass, const at::Tensor& scaled, const Tile& tile,
                                     int step) const {
    const at::Tensor image = pass.image_latent.expand({1, tiling_.size, -1, -1, -1});
    UnetInput input;
    input.sample = at::cat({take_tile(scaled, tile, 1), image}, 2);  // [1, tile, 8, h, w]
    input.timestep = scheduler_.timesteps()[static_cast<std::size_t>(step)];
    input.context = pass.context;
    input.time_ids = time_ids_;
    if (pass.with_pose)
      input.pose_features = take_tile(pose_features_, tile, 0);  // [tile, C0, h, w]
    return input;
  }

  // Both as one batch of two clips.
  [[nodiscard]] static UnetInput together(const UnetInput& without_pose,
                                          const UnetInput& with_pose) {
    UnetInput input = with_pose;
    input.sample = at::cat({without_pose.sample, with_pose.sample});     // [2, tile, 8, h, w]
    input.context = at::cat({without_pose.context, with_pose.context});  // [2, 1, X]
    input.time_ids = at::cat({without_pose.time_ids, with_pose.time_ids});
    return input;
  }

  const DiffusionModels& models_;
  const Scheduler& scheduler_;
  Tiling tiling_;
  at::Tensor weights_;      // [tile, 1, 1, 1]
  at::Tensor weight_sums_;  // [F, 1, 1, 1]
  at::Tensor guidance_;     // [F, 1, 1, 1]
  at::Tensor time_ids_;     // [1, 3]
  jobs::StepRange guided_;
  std::vector<Pass> passes_;  // the unconditional one, the conditional one
  std::optional<UnetConstants> constants_of_both_;
  std::optional<UnetConstants> constants_with_pose_;
  std::optional<UnetConstants> constants_without_;
  at::Tensor pose_features_;
  std::int64_t unet_evaluations_ = 0;
};

Status check_sizes(const DiffusionModels& models, const ImageConditioning& conditioning,
                   const at::Tensor& pose) {
  if (pose.dim() != 4 || pose.size(1) != 3 || pose.size(0) < 2) {
    return {StatusCode::kInvalidArgument,
            "pose pictures: not of the form [2 or more, 3, height, width]"};
  }
  const std::int64_t height = pose.size(2);
  const std::int64_t width = pose.size(3);
  const std::int64_t multiple = models.vae->scale() * models.unet->size_multiple();
  if (height % multiple != 0 || width % multiple != 0) {
    return {StatusCode::kInvalidArgument,
            fmt::format("resolution: {}x{} pixels do not fit these models; give multiples of {}",
                        width, height, multiple)};
  }
  const std::int64_t scale = models.vae->scale();
  if (conditioning.clip_embedding.sizes() !=
          at::IntArrayRef{1, 1, models.unet->context_channels()} ||
      conditioning.vae_latent.sizes() != at::IntArrayRef{1, 4, height / scale, width / scale}) {
    return {StatusCode::kInvalidArgument,
            "image conditioning: made by other models or for another size"};
  }
  return {};
}

}  // namespace

Result<SampledLatents> sample_latents(const DiffusionModels& models,
                                      const ImageConditioning& conditioning,
                                      const at::Tensor& pose_u8, const jobs::Sampling& parameters,
                                      const OnSamplingProgress& on_progress,
                                      const OnSamplingStep& on_step) {
  RETURN_IF_ERROR(check_sizes(models, conditioning, pose_u8));
  auto made = parameters.scheduler == jobs::SchedulerKind::kEuler
                  ? make_euler(models.scheduler, parameters.steps)
                  : make_lcm(parameters.lcm, parameters.steps);
  ASSIGN_OR_RETURN(const auto scheduler, std::move(made));
  return nn::guarded("sampling", [&]() -> Result<SampledLatents> {
    SampledLatents sampled;
    const auto pose_start = Clock::now();
    Sampler sampler(models, conditioning, parameters, *scheduler, pose_u8.size(0));
    sampler.embed_pose(pose_u8);
    nn::synchronize(models.device);
    sampled.pose_net_seconds = seconds_since(pose_start);

    const auto denoise_start = Clock::now();
    at::Generator generator = make_generator(parameters.seed);
    (void)draw_image_noise(pose_u8.size(2), pose_u8.size(3),
                           generator);  // what encode_image_latent drew
    const auto& latent = conditioning.vae_latent;
    at::Tensor latents = draw_initial_latents(pose_u8.size(0), sampler.tiling().size,
                                              latent.size(2), latent.size(3), generator);
    latents = (latents * scheduler->init_noise_sigma()).to(models.device);  // [1, F, 4, h, w]
    if (on_step) on_step(0, {}, latents);
    for (int step = 0; step < scheduler->steps(); ++step) {
      const auto prediction = sampler.predict(latents, step, on_progress);
      if (!prediction) return Status(StatusCode::kCancelled, "sampling: stopped");
      latents = scheduler->step(*prediction, step, latents, generator);  // [1, F, 4, h, w]
      if (on_step) on_step(step + 1, *prediction, latents);
    }
    sampled.latents = latents.to(at::kCPU).contiguous();
    sampled.denoise_seconds = seconds_since(denoise_start);
    sampled.unet_evaluations = sampler.unet_evaluations();
    sampled.tiles = static_cast<int>(sampler.tiling().tiles.size());
    return sampled;
  });
}

}  // namespace mimicfleet::svd
