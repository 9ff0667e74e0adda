#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "jobs/model_set.h"
#include "jobs/parameters.h"

// Keys name what a computation makes by everything that determines it, never by a path or a time.
// What does not change pixels (worker, transfers, cache state) is in no key. docs/cache_format.md
// lists the fields.
namespace mimicfleet::jobs {

// Raised when a change of our code changes results beyond the numerics class.
inline constexpr std::uint64_t kNumericsVersion = 6;

// Digest over canonical bytes: a domain, then each field as name, type and value, all
// length-prefixed.
class KeyBuilder {
 public:
  explicit KeyBuilder(std::string_view domain);
  KeyBuilder& add(std::string_view field, std::string_view value);
  KeyBuilder& add(std::string_view field, std::int64_t value);
  KeyBuilder& add(std::string_view field, double value);  // by its bits; -0 counts as 0
  KeyBuilder& add(std::string_view field, const Digest& value);
  [[nodiscard]] Digest finish();

 private:
  void add_bytes(char type, std::string_view field, std::string_view value);
  Hasher hasher_;
};

// A file as it is read: what keys name of it. Without a reading its digest.
[[nodiscard]] Digest as_read(const FileRef& file);

// Raw key points of a driving video (before retargeting), for one detector and one sampling of
// frames.
[[nodiscard]] Digest keypoints_key(const Digest& video, const Digest& detector,
                                   const Parameters& parameters);

// The UNet's weights that an encode samples with: those of the model set, or an overlay, and LoRAs
// in order.
[[nodiscard]] Digest unet_key(const Digest& diffusion, const Parameters& parameters);

// The latents of one clip, apart from the numerics class.
[[nodiscard]] Digest latents_key(const Digest& video, const Digest& reference,
                                 const ModelSet& models, const Parameters& parameters);

// The video of one clip, apart from the numerics class.
[[nodiscard]] Digest video_key(const Digest& latents, const ModelSet& models,
                               const Parameters& parameters);

// A film joined from latents (their keys, or the content of those without one) in order, apart from
// the numerics class. It is never the video of its only clip: films are joined in half precision.
[[nodiscard]] Digest film_key(const std::vector<Digest>& latents, const ModelSet& models,
                              const Parameters& parameters);

}  // namespace mimicfleet::jobs
