#include "jobs/features.h"

#include <span>

#include "common/bytes.h"
#include "jobs/keys.h"

namespace mimicfleet::jobs {
namespace {

Digest keypoints_feature(const Digest& video, const Digest& detector,
                         const Parameters& parameters) {
  Parameters uncut = parameters;
  uncut.max_pose_frames = 0;
  return KeyBuilder("feature.keypoints.v3")
      .add("numerics_version", static_cast<std::int64_t>(kNumericsVersion))
      .add("keypoints", keypoints_key(video, detector, uncut))
      .finish();
}

Digest reference_image_feature(const Digest& reference, const Parameters& parameters) {
  return KeyBuilder("feature.reference_image.v2")
      .add("numerics_version", static_cast<std::int64_t>(kNumericsVersion))
      .add("reference", reference)
      .add("resolution", std::int64_t{parameters.width != 0 ? 0 : parameters.resolution})
      .add("width", std::int64_t{parameters.width})
      .add("height", std::int64_t{parameters.height})
      .finish();
}

Digest vae_latent_feature(const Digest& reference_image, const Digest& vae,
                          const Parameters& parameters) {
  const bool noisy = parameters.noise_aug_strength != 0;
  return KeyBuilder("feature.vae_latent.v2")
      .add("reference_image", reference_image)
      .add("vae", vae)
      .add("noise_aug_strength", parameters.noise_aug_strength)
      .add("seed", noisy ? static_cast<std::int64_t>(parameters.seed) : 0)
      .finish();
}

// A feature of the prepared reference image that one model makes.
Digest of_reference(std::string_view domain, const Digest& reference_image, const Digest& model) {
  return KeyBuilder(domain).add("reference_image", reference_image).add("model", model).finish();
}

}  // namespace

const Digest& FeatureKeys::of(FeatureKind kind) const {
  switch (kind) {
    case FeatureKind::kKeypoints:
      return keypoints;
    case FeatureKind::kReferenceKeypoints:
      return reference_keypoints;
    case FeatureKind::kReferenceImage:
      return reference_image;
    case FeatureKind::kClipEmbedding:
      return clip_embedding;
    case FeatureKind::kVaeLatent:
      return vae_latent;
  }
  check_failed("a feature kind", __FILE__, __LINE__);
}

FeatureKeys feature_keys(const Digest& video, const Digest& reference, const ModelSet& models,
                         const Parameters& parameters) {
  FeatureKeys keys;
  keys.keypoints = keypoints_feature(video, models.detector, parameters);
  keys.reference_image = reference_image_feature(reference, parameters);
  keys.reference_keypoints =
      of_reference("feature.reference_keypoints.v3", keys.reference_image, models.detector);
  keys.clip_embedding =
      of_reference("feature.clip_embedding.v2", keys.reference_image, models.clip);
  keys.vae_latent = vae_latent_feature(keys.reference_image, models.vae, parameters);
  return keys;
}

std::uint64_t feature_tag(const Digest& key) {
  return from_big_endian(std::span(key.bytes).first<8>());
}

}  // namespace mimicfleet::jobs
