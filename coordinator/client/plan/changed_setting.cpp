#include "coordinator/client/plan/changed_setting.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "common/json/json.h"
#include "jobs/settings.h"

namespace mimicfleet::coordinator {
namespace {

// What changes no latents.
void copy_decode_settings(const jobs::Parameters& from, jobs::Parameters& to) {
  for (const auto& setting : jobs::settings()) {
    if (setting.of_decode) setting.copy(from, to);
  }
}

bool same_loras(const std::vector<jobs::Lora>& before, const std::vector<jobs::Lora>& now) {
  return std::equal(before.begin(), before.end(), now.begin(), now.end(),
                    [](const jobs::Lora& was, const jobs::Lora& is) {
                      return was.file.digest == is.file.digest && was.scale == is.scale;
                    });
}

bool chose_same_files(const std::vector<jobs::Lora>& before, const std::vector<jobs::Lora>& now) {
  return std::equal(before.begin(), before.end(), now.begin(), now.end(),
                    [](const jobs::Lora& was, const jobs::Lora& is) {
                      return !is_another_file(was.file, is.file);
                    });
}

bool chose_same_loras(const std::vector<jobs::Lora>& before, const std::vector<jobs::Lora>& now) {
  const auto same_scale = [](const auto& was, const auto& is) { return was.scale == is.scale; };
  return chose_same_files(before, now) &&
         std::equal(before.begin(), before.end(), now.begin(), now.end(), same_scale);
}

// Of the same files only the scales tell which they were.
std::string names_of(const std::vector<jobs::Lora>& loras, bool with_scales) {
  if (loras.empty()) return "no LoRA";
  std::string names = loras.size() == 1 ? "the LoRA" : "the LoRAs";
  for (const auto& lora : loras) {
    names += fmt::format("{}{}", &lora == &loras.front() ? " " : ", ", lora.file.path);
    if (with_scales || lora.scale != 1) names += fmt::format(" at scale {:g}", lora.scale);
  }
  return names;
}

// A changed file is told from another set by where it lies, by the name, and by how much differs.
bool are_other_models(const jobs::ModelSet& before, const jobs::ModelSet& now) {
  const bool nothing_left = !before.diffusion.is_zero() && before.diffusion != now.diffusion &&
                            before.vae != now.vae && before.clip != now.clip &&
                            before.detector != now.detector;
  const bool elsewhere =
      !before.checkpoint.empty() && !now.checkpoint.empty() && before.checkpoint != now.checkpoint;
  return before.id != now.id && (before.name != now.name || elsewhere || nothing_left);
}

Digest digest_of(const std::optional<jobs::FileRef>& file) {
  return file ? file->digest : Digest();
}

}  // namespace

std::string changed_setting(jobs::Parameters before, jobs::Parameters now) {
  if (!same_loras(before.loras, now.loras)) return "the LoRAs changed";
  if (digest_of(before.unet_overlay) != digest_of(now.unet_overlay))
    return "the UNet overlay changed";
  for (auto* parameters : {&before, &now}) {  // where they lie does not matter
    parameters->loras.clear();
    parameters->unet_overlay.reset();
  }
  const wire::Value was = wire::to_value(before);
  const wire::Value is = wire::to_value(now);
  for (const auto& [name, value] : *is.get_if<wire::Map>()) {
    const wire::Value* other = was.find(name);
    if (other == nullptr || *other == value) continue;
    const jobs::Setting* setting = jobs::find_setting(name);
    const bool is_struct = other->get_if<wire::Map>() != nullptr;
    const bool has_text = is_struct && setting != nullptr && setting->value_in != nullptr;
    return fmt::format("{} was {}", name, has_text ? setting->text(before) : json::to_text(*other));
  }
  return "another version of the program made it";
}

bool is_another_file(const jobs::FileRef& before, const jobs::FileRef& now) {
  return before.digest != now.digest && before.path != now.path;
}

std::string other_choice(const jobs::Parameters& before, const jobs::Parameters& now) {
  if (before.seed != now.seed) return fmt::format("seed {}", before.seed);
  if (!chose_same_loras(before.loras, now.loras)) {
    return names_of(before.loras, chose_same_files(before.loras, now.loras));
  }
  const auto& was = before.unet_overlay;
  const auto& is = now.unet_overlay;
  if (was && (!is || is_another_file(*was, *is)))
    return fmt::format("the UNet overlay {}", was->path);
  return !was && is ? "no UNet overlay" : "";
}

std::string other_models(const jobs::ModelSet& before, const jobs::ModelSet& now) {
  if (!are_other_models(before, now)) return "";
  const bool name_tells = before.name != now.name || before.checkpoint.empty();
  return name_tells ? fmt::format("the models {}", before.name)
                    : fmt::format("the models {} ({})", before.name, before.checkpoint);
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
