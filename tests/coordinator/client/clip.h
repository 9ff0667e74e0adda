#pragma once

#include <string>
#include <vector>

#include "common/json/json.h"
#include "jobs/keys.h"
#include "jobs/plan.h"
#include "jobs/record.h"
#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::coordinator {

// A planned clip with made-up inputs.
inline jobs::ClipPlan clip_in(const std::string& folder, const std::string& name = "x/a") {
  jobs::ClipPlan clip;
  clip.video = {"/in/a.mp4", sha256("video"), 5};
  clip.reference = {"/in/ref.png", sha256("image"), 5};
  clip.output.directory = folder;
  clip.output.relative = name;
  return clip;
}

inline jobs::ModelSet some_models() {
  jobs::ModelSet set;
  set.diffusion = sha256("diffusion");
  set.vae = sha256("vae");
  set.clip = sha256("clip");
  set.detector = sha256("detector");
  set.id = jobs::model_set_id(set);
  set.name = "some";
  return set;
}

// Writes what a worker leaves of a finished clip: `content` as MP4, and the record.
inline jobs::OutputRecord finish_clip(const TemporaryFolder& folder, const jobs::ClipPlan& clip,
                                      const std::string& content, std::int32_t frames = 3,
                                      const std::vector<std::string>& warnings = {}) {
  jobs::OutputRecord record;
  record.program = "mimicfleet 0.1.0";
  const auto models = some_models();
  record.key = jobs::video_key(
      {jobs::latents_key(clip.video.digest, clip.reference.digest, models, clip.parameters)},
      models, clip.parameters);
  record.video = {clip.output.relative + ".mp4", sha256(content), content.size()};
  record.driving = clip.video;
  record.reference = clip.reference;
  record.models = models;
  record.parameters = clip.parameters;
  record.numerics.precision = "fp32";
  record.frames = frames;
  record.warnings = warnings;
  record.stages = {{"load", 10, false}, {"denoise", 2, false}, {"mux", 1, false}};
  put(folder, clip.output.relative + ".mp4", content);
  put(folder, clip.output.relative + ".json", json::write(record));
  return record;
}

}  // namespace mimicfleet::coordinator
