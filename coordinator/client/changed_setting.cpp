#include "coordinator/client/changed_setting.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "common/json/json.h"

namespace mimicfleet::coordinator {
namespace {

// What changes no latents.
void copy_decode_settings(const jobs::Parameters& from, jobs::Parameters& to) {
  to.decode_chunk_size = from.decode_chunk_size;
  to.fps = from.fps;
  to.crf = from.crf;
  to.drop_reference = from.drop_reference;
  to.interp_frames = from.interp_frames;
  to.interp_mode = from.interp_mode;
  to.crossfade_frames = from.crossfade_frames;
}

bool same_loras(const std::vector<jobs::Lora>& before, const std::vector<jobs::Lora>& now) {
  return std::equal(before.begin(), before.end(), now.begin(), now.end(),
                    [](const jobs::Lora& was, const jobs::Lora& is) {
                      return was.file.digest == is.file.digest && was.scale == is.scale;
                    });
}

Digest digest_of(const std::optional<jobs::FileRef>& file) { return file ? file->digest : Digest(); }

}  // namespace

std::string changed_setting(jobs::Parameters before, jobs::Parameters now) {
  if (!same_loras(before.loras, now.loras)) return "the LoRAs changed";
  if (digest_of(before.unet_overlay) != digest_of(now.unet_overlay)) return "the UNet overlay changed";
  for (auto* parameters : {&before, &now}) {  // where they lie does not matter
    parameters->loras.clear();
    parameters->unet_overlay.reset();
  }
  if (before.guidance_interval != now.guidance_interval) {
    return fmt::format("guidance_interval was {}", to_string(before.guidance_interval));
  }
  const wire::Value was = wire::to_value(before);
  const wire::Value is = wire::to_value(now);
  for (const auto& [name, value] : *is.get_if<wire::Map>()) {
    const wire::Value* other = was.find(name);
    if (other != nullptr && !(*other == value)) return fmt::format("{} was {}", name, json::to_text(*other));
  }
  return "another version of the program made it";
}

jobs::Parameters of_encode(jobs::Parameters parameters) {
  copy_decode_settings({}, parameters);
  parameters.precision = jobs::Precision::kAuto;
  return parameters;
}

jobs::Parameters of_decode(const jobs::Parameters& parameters) {
  jobs::Parameters decode;
  copy_decode_settings(parameters, decode);
  return decode;
}

}  // namespace mimicfleet::coordinator
