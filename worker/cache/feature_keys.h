#pragma once

#include "common/digest.h"
#include "jobs/model_set.h"
#include "jobs/parameters.h"

// What each kind of entry is named by: content and parameters that determine it, and the numerics class that
// it was computed in. docs/cache_format.md lists the fields.
namespace mimicfleet::cache {

// Key points do not depend on how many frames the clip is cut to afterwards.
[[nodiscard]] Digest keypoints_key(const jobs::NumericsClass& numerics, const Digest& video,
                                   const Digest& detector, const jobs::Parameters& parameters);

// The prepared reference image at the size of the output; the other keys of the reference build on it.
[[nodiscard]] Digest reference_image_key(const jobs::NumericsClass& numerics, const Digest& reference,
                                         const jobs::Parameters& parameters);
[[nodiscard]] Digest reference_keypoints_key(const Digest& reference_image, const Digest& detector);
[[nodiscard]] Digest clip_embedding_key(const Digest& reference_image, const Digest& clip);
// Without noise the seed does not count.
[[nodiscard]] Digest vae_latent_key(const Digest& reference_image, const Digest& vae,
                                    const jobs::Parameters& parameters);

}  // namespace mimicfleet::cache
