#include "coordinator/client/plan/models.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "common/log.h"
#include "common/model_files/shipped.h"
#include "coordinator/client/plan/missing_file.h"
#include "jobs/model_notice.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

bool is_folder(const std::string& path) {
  std::error_code error;
  return !path.empty() && fs::is_directory(path, error);
}

bool is_in_config(const ModelRequest& request) {
  return !(request.base_model_path + request.ckpt_path).empty();
}

Result<model_root::ModelFiles> find_in_config(const ModelRequest& request) {
  if (request.base_model_path.empty() || request.ckpt_path.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "the config must name both base_model_path and ckpt_path, or neither (then give "
                  "--models DIR)");
  }
  model_root::Locations locations;
  locations.base_model_path = request.base_model_path;
  locations.ckpt_path = request.ckpt_path;
  locations.dwpose = request.dwpose;
  locations.folders = {".", request.config_folder};
  return model_root::find_located(locations);
}

ChosenModels with_files(model_root::ModelFiles files) {
  ChosenModels chosen;
  chosen.set.name = files.name;
  chosen.set.defaults = files.defaults;
  chosen.files = std::move(files);
  return chosen;
}

std::string name_of(const jobs::ModelSet& set) {
  return fmt::format("{} ({:.8})", set.name, set.id.hex());
}

std::string names_of(const std::vector<jobs::ModelSet>& sets) {
  std::string names;
  for (const auto& set : sets) names += (names.empty() ? "" : ", ") + name_of(set);
  return names;
}

std::vector<jobs::ModelSet> without_notice(const std::vector<jobs::ModelSet>& sets) {
  std::vector<jobs::ModelSet> plain;
  std::copy_if(sets.begin(), sets.end(), std::back_inserter(plain),
               [](const jobs::ModelSet& set) { return jobs::notice_of(set.defaults).empty(); });
  return plain;
}

constexpr std::size_t kFewestDigits = 4;

// The set of `offered` that is called `name`.
Result<ChosenModels> choose_by_name(const std::string& name,
                                    const std::vector<jobs::ModelSet>& offered) {
  std::vector<jobs::ModelSet> fitting;
  std::copy_if(
      offered.begin(), offered.end(), std::back_inserter(fitting), [&](const jobs::ModelSet& set) {
        return set.name == name || (name.size() >= kFewestDigits && set.id.hex().starts_with(name));
      });
  if (fitting.size() == 1) return ChosenModels{fitting.front(), std::nullopt, {}};
  if (fitting.size() > 1) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("--models {}: the server's workers have {}; name one of them by what stands in "
                    "brackets",
                    name, names_of(fitting)));
  }
  return Status(
      StatusCode::kInvalidArgument,
      fmt::format("--models {}: there is no such folder here, and {}", name,
                  offered.empty() ? "no worker of the server is there to have models of that name"
                                  : "the server's workers have " + names_of(offered) +
                                        "; give a folder, or name one of these"));
}

Result<ChosenModels> choose_shipped(bool on_server) {
  const auto shipped = model_root::shipped_root();
  if (!shipped) {
    return Status(StatusCode::kNotFound,
                  "no models: give --models DIR, a folder with MimicMotion_1-1.pth, DWPose/ and "
                  "the SVD folder, or "
                  "base_model_path and ckpt_path in --config");
  }
  ASSIGN_OR_RETURN(auto files, model_root::find_below(*shipped));
  ChosenModels chosen = with_files(std::move(files));
  chosen.warning = fmt::format("no models are named{}; using those that come with the program: {}",
                               on_server ? " and no worker is there to offer any" : "",
                               jobs::notice_of(chosen.set.defaults));
  return chosen;
}

// Where the user named nothing.
Result<ChosenModels> choose_offered(const std::vector<jobs::ModelSet>& offered) {
  if (offered.empty()) return choose_shipped(true);
  const auto plain = without_notice(offered);
  const auto& choice = plain.empty() ? offered : plain;
  if (choice.size() > 1) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("give --models NAME: the server's workers have {}; name one of them",
                              names_of(offered)));
  }
  ChosenModels chosen{choice.front(), std::nullopt, {}};
  if (const std::string notice = jobs::notice_of(chosen.set.defaults); !notice.empty()) {
    chosen.warning = fmt::format("no models are named, so {} of the server's workers are used: {}",
                                 chosen.set.name, notice);
  }
  return chosen;
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

Result<ChosenModels> choose_models(const ModelRequest& request, const OfferedModels& offered) {
  if (!request.dwpose.empty() && (!request.root.empty() || !is_in_config(request))) {
    return Status(StatusCode::kInvalidArgument,
                  "--dwpose goes with base_model_path and ckpt_path of --config; a folder that "
                  "--models names "
                  "has its own DWPose/");
  }
  if (const std::string why = is_folder(request.root) ? "" : why_not_meant(request.root);
      !why.empty()) {
    return Status(StatusCode::kNotFound, fmt::format("--models {}: no such folder; {}",
                                                     log::printable(request.root), why));
  }
  if (is_folder(request.root) || (!request.root.empty() && !offered)) {
    ASSIGN_OR_RETURN(auto files, model_root::find_below(request.root));
    return with_files(std::move(files));
  }
  if (request.root.empty() && is_in_config(request)) {
    auto files = find_in_config(request);
    if (files.ok()) return with_files(*std::move(files));
    if (!offered || files.status().code() == StatusCode::kInvalidArgument) return files.status();
    return Status(
        files.status().code(),
        files.status().message() +
            "; the config's models have to be readable here, too, to be sent to workers that have "
            "them: put them there, or give --models NAME for those that the workers have "
            "(`coordinator worker list`)");
  }
  if (!offered) return choose_shipped(false);
  ASSIGN_OR_RETURN(const auto sets, offered());
  return request.root.empty() ? choose_offered(sets) : choose_by_name(request.root, sets);
}

bool any_without_notice(const std::vector<jobs::ModelSet>& sets) {
  return !without_notice(sets).empty();
}

std::vector<std::string> remarks_on_workers(const jobs::ModelSet& models,
                                            const std::vector<jobs::ModelSet>& offered) {
  std::vector<std::string> remarks;
  const bool offer = std::any_of(offered.begin(), offered.end(),
                                 [&](const jobs::ModelSet& set) { return set.id == models.id; });
  if (!offer) {
    remarks.push_back(fmt::format(
        "no worker of the server has the models {}: the job waits until one is "
        "started with them (`worker --models DIR`){}",
        name_of(models), offered.empty() ? "" : "; the workers have " + names_of(offered)));
  }
  if (!jobs::notice_of(models.defaults).empty()) return remarks;
  for (const auto& set : offered) {
    const std::string notice = jobs::notice_of(set.defaults);
    if (notice.empty() || set.id == models.id) continue;
    remarks.push_back(
        fmt::format("the server also has workers with {}, which do nothing of this job: {} (see "
                    "`coordinator worker list`)",
                    set.name, notice));
  }
  return remarks;
}

Status name_models(ChosenModels& chosen, FileDigestCache& cache) {
  if (!chosen.files) return {};
  ASSIGN_OR_RETURN(const auto digests, model_root::digest_parts(*chosen.files, cache));
  chosen.set = jobs::make_model_set(digests);
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
