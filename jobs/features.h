#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "jobs/model_set.h"
#include "jobs/parameters.h"

// Features: what an encode computes of its inputs before it samples, and what workers therefore
// keep (docs/cache_format.md).
namespace mimicfleet::jobs {

// The numbers are part of the cache's format; a payload of another layout gets another number.
enum class FeatureKind : std::uint16_t {
  kKeypoints = 1,           // raw key points of a driving video
  kReferenceKeypoints = 2,  // raw key points of the prepared reference image
  kReferenceImage = 3,      // the prepared reference image
  kClipEmbedding = 4,
  kVaeLatent = 5,
};
inline constexpr std::array kFeatureKinds = {
    FeatureKind::kKeypoints, FeatureKind::kReferenceKeypoints, FeatureKind::kReferenceImage,
    FeatureKind::kClipEmbedding, FeatureKind::kVaeLatent};
constexpr EnumNames<FeatureKind, 5> enum_names(FeatureKind) {
  return {{{FeatureKind::kKeypoints, "keypoints"},
           {FeatureKind::kReferenceKeypoints, "reference_keypoints"},
           {FeatureKind::kReferenceImage, "reference_image"},
           {FeatureKind::kClipEmbedding, "clip_embedding"},
           {FeatureKind::kVaeLatent, "vae_latent"}}};
}

// What names each feature of one encode: content and parameters that determine it. The numerics
// class is not in these keys; a cache keeps the entries of each class apart.
struct FeatureKeys {
  Digest keypoints;  // do not depend on how many frames the clip is cut to afterwards
  Digest reference_keypoints;
  Digest reference_image;  // at the size of the output; the other keys of the reference build on it
  Digest clip_embedding;
  Digest vae_latent;  // without noise the seed does not count

  [[nodiscard]] const Digest& of(FeatureKind kind) const;
};
[[nodiscard]] FeatureKeys feature_keys(const Digest& video, const Digest& reference,
                                       const ModelSet& models, const Parameters& parameters);

// A short name of a key, for hints about who holds what: two keys with one tag cost time, never
// correctness.
[[nodiscard]] std::uint64_t feature_tag(const Digest& key);

// What an encode may take from a worker's cache and leave in it. Changes no pixels, so it is in no
// key.
struct FeaturePolicy {
  bool use = true;  // false: nothing is taken or left (`--disable-feature-cache`)
  // Compute all features anew and keep them (`--feature-cache-force-refresh`).
  bool refresh = false;
  // False: without CLIP embedding and VAE latent (`--disable-pipeline-feature-cache`).
  bool pipeline = true;

  [[nodiscard]] bool takes(FeatureKind kind) const { return leaves(kind) && !refresh; }
  [[nodiscard]] bool leaves(FeatureKind kind) const {
    return use &&
           (pipeline || (kind != FeatureKind::kClipEmbedding && kind != FeatureKind::kVaeLatent));
  }

  friend bool operator==(const FeaturePolicy&, const FeaturePolicy&) = default;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("use", self.use);
    field("refresh", self.refresh);
    field("pipeline", self.pipeline);
  }
};

enum class FeatureOutcome {
  kHit,
  kMiss,
  kDamaged,  // it was there but could not be used: as a miss
  kUnasked,  // the policy forbade to look
};
constexpr EnumNames<FeatureOutcome, 4> enum_names(FeatureOutcome) {
  return {{{FeatureOutcome::kHit, "hit"},
           {FeatureOutcome::kMiss, "miss"},
           {FeatureOutcome::kDamaged, "damaged"},
           {FeatureOutcome::kUnasked, "unasked"}}};
}

// One feature of an attempt: whether it was a hit, and what making it took.
struct FeatureUse {
  FeatureKind kind = FeatureKind::kKeypoints;
  FeatureOutcome outcome = FeatureOutcome::kMiss;
  std::uint64_t tag = 0;
  double made_seconds = 0;  // what making it cost, now or when it was kept
  bool kept = false;        // it is in the worker's cache now

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("kind", self.kind);
    field("outcome", self.outcome);
    field("tag", self.tag);
    field("made_seconds", self.made_seconds);
    field("kept", self.kept);
  }
};

// A feature that a worker can take from its cache, in the numerics class in which it computes.
struct HeldFeature {
  std::uint64_t tag = 0;
  double made_seconds = 0;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("tag", self.tag);
    field("seconds", self.made_seconds);
  }
};

}  // namespace mimicfleet::jobs
