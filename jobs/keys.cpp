#include "jobs/keys.h"

#include <array>
#include <bit>
#include <string>

#include <fmt/format.h>

#include "common/bytes.h"
#include "jobs/settings.h"

namespace mimicfleet::jobs {
namespace {

std::string little_endian(std::uint64_t value) {
  std::string bytes;
  append_little_endian(bytes, value, sizeof(value));
  return bytes;
}

// Nothing of a UNet that is not adapted.
void add_adaptation(KeyBuilder& key, const Parameters& parameters) {
  if (parameters.unet_overlay) key.add("unet_overlay", parameters.unet_overlay->digest);
  for (const auto& lora : parameters.loras) {
    key.add("lora", lora.file.digest).add("lora_scale", lora.scale);
  }
}

// Nothing where guidance is in every step, or in none because of its scale.
void add_guided_steps(KeyBuilder& key, const Parameters& parameters) {
  const StepRange guided = guided_steps(parameters);
  if (!(parameters.guidance_scale > 1) || guided == StepRange{0, parameters.steps}) return;
  key.add("guided_begin", std::int64_t{guided.begin}).add("guided_end", std::int64_t{guided.end});
}

// Nothing of the constants that are built in, nor of a scheduler that has none.
void add_lcm_constants(KeyBuilder& key, const Parameters& parameters) {
  const LcmConstants& lcm = parameters.lcm;
  if (parameters.scheduler != SchedulerKind::kLcm || lcm == LcmConstants()) return;
  key.add("lcm_train_timesteps", std::int64_t{lcm.train_timesteps})
      .add("lcm_sigma_min", lcm.sigma_min)
      .add("lcm_sigma_max", lcm.sigma_max)
      .add("lcm_sigma_data", lcm.sigma_data)
      .add("lcm_s_noise", lcm.s_noise)
      .add("lcm_rho", lcm.rho)
      .add("lcm_clip_denoised", std::int64_t{lcm.clip_denoised ? 1 : 0});
}

// Nothing of those that have their default: keys that were made before there were such settings
// stay.
void add_newer_settings(KeyBuilder& key, const Parameters& parameters) {
  for (const auto& setting : settings()) {
    if (setting.add_to_latents_key == nullptr || setting.is_default(parameters)) continue;
    setting.add_to_latents_key(key, setting.name, parameters);
  }
}

}  // namespace

KeyBuilder::KeyBuilder(std::string_view domain) { add_bytes('d', "mimicfleet", domain); }

void KeyBuilder::add_bytes(char type, std::string_view field, std::string_view value) {
  hasher_.update(little_endian(field.size())).update(field).update(std::string_view(&type, 1));
  hasher_.update(little_endian(value.size())).update(value);
}

KeyBuilder& KeyBuilder::add(std::string_view field, std::string_view value) {
  add_bytes('s', field, value);
  return *this;
}

KeyBuilder& KeyBuilder::add(std::string_view field, std::int64_t value) {
  add_bytes('i', field, little_endian(static_cast<std::uint64_t>(value)));
  return *this;
}

KeyBuilder& KeyBuilder::add(std::string_view field, double value) {
  add_bytes('f', field, little_endian(std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value)));
  return *this;
}

KeyBuilder& KeyBuilder::add(std::string_view field, const Digest& value) {
  add_bytes(
      'h', field,
      std::string_view(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()));
  return *this;
}

Digest KeyBuilder::finish() { return hasher_.finish(); }

Digest model_set_id(const ModelSet& parts) {
  return KeyBuilder("model_set.v1")
      .add("diffusion", parts.diffusion)
      .add("vae", parts.vae)
      .add("clip", parts.clip)
      .add("detector", parts.detector)
      .finish();
}

std::string NumericsClass::name() const {
  return fmt::format("{}/{}/{}/{}", library, device, precision, threads);
}

Digest as_read(const FileRef& file) {
  if (file.reading.empty()) return file.digest;
  return KeyBuilder("file_as_read.v1")
      .add("file", file.digest)
      .add("reading", file.reading)
      .finish();
}

Digest unet_key(const Digest& diffusion, const Parameters& parameters) {
  KeyBuilder key("unet.v1");
  key.add("diffusion", diffusion);
  add_adaptation(key, parameters);
  return key.finish();
}

Digest keypoints_key(const Digest& video, const Digest& detector, const Parameters& parameters) {
  return KeyBuilder("keypoints.v1")
      .add("video", video)
      .add("detector", detector)
      .add("sample_stride", std::int64_t{parameters.sample_stride})
      .add("max_pose_frames", std::int64_t{parameters.max_pose_frames})
      .finish();
}

Digest latents_key(const Digest& video, const Digest& reference, const ModelSet& models,
                   const Parameters& parameters) {
  KeyBuilder key("latents.v1");
  key.add("numerics_version", static_cast<std::int64_t>(kNumericsVersion))
      .add("keypoints", keypoints_key(video, models.detector, parameters))
      .add("reference", reference)
      .add("diffusion", models.diffusion)
      .add("vae", models.vae)
      .add("clip", models.clip)
      .add("resolution", std::int64_t{parameters.width != 0 ? 0 : parameters.resolution})
      .add("width", std::int64_t{parameters.width})
      .add("height", std::int64_t{parameters.height})
      .add("steps", std::int64_t{parameters.steps})
      .add("scheduler", to_string(parameters.scheduler))
      .add("guidance_scale", parameters.guidance_scale)
      .add("noise_aug_strength", parameters.noise_aug_strength)
      .add("seed", static_cast<std::int64_t>(parameters.seed))
      .add("tile_frames", std::int64_t{parameters.tile_frames})
      .add("tile_overlap", std::int64_t{parameters.tile_overlap})
      .add("motion_fps", std::int64_t{parameters.motion_fps})
      .add("pose_canvas", std::int64_t{parameters.pose_canvas})
      .add("retarget", to_string(parameters.retarget));
  add_guided_steps(key, parameters);
  add_lcm_constants(key, parameters);
  add_adaptation(key, parameters);
  if (parameters.fp8) key.add("fp8", std::int64_t{1});
  add_newer_settings(key, parameters);
  return key.finish();
}

namespace {

KeyBuilder& add_decoding(KeyBuilder& key, const ModelSet& models, const Parameters& parameters) {
  return key.add("vae", models.vae)
      .add("decode_chunk_size", std::int64_t{parameters.decode_chunk_size})
      .add("drop_reference", to_string(parameters.drop_reference))
      .add("fps", parameters.fps)
      .add("crf", std::int64_t{parameters.crf});
}

KeyBuilder& add_latents(KeyBuilder& key, const std::vector<Digest>& latents) {
  key.add("numerics_version", static_cast<std::int64_t>(kNumericsVersion));
  key.add("count", static_cast<std::int64_t>(latents.size()));
  for (const auto& digest : latents) key.add("latents", digest);
  return key;
}

}  // namespace

Digest video_key(const Digest& latents, const ModelSet& models, const Parameters& parameters) {
  KeyBuilder key("video.v1");
  return add_decoding(add_latents(key, {latents}), models, parameters).finish();
}

Digest concat_key(const std::vector<Digest>& latents, const ModelSet& models,
                  const Parameters& parameters) {
  KeyBuilder key("film.v1");
  add_decoding(add_latents(key, latents), models, parameters)
      .add("interp_frames", std::int64_t{parameters.interp_frames})
      .add("crossfade_frames", std::int64_t{parameters.crossfade_frames});
  const bool blends = parameters.interp_frames > 0 || parameters.crossfade_frames > 0;
  return key.add("interp_mode", blends ? to_string(parameters.interp_mode) : "").finish();
}

}  // namespace mimicfleet::jobs
