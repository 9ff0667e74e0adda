#include <algorithm>

#include "common/weights/open.h"
#include "worker/models/clip/vision_model.h"
#include "worker/models/nn/guarded.h"
#include "worker/models/nn/load.h"
#include "worker/models/svd/autoencoder.h"
#include "worker/models/svd/pipeline.h"
#include "worker/models/svd/pose_net.h"
#include "worker/models/svd/unet.h"
#include "worker/models/svd/unet_weights.h"

namespace mimicfleet::svd {
namespace {

constexpr std::string_view kPoseNetPrefix = "pose_net.";

at::ScalarType scalar_type(Precision precision) {
  switch (precision) {
    case Precision::kBf16:
      return at::kBFloat16;
    case Precision::kFp16:
      return at::kHalf;
    case Precision::kFp32:
      break;
  }
  return at::kFloat;
}

Result<std::shared_ptr<const Autoencoder>> load_autoencoder(const model_root::Component& files,
                                                            at::TensorOptions options) {
  ASSIGN_OR_RETURN(const AutoencoderConfig config, read_autoencoder_config(files.config));
  ASSIGN_OR_RETURN(const auto tensors, weights::open_weights(files.weights));
  nn::ParameterList parameters;
  auto vae = std::make_shared<const Autoencoder>(nn::Scope(parameters, options), config);
  RETURN_IF_ERROR(nn::load_parameters(parameters, tensors, "autoencoder", files.weights.front()));
  return std::shared_ptr<const Autoencoder>(std::move(vae));
}

Result<std::shared_ptr<const clip::VisionModel>> load_image_encoder(
    const model_root::Component& files, at::TensorOptions options) {
  ASSIGN_OR_RETURN(const clip::VisionConfig config, clip::read_vision_config(files.config));
  ASSIGN_OR_RETURN(const auto tensors, weights::open_weights(files.weights));
  nn::ParameterList parameters;
  auto model = std::make_shared<const clip::VisionModel>(nn::Scope(parameters, options), config);
  // Older versions of transformers saved 0, 1, 2… too.
  const auto is_counter = [](std::string_view name) { return name.ends_with(".position_ids"); };
  RETURN_IF_ERROR(
      nn::load_parameters(parameters, tensors, "image encoder", files.weights.front(), is_counter));
  return std::shared_ptr<const clip::VisionModel>(std::move(model));
}

// The UNet and PoseNet from the one checkpoint that holds both. Like the original, which does not
// ask for a strict fit, it passes over keys that it does not know; unlike it, it misses none.
Status load_denoiser(const std::string& unet_config, const std::string& checkpoint,
                     at::TensorOptions options, DiffusionModels& models) {
  ASSIGN_OR_RETURN(const auto tensors, weights::open_weights({checkpoint}));
  nn::ParameterList pose_parameters;
  const auto ignore_below = [&models](std::string_view prefix) {
    return [&models, prefix](std::string_view name) {
      models.ignored_keys.push_back(std::string(prefix) + std::string(name));
      return true;
    };
  };
  ASSIGN_OR_RETURN(models.unet_weights, load_unet(unet_config, tensors.with_prefix(kUnetPrefix),
                                                  checkpoint, options, ignore_below(kUnetPrefix)));
  models.unet = models.unet_weights->unet;
  models.pose_net = std::make_shared<const PoseNet>(nn::Scope(pose_parameters, options),
                                                    models.unet->base_channels());
  RETURN_IF_ERROR(nn::load_parameters(pose_parameters, tensors.with_prefix(kPoseNetPrefix),
                                      "PoseNet", checkpoint, ignore_below(kPoseNetPrefix)));
  for (const auto& [name, tensor] : tensors.tensors) {
    if (!name.starts_with(kUnetPrefix) && !name.starts_with(kPoseNetPrefix))
      models.ignored_keys.push_back(name);
  }
  std::sort(models.ignored_keys.begin(), models.ignored_keys.end());
  return {};
}

}  // namespace

Result<DiffusionModels> load_diffusion_models(const model_root::ModelFiles& files,
                                              at::Device device, Precision precision,
                                              ModelSet set) {
  return nn::guarded("loading the models", [&]() -> Result<DiffusionModels> {
    DiffusionModels models{device, scalar_type(precision), {}, {}, {}, {}, {}, {}, {}};
    models.passes_together = !device.is_cpu();
    const auto options = at::TensorOptions().device(device).dtype(models.dtype);
    ASSIGN_OR_RETURN(models.vae, load_autoencoder(files.vae, options));
    if (set == ModelSet::kDecoderOnly) return models;
    ASSIGN_OR_RETURN(models.scheduler, read_euler_config(files.scheduler_config));
    ASSIGN_OR_RETURN(models.image_encoder, load_image_encoder(files.image_encoder, options));
    RETURN_IF_ERROR(load_denoiser(files.unet_config, files.checkpoint, options, models));
    if (models.image_encoder->embedding_size() != models.unet->context_channels()) {
      return Status(StatusCode::kUnsupported,
                    files.image_encoder.config +
                        ": projection_dim is not the cross_attention_dim of " + files.unet_config +
                        "; take both from one download");
    }
    return models;
  });
}

}  // namespace mimicfleet::svd
