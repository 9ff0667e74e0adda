#pragma once

#include <map>
#include <string>

#include <fmt/format.h>

#include "common/json/json.h"
#include "jobs/keys.h"
#include "jobs/plan.h"
#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::coordinator {

using LatentsStrings = std::map<std::string, std::string>;

// The bytes of a file of latents [1, frames, 4, 8, 8], all zero, with these strings.
inline std::string latents_bytes(const LatentsStrings& strings, std::size_t frames = 5) {
  const std::size_t size = frames * 4 * 8 * 8 * 2;
  const wire::Map metadata(strings.begin(), strings.end());
  const wire::Map header = {
      {"__metadata__", metadata},
      {"latents",
       wire::Map{{"dtype", std::string("F16")},
                 {"shape", wire::Array{std::uint64_t{1}, std::uint64_t{frames}, std::uint64_t{4},
                                       std::uint64_t{8}, std::uint64_t{8}}},
                 {"data_offsets", wire::Array{std::uint64_t{0}, std::uint64_t{size}}}}}};
  const std::string json = json::to_text(wire::Value(header));
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(json.size() >> (8 * i) & 0xff);
  return length + json + std::string(size, '\0');
}

// What a worker writes of an encode: of a ClipPlan or a TaskSpec.
template <typename Clip>
LatentsStrings strings_of(const Clip& clip, const jobs::ModelSet& models) {
  return {
      {"key",
       jobs::latents_key(clip.video.digest, clip.reference.digest, models, clip.parameters).hex()},
      {"vae", models.vae.hex()},
      {"models", models.id.hex()},
      {"driving", clip.video.digest.hex()},
      {"reference", clip.reference.digest.hex()},
      {"fps", fmt::format("{}", clip.parameters.fps)},
      {"precision", "fp32"},
      {"parameters", json::to_text(wire::to_value(clip.parameters))}};
}

}  // namespace mimicfleet::coordinator
