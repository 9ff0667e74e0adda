#include "common/model_files/model_root.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "common/config/yaml.h"
#include "common/files/absolute_path.h"
#include "common/files/list_folder.h"
#include "common/model_files/expected_file.h"
#include "common/model_files/hub_cache.h"
#include "common/model_files/weight_files.h"

namespace mimicfleet::model_root {
namespace {

namespace fs = std::filesystem;

constexpr int kSearchDepth = 3;
constexpr std::size_t kMaxFolders = 2000;  // looked into while searching
constexpr config::YamlLimits kDefaultsLimits = {.bytes = 64 << 10, .depth = 2, .nodes = 1000};

constexpr Expected kUnetConfig = {Format::kJson, "the UNet's configuration", kSvdSource};
constexpr Expected kSchedulerConfig = {Format::kJson, "the noise scheduler's configuration",
                                       kSvdSource};
constexpr Expected kVaeConfig = {Format::kJson, "the VAE's configuration", kSvdSource};
constexpr Expected kVaeWeights = {Format::kSafetensors, "the VAE's weights", kSvdSource};
constexpr Expected kClipConfig = {Format::kJson, "the CLIP image encoder's configuration",
                                  kSvdSource};
constexpr Expected kClipWeights = {Format::kSafetensors, "the CLIP image encoder's weights",
                                   kSvdSource};
constexpr Expected kCheckpoint = {Format::kTorchZip, "the UNet and PoseNet weights of MimicMotion",
                                  kMimicMotionSource};
constexpr Expected kDetector = {Format::kOnnx, "DWPose's person detector", kDwposeSource};
constexpr Expected kPoseEstimator = {Format::kOnnx, "DWPose's pose estimator", kDwposeSource};

bool is_svd_folder(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(folder / "unet" / "config.json", error);
}

std::vector<fs::path> subfolders(const fs::path& folder) {
  std::vector<fs::path> found;
  const auto entries = list_folder(folder.string());
  if (!entries.ok()) return {};  // what this user may not see is none of the models
  std::error_code error;
  for (const auto& entry : *entries) {
    if (entry.is_directory(error) && entry.path().filename().string().front() != '.') {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The folders nearest to `root` that have unet/config.json.
std::vector<fs::path> svd_folders(const fs::path& root) {
  std::vector<fs::path> level = {root};
  std::size_t looked_into = 0;
  for (int depth = 0; depth <= kSearchDepth; ++depth) {
    std::vector<fs::path> found;
    std::copy_if(level.begin(), level.end(), std::back_inserter(found), is_svd_folder);
    if (!found.empty()) return found;
    std::vector<fs::path> next;
    for (const auto& folder : level) {
      if (++looked_into > kMaxFolders) return {};
      for (auto& child : subfolders(folder)) next.push_back(std::move(child));
    }
    level = std::move(next);
  }
  return {};
}

Result<Component> component(const fs::path& folder, std::string_view stem, const Expected& config,
                            const Expected& weights) {
  Component found;
  found.config = (folder / "config.json").string();
  RETURN_IF_ERROR(check_file(found.config, config));
  auto files = weight_files(folder.string(), stem);
  if (!files.ok() && files.status().code() == StatusCode::kNotFound) {
    return Status(StatusCode::kNotFound,
                  fmt::format("{}; get them from {}", files.status().message(), weights.source));
  }
  if (!files.ok()) return files.status();
  for (const auto& file : *files) RETURN_IF_ERROR(check_file(file, weights));
  found.weights = std::move(files).value();
  return found;
}

Result<std::map<std::string, std::string>> read_defaults(const fs::path& path) {
  std::map<std::string, std::string> defaults;
  std::error_code error;
  if (!fs::exists(path, error)) return defaults;
  ASSIGN_OR_RETURN(const config::YamlNode document,
                   config::read_yaml(path.string(), kDefaultsLimits));
  for (const auto& [key, value] : document.members) {
    if (value.kind != config::YamlNode::Kind::kScalar) {
      return Status(StatusCode::kBadInput, fmt::format("{}: line {}: '{}' must be one value",
                                                       path.string(), value.line, key));
    }
    defaults[key] = value.scalar;
  }
  return defaults;
}

Result<ModelFiles> collect(const fs::path& root, const fs::path& svd, const fs::path& checkpoint,
                           const fs::path& dwpose) {
  ModelFiles files;
  files.name = root.filename().string();
  files.unet_config = (svd / "unet" / "config.json").string();
  files.scheduler_config = (svd / "scheduler" / "scheduler_config.json").string();
  files.checkpoint = checkpoint.string();
  files.detector = (dwpose / "yolox_l.onnx").string();
  files.pose_estimator = (dwpose / "dw-ll_ucoco_384.onnx").string();
  RETURN_IF_ERROR(check_file(files.unet_config, kUnetConfig));
  RETURN_IF_ERROR(check_file(files.scheduler_config, kSchedulerConfig));
  ASSIGN_OR_RETURN(files.vae,
                   component(svd / "vae", "diffusion_pytorch_model", kVaeConfig, kVaeWeights));
  ASSIGN_OR_RETURN(files.image_encoder,
                   component(svd / "image_encoder", "model", kClipConfig, kClipWeights));
  RETURN_IF_ERROR(check_file(files.checkpoint, kCheckpoint));
  RETURN_IF_ERROR(check_file(files.detector, kDetector));
  RETURN_IF_ERROR(check_file(files.pose_estimator, kPoseEstimator));
  ASSIGN_OR_RETURN(files.defaults, read_defaults(root / "defaults.yaml"));
  return files;
}

// The first of `folders`/`path` that exists.
std::optional<fs::path> first_existing(const std::vector<std::string>& folders,
                                       const std::string& path) {
  std::error_code error;
  for (const auto& folder : folders) {
    const fs::path candidate = absolute_path(fs::path(folder) / path);
    if (fs::exists(candidate, error)) return candidate;
  }
  return std::nullopt;
}

Result<fs::path> locate_svd(const Locations& locations) {
  if (const auto folder = first_existing(locations.folders, locations.base_model_path))
    return *folder;
  if (is_hub_id(locations.base_model_path)) {
    ASSIGN_OR_RETURN(const std::string snapshot,
                     hub_snapshot(hub_cache_folder(), locations.base_model_path));
    return fs::path(snapshot);
  }
  return Status(
      StatusCode::kNotFound,
      fmt::format("{} (base_model_path): no such folder; expected Stable Video Diffusion XT 1.1 in "
                  "diffusers layout, get it from {}",
                  locations.base_model_path, kSvdSource));
}

Result<FileDigests> digest_all(const DigestOf& digest_of,
                               const std::vector<std::pair<std::string, std::string>>& files) {
  FileDigests digests;
  for (const auto& [role, path] : files) {
    ASSIGN_OR_RETURN(const Digest digest, digest_of(path));
    digests.emplace_back(role, digest);
  }
  return digests;
}

std::vector<std::pair<std::string, std::string>> roles_of(const Component& component) {
  std::vector<std::pair<std::string, std::string>> roles = {{"config", component.config}};
  for (const auto& file : component.weights) roles.emplace_back("weights", file);
  return roles;
}

}  // namespace

Result<ModelFiles> find_below(const std::string& root) {
  const fs::path folder = absolute_path(root);
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return Status(
        StatusCode::kNotFound,
        fmt::format(
            "{}: no such folder; expected a model folder with MimicMotion_1-1.pth, DWPose/ and "
            "the SVD folder",
            folder.string()));
  }
  const auto found = svd_folders(folder);
  if (found.size() > 1) {
    return Status(
        StatusCode::kBadInput,
        fmt::format("{}: has two Stable Video Diffusion folders, {} and {}; name the one to use as "
                    "base_model_path in --config",
                    folder.string(), found[0].string(), found[1].string()));
  }
  if (found.empty()) {
    return Status(
        StatusCode::kNotFound,
        fmt::format(
            "{}: has no subfolder with unet/config.json; expected Stable Video Diffusion XT "
            "1.1 in diffusers layout, get it from {}",
            folder.string(), kSvdSource));
  }
  return collect(folder, found.front(), folder / "MimicMotion_1-1.pth", folder / "DWPose");
}

Result<ModelFiles> find_located(const Locations& locations) {
  ASSIGN_OR_RETURN(const fs::path svd, locate_svd(locations));
  const fs::path checkpoint =
      first_existing(locations.folders, locations.ckpt_path)
          .value_or(absolute_path(fs::path(locations.folders.front()) / locations.ckpt_path));
  const fs::path root = checkpoint.parent_path();
  const fs::path dwpose =
      locations.dwpose.empty() ? root / "DWPose" : absolute_path(locations.dwpose);
  return collect(root, svd, checkpoint, dwpose);
}

Result<PartDigests> digest_parts(const ModelFiles& files, FileDigestCache& cache) {
  return digest_parts(files, [&cache](const std::string& path) { return cache.digest(path); });
}

Result<PartDigests> digest_parts(const ModelFiles& files, const DigestOf& digest_of) {
  PartDigests parts;
  ASSIGN_OR_RETURN(parts.diffusion,
                   digest_all(digest_of, {{"unet_config", files.unet_config},
                                          {"scheduler_config", files.scheduler_config},
                                          {"checkpoint", files.checkpoint}}));
  ASSIGN_OR_RETURN(parts.vae, digest_all(digest_of, roles_of(files.vae)));
  ASSIGN_OR_RETURN(parts.clip, digest_all(digest_of, roles_of(files.image_encoder)));
  ASSIGN_OR_RETURN(parts.detector,
                   digest_all(digest_of, {{"detector", files.detector},
                                          {"pose_estimator", files.pose_estimator}}));
  parts.name = files.name;
  parts.checkpoint = absolute_path(files.checkpoint).string();
  parts.defaults = files.defaults;
  return parts;
}

}  // namespace mimicfleet::model_root
