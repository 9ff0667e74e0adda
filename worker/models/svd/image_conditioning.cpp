#include <ATen/TensorOperators.h>

#include "worker/models/clip/vision_model.h"
#include "worker/models/nn/guarded.h"
#include "worker/models/svd/autoencoder.h"
#include "worker/models/svd/noise.h"
#include "worker/models/svd/pipeline.h"

namespace mimicfleet::svd {

Result<at::Tensor> encode_clip(const DiffusionModels& models, const at::Tensor& image_u8) {
  return nn::guarded("CLIP", [&]() -> Result<at::Tensor> {
    const at::Tensor pixels =
        clip::preprocess(image_u8.to(models.device), models.image_encoder->image_size());
    const at::Tensor embedding = (*models.image_encoder)(pixels.to(models.dtype));  // [1, X]
    return embedding.unsqueeze(1).to(at::kCPU, at::kFloat);                         // [1, 1, X]
  });
}

Result<at::Tensor> encode_image_latent(const DiffusionModels& models, const at::Tensor& image_u8,
                                       std::uint64_t seed, double noise_aug_strength) {
  return nn::guarded("VAE encoder", [&]() -> Result<at::Tensor> {
    const at::Generator generator = make_generator(seed);
    at::Tensor image = image_u8.unsqueeze(0).to(at::kFloat) / 255 * 2 - 1;  // [1, 3, H, W]
    if (noise_aug_strength != 0) {
      image.add_(draw_image_noise(image.size(2), image.size(3), generator), noise_aug_strength);
    }
    const at::Tensor latent = models.vae->encode_mode(image.to(models.device));
    return latent.to(at::kCPU, at::kFloat).contiguous();  // [1, 4, H/8, W/8]
  });
}

}  // namespace mimicfleet::svd
