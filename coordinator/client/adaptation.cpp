#include "coordinator/client/adaptation.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/files/absolute_path.h"
#include "common/files/spelling.h"
#include "common/log.h"
#include "common/model_root/hub_cache.h"
#include "coordinator/client/lora_scaling.h"
#include "coordinator/client/missing_file.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUsualName =
    "pytorch_lora_weights.safetensors";  // diffusers' save_lora_weights
constexpr std::size_t kNamesShown = 8;

using Folders = std::vector<std::string>;
using Texts = std::vector<std::string>;

Status wrong(const std::string& flag, const std::string& cause,
             StatusCode code = StatusCode::kInvalidArgument) {
  return {code, fmt::format("{}: {}", flag, cause)};
}

Texts texts_of(const ResolvedSettings& settings, std::string_view name) {
  const auto found = settings.texts.find(name);
  return found == settings.texts.end() ? Texts() : found->second;
}

Result<fs::path> locate(const std::string& flag, const std::string& path, const Folders& folders) {
  std::error_code error;
  SpelledPaths spelled;
  for (const auto& folder : folders) {
    const fs::path candidate = spelled.find(absolute_path(fs::path(folder) / path).string());
    if (fs::exists(candidate, error)) return candidate;
  }
  if (model_root::is_hub_id(path)) {
    auto snapshot = model_root::hub_snapshot(model_root::hub_cache_folder(), path);
    if (snapshot.ok()) return fs::path(*snapshot);
  }
  const std::string why = why_missing(path);
  if (!why.empty()) return wrong(flag, "no such file or folder; " + why, StatusCode::kNotFound);
  return wrong(flag,
               fmt::format("no such file or folder{} below {}",
                           folders.size() > 1 ? ", neither" : "", fmt::join(folders, " nor ")),
               StatusCode::kNotFound);
}

// The weights that a folder holds, by name.
Texts weights_in(const fs::path& folder) {
  Texts names;
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::end(entry);
       entry.increment(error)) {
    if (entry->path().extension() == ".safetensors")
      names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<fs::path> file_in(const std::string& flag, const fs::path& folder,
                         const std::string& weight_name) {
  const Texts names = weights_in(folder);
  const auto there = [&](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  std::error_code error;
  if (!weight_name.empty() && fs::is_regular_file(folder / weight_name, error))
    return folder / weight_name;
  if (weight_name.empty() && there(kUsualName)) return folder / kUsualName;
  if (weight_name.empty() && names.size() == 1) return folder / names.front();
  const Texts shown(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(
                                                       std::min(names.size(), kNamesShown)));
  const std::string holds =
      names.empty() ? "no .safetensors file" : fmt::format("{}", fmt::join(shown, ", "));
  if (!weight_name.empty()) {
    return wrong(flag,
                 fmt::format("has no file {} (--lcm-weight-name); it holds {}", weight_name, holds),
                 StatusCode::kNotFound);
  }
  return names.empty()
             ? wrong(flag, "holds no .safetensors file", StatusCode::kNotFound)
             : wrong(flag, fmt::format("holds {}; name one with --lcm-weight-name", holds));
}

Result<std::string> find_lora(const std::string& path, const std::string& weight_name,
                              const Folders& folders) {
  const std::string flag = fmt::format("--lcm-lora-path {}", log::printable(path));
  ASSIGN_OR_RETURN(const fs::path found, locate(flag, path, folders));
  std::error_code error;
  if (!fs::is_directory(found, error)) return found.string();
  ASSIGN_OR_RETURN(const fs::path file, file_in(flag, found, weight_name));
  return file.string();
}

// One for all, or one for each.
Result<std::string> of_each(const std::string& flag, const Texts& texts, std::size_t index,
                            std::size_t count) {
  if (texts.empty()) return std::string();
  if (texts.size() == 1) return texts.front();
  if (texts.size() == count) return texts[index];
  return wrong(flag, fmt::format("is given {} times for {} LoRAs: give it once, or once for each",
                                 texts.size(), count));
}

double scale_of(const std::string& text) {
  double scale = 1;
  if (!text.empty()) std::from_chars(text.data(), text.data() + text.size(), scale);
  return scale;
}

Status find_loras(ResolvedSettings& settings, const Folders& folders) {
  const Texts paths = texts_of(settings, "loras");
  if (paths.size() == 1 && paths.front() == kNoFile) return {};
  const Texts names = texts_of(settings, "lcm_weight_name");
  const Texts scales = texts_of(settings, "lcm_lora_scale");
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (paths[i] == kNoFile) return wrong("--lcm-lora-path none", "is given together with a LoRA");
    ASSIGN_OR_RETURN(const std::string name, of_each("--lcm-weight-name", names, i, paths.size()));
    ASSIGN_OR_RETURN(const std::string scale, of_each("--lcm-lora-scale", scales, i, paths.size()));
    jobs::Lora lora;
    ASSIGN_OR_RETURN(lora.file.path, find_lora(paths[i], name, folders));
    ASSIGN_OR_RETURN(const double scaling, lora_scaling(lora.file.path));
    lora.scale = scale_of(scale) * scaling;
    settings.parameters.loras.push_back(std::move(lora));
  }
  return {};
}

Status find_overlay(ResolvedSettings& settings, const Folders& folders) {
  const Texts paths = texts_of(settings, "unet_overlay");
  if (paths.empty() || paths.front() == kNoFile) return {};
  const std::string flag = fmt::format("--unet-overlay {}", log::printable(paths.front()));
  ASSIGN_OR_RETURN(const fs::path found, locate(flag, paths.front(), folders));
  std::error_code error;
  if (fs::is_directory(found, error)) return wrong(flag, "is a folder; name the file in it");
  settings.parameters.unet_overlay.emplace().path = found.string();
  return {};
}

}  // namespace

Status find_adaptation(ResolvedSettings& settings, const std::vector<std::string>& folders) {
  RETURN_IF_ERROR(find_loras(settings, folders));
  RETURN_IF_ERROR(find_overlay(settings, folders));
  return validate(settings.parameters);
}

}  // namespace mimicfleet::coordinator
