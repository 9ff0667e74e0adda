#include "coordinator/client/models.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "common/model_root/shipped.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

bool is_folder(const std::string& path) {
  std::error_code error;
  return !path.empty() && fs::is_directory(path, error);
}

Result<model_root::ModelFiles> find_files(const ModelRequest& request) {
  if (!request.root.empty()) return model_root::find_below(request.root);
  if (request.base_model_path.empty() != request.ckpt_path.empty()) {
    return Status(
        StatusCode::kInvalidArgument,
        "the config must name both base_model_path and ckpt_path, or neither (then give --models DIR)");
  }
  if (!request.ckpt_path.empty()) {
    model_root::Locations locations;
    locations.base_model_path = request.base_model_path;
    locations.ckpt_path = request.ckpt_path;
    locations.dwpose = request.dwpose;
    locations.folders = {".", request.config_folder};
    return model_root::find_located(locations);
  }
  if (const auto shipped = model_root::shipped_root()) return model_root::find_below(*shipped);
  return Status(
      StatusCode::kNotFound,
      "no models: give --models DIR, a folder with MimicMotion_1-1.pth, DWPose/ and the SVD folder, or "
      "base_model_path and ckpt_path in --config");
}

ChosenModels with_files(model_root::ModelFiles files) {
  ChosenModels chosen;
  chosen.set.name = files.name;
  chosen.set.defaults = files.defaults;
  chosen.files = std::move(files);
  return chosen;
}

std::string names_of(const std::vector<jobs::ModelSet>& sets) {
  std::string names;
  for (const auto& set : sets) {
    names += fmt::format("{}{} ({:.8})", names.empty() ? "" : ", ", set.name, set.id.hex());
  }
  return names;
}

// The set of `offered` that is called `name`, or the only one when no name is given.
Result<ChosenModels> choose_offered(const std::string& name, const std::vector<jobs::ModelSet>& offered) {
  if (offered.empty()) {
    return Status(
        StatusCode::kUnavailable,
        "no worker of the server has its models ready yet: start one (`worker --coordinator …`), wait "
        "for it (`coordinator worker list`), or give --models DIR");
  }
  std::vector<jobs::ModelSet> fitting;
  std::copy_if(offered.begin(), offered.end(), std::back_inserter(fitting), [&](const jobs::ModelSet& set) {
    return name.empty() || set.name == name || (name.size() >= 8 && set.id.hex().starts_with(name));
  });
  if (fitting.size() == 1) return ChosenModels{fitting.front(), std::nullopt};
  return Status(StatusCode::kInvalidArgument,
                fmt::format("{}the server's workers have {}; name one of them",
                            name.empty() ? "give --models NAME: " : fmt::format("--models {}: ", name),
                            names_of(offered)));
}

// Links that give the files the places which find_below expects.
Status link_all(const model_root::ModelFiles& files, const fs::path& root) {
  const fs::path svd = fs::path(files.unet_config).parent_path().parent_path();
  const fs::path checkpoint = files.checkpoint;
  const std::array<std::pair<fs::path, fs::path>, 4> links = {
      {{svd, root / "svd"},
       {checkpoint, root / "MimicMotion_1-1.pth"},
       {fs::path(files.detector).parent_path(), root / "DWPose"},
       {checkpoint.parent_path() / "defaults.yaml", root / "defaults.yaml"}}};
  std::error_code error;
  fs::remove_all(root, error);
  fs::create_directories(root, error);
  for (const auto& [target, link] : links) {
    if (!error && fs::exists(target)) fs::create_symlink(target, link, error);
  }
  if (!error) return {};
  return {StatusCode::kFailedPrecondition,
          fmt::format("{}: cannot be made: {}", root.string(), error.message())};
}

}  // namespace

Result<ChosenModels> choose_models(const ModelRequest& request, const std::vector<jobs::ModelSet>* offered) {
  const bool names_files = is_folder(request.root) ||
                           (request.root.empty() && !(request.base_model_path + request.ckpt_path).empty());
  if (offered != nullptr && !names_files) return choose_offered(request.root, *offered);
  auto files = find_files(request);
  // What a config names may be only where the workers are.
  if (!files.ok() && offered != nullptr && request.root.empty()) return choose_offered("", *offered);
  if (!files.ok()) return files.status();
  return with_files(*std::move(files));
}

Status name_models(ChosenModels& chosen, FileDigestCache& cache) {
  if (!chosen.files) return {};
  ASSIGN_OR_RETURN(const auto digests, model_root::digest_parts(*chosen.files, cache));
  chosen.set = jobs::make_model_set(*chosen.files, digests);
  return {};
}

Result<std::string> worker_root(const model_root::ModelFiles& files, const std::string& scratch) {
  const std::string own = fs::path(files.checkpoint).parent_path().string();
  const auto below = model_root::find_below(own);
  if (below.ok() && *below == files) return own;
  RETURN_IF_ERROR(link_all(files, scratch));
  return scratch;
}

}  // namespace mimicfleet::coordinator
