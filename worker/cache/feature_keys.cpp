#include "worker/cache/feature_keys.h"

#include "jobs/keys.h"

namespace mimicfleet::cache {
namespace {

constexpr auto kVersion = static_cast<std::int64_t>(jobs::kNumericsVersion);

}  // namespace

Digest keypoints_key(const jobs::NumericsClass& numerics, const Digest& video, const Digest& detector,
                     const jobs::Parameters& parameters) {
  jobs::Parameters uncut = parameters;
  uncut.max_pose_frames = 0;
  return jobs::KeyBuilder("feature.keypoints.v1")
      .add("numerics_version", kVersion)
      .add("numerics", numerics.name())
      .add("keypoints", jobs::keypoints_key(video, detector, uncut))
      .finish();
}

Digest reference_image_key(const jobs::NumericsClass& numerics, const Digest& reference,
                           const jobs::Parameters& parameters) {
  return jobs::KeyBuilder("feature.reference_image.v1")
      .add("numerics_version", kVersion)
      .add("numerics", numerics.name())
      .add("reference", reference)
      .add("resolution", std::int64_t{parameters.width != 0 ? 0 : parameters.resolution})
      .add("width", std::int64_t{parameters.width})
      .add("height", std::int64_t{parameters.height})
      .finish();
}

Digest reference_keypoints_key(const Digest& reference_image, const Digest& detector) {
  return jobs::KeyBuilder("feature.reference_keypoints.v1")
      .add("reference_image", reference_image)
      .add("detector", detector)
      .finish();
}

Digest clip_embedding_key(const Digest& reference_image, const Digest& clip) {
  return jobs::KeyBuilder("feature.clip_embedding.v1")
      .add("reference_image", reference_image)
      .add("clip", clip)
      .finish();
}

Digest vae_latent_key(const Digest& reference_image, const Digest& vae, const jobs::Parameters& parameters) {
  const bool noisy = parameters.noise_aug_strength != 0;
  return jobs::KeyBuilder("feature.vae_latent.v1")
      .add("reference_image", reference_image)
      .add("vae", vae)
      .add("noise_aug_strength", parameters.noise_aug_strength)
      .add("seed", noisy ? static_cast<std::int64_t>(parameters.seed) : 0)
      .finish();
}

}  // namespace mimicfleet::cache
