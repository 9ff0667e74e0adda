#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "common/model_files/model_root.h"
#include "common/status.h"
#include "jobs/sampling.h"
#include "worker/models/svd/scheduler.h"

// The MimicMotion pipeline (github.com/Tencent/MimicMotion,
// mimicmotion/pipelines/pipeline_mimicmotion.py) in the pieces that a job runner caches and times:
// image -> CLIP embedding and VAE latent; pose pictures -> latents; latents -> frames.
// docs/models.md lists where the original does something odd and what is done here.
//
// Thread use: the caller sets at::set_num_threads; one call at a time per DiffusionModels. Every
// function turns LibTorch's exceptions into a Status; kResourceExhausted means that memory ran out.
namespace mimicfleet::clip {
class VisionModel;
}

namespace mimicfleet::svd {

class Autoencoder;
class PoseNet;
class Unet;
struct UnetWeights;

enum class Precision { kFp32, kBf16, kFp16 };

// Which models to load: latents need all, frames from latents need only the autoencoder.
enum class ModelSet { kAll, kDecoderOnly };

// The models of one worker, on their device, in one precision. Members that were not asked for are
// null.
struct DiffusionModels {
  at::Device device;
  at::ScalarType dtype;
  EulerConfig scheduler;
  std::shared_ptr<const clip::VisionModel> image_encoder;
  std::shared_ptr<const UnetWeights> unet_weights;  // as they lie in a file
  std::shared_ptr<const Unet> unet;  // with these, or with LoRAs in them (unet_weights.h)
  std::shared_ptr<const PoseNet> pose_net;
  std::shared_ptr<const Autoencoder> vae;
  std::vector<std::string> ignored_keys;  // of the checkpoint, sorted; for the log
  // Whether both passes of guidance are one UNet call. Fixed for a device, as results differ in
  // their last bits.
  bool passes_together = false;
};

[[nodiscard]] Result<DiffusionModels> load_diffusion_models(const model_root::ModelFiles& files,
                                                            at::Device device, Precision precision,
                                                            ModelSet models = ModelSet::kAll);

// CLIP embedding of the prepared image. image_u8: [3, H, W] uint8. Returns [1, 1, X] float32 on the
// CPU.
[[nodiscard]] Result<at::Tensor> encode_clip(const DiffusionModels& models,
                                             const at::Tensor& image_u8);

// VAE latent (mode of the distribution, not scaled) of image + noise_aug_strength * noise, the
// noise being the generator's first draw. image_u8: [3, H, W] uint8. Returns [1, 4, H/8, W/8]
// float32 on the CPU.
[[nodiscard]] Result<at::Tensor> encode_image_latent(const DiffusionModels& models,
                                                     const at::Tensor& image_u8, std::uint64_t seed,
                                                     double noise_aug_strength);

// What the reference image gives to the sampler; both may come from a cache.
struct ImageConditioning {
  at::Tensor clip_embedding;  // [1, 1, X] float32
  at::Tensor vae_latent;      // [1, 4, h, w] float32
};

struct SamplingProgress {
  int step;  // 1-based; this tile belongs to it
  int steps;
  int tile;  // 1-based; `tile == tiles` ends the step
  int tiles;
  int evaluations;  // runs of the UNet over this tile: its passes
};

// Called after each tile of each step, on the caller's thread. False stops the sampling with
// kCancelled.
using OnSamplingProgress = std::function<bool(const SamplingProgress&)>;

// Sees the latents [1, F, 4, h, w]: first, as step 0, the initial noise; then those that each step
// made, with what the models predicted for it, after guidance (undefined for step 0).
using OnSamplingStep =
    std::function<void(int step, const at::Tensor& prediction, const at::Tensor& latents)>;

struct SampledLatents {
  at::Tensor
      latents;  // [1, F, 4, h, w] float32 on the CPU, in the scale that decode_latents expects
  double pose_net_seconds = 0;
  double denoise_seconds = 0;
  std::int64_t unet_evaluations = 0;  // tiles x passes of each step
  int tiles = 0;
};

// pose_u8: [F, 3, H, W] uint8, F >= 2, frame 0 being the reference image's pose. H and W are
// multiples of 64.
[[nodiscard]] Result<SampledLatents> sample_latents(const DiffusionModels& models,
                                                    const ImageConditioning& conditioning,
                                                    const at::Tensor& pose_u8,
                                                    const jobs::Sampling& parameters,
                                                    const OnSamplingProgress& on_progress = {},
                                                    const OnSamplingStep& on_step = {});

// Takes frames in order: uint8 [n, 3, H, W] on the CPU, in channels-last memory. A failure ends the
// decoding with that Status.
using FrameSink = std::function<Status(const at::Tensor& frames_u8)>;

// Decodes latents [1, F, 4, h, w] (any float type) `chunk` frames at a time: temporal layers see
// only their chunk, as in the original, and memory does not grow with F. All F frames arrive, the
// reference frame too.
[[nodiscard]] Status decode_latents(const DiffusionModels& models, const at::Tensor& latents,
                                    int chunk, const FrameSink& sink);

}  // namespace mimicfleet::svd
