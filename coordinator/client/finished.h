#pragma once

#include <string>
#include <vector>

#include "common/files/digest_cache.h"
#include "jobs/model_set.h"
#include "jobs/plan.h"

namespace mimicfleet::coordinator {

struct OutputState {
  std::string reason;  // why the clip has to be made, for people ("the video changed", "steps was
                       // 25"); or empty
  double seconds = 0;  // that making the outputs took, without loading models; when they are there
  // By what else than what is asked for now the outputs that are there were made, if it was
  // somebody's choice: another seed, reference image or model ("seed 42"). An input that changed in
  // its place is no choice.
  std::string made_with{};
  bool are_latents = false;             // what is there; else a video
  std::vector<std::string> warnings{};  // that the outputs that are there came with
};

// Outputs are finished when they are there, whole, and what this plan would make: the record has
// the key that the plan would give, the MP4 has the record's size and digest, and the side outputs
// that are asked for are there.
[[nodiscard]] OutputState look_at_outputs(const jobs::ClipPlan& clip, const jobs::ModelSet& models,
                                          FileDigestCache& cache);

// The same of a film.
[[nodiscard]] OutputState look_at_film(const jobs::FilmPlan& film, const jobs::ModelSet& models,
                                       FileDigestCache& cache);

}  // namespace mimicfleet::coordinator
