#include "worker/library/model_library.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/files/absolute_path.h"
#include "common/log.h"
#include "common/model_files/shipped.h"
#include "worker/models/nn/accelerator.h"

namespace mimicfleet::library {
Result<ModelLibrary> ModelLibrary::find(std::vector<std::string> roots, FileDigestCache& digests) {
  if (roots.empty()) {
    const auto shipped = model_root::shipped_root();
    if (!shipped) {
      return Status(StatusCode::kNotFound,
                    "no models: give --models DIR, a folder with MimicMotion_1-1.pth, DWPose/ and "
                    "the SVD folder");
    }
    roots.push_back(*shipped);
  }
  ModelLibrary library;
  for (const auto& root : roots) {
    ASSIGN_OR_RETURN(auto files, model_root::find_below(root));
    auto pinned = std::make_shared<PinnedFiles>(digests);
    const auto pin = [&pinned](const std::string& path) { return pinned->pin(path); };
    ASSIGN_OR_RETURN(const auto parts, model_root::digest_parts(files, pin));
    jobs::ModelSet set = jobs::make_model_set(parts);
    log::info("models {} ({:.8}) in {}", set.name, set.id.hex(), root);
    library.known_.push_back({std::move(set), std::move(files), std::move(pinned)});
  }
  return library;
}

std::vector<jobs::ModelSet> ModelLibrary::sets() const {
  std::vector<jobs::ModelSet> sets;
  for (const auto& known : known_) sets.push_back(known.set);
  return sets;
}

std::vector<std::string> ModelLibrary::folders() const {
  std::vector<std::string> folders;
  for (const auto& known : known_)
    folders.push_back(absolute_path(known.files.checkpoint).parent_path());
  return folders;
}

LoadedModels* ModelLibrary::loaded(const Digest& set) {
  return loaded_ && loaded_->set.id == set ? &*loaded_ : nullptr;
}

Result<ModelLibrary::Use> ModelLibrary::use(const Digest& set, const device::Device& device,
                                            bool decoder_only) {
  if (LoadedModels* models = loaded(set)) return Use{models, 0};
  const auto found = std::find_if(known_.begin(), known_.end(),
                                  [&](const Known& known) { return known.set.id == set; });
  if (found == known_.end()) {
    return Status(
        StatusCode::kNotFound,
        fmt::format("this worker does not have the models {:.8}; start one with --models and their "
                    "folder",
                    set.hex()));
  }
  loaded_.reset();
  const Instant begin = SteadyClock().now();
  RETURN_IF_ERROR(found->pinned->read([&]() -> Status {
    loaded_.reset();
    ASSIGN_OR_RETURN(LoadedModels models, load(*found, device, decoder_only));
    loaded_.emplace(std::move(models));
    return {};
  }));
  nn::synchronize(device.device);  // another thread may use them on another stream
  const double seconds = to_seconds(SteadyClock().now() - begin);
  log::info("models {} loaded on {} in {:.2f} s", found->set.name, device.name, seconds);
  return Use{&*loaded_, seconds};
}

Result<LoadedModels> ModelLibrary::load(const Known& known, const device::Device& device,
                                        bool decoder_only) {
  const auto& files = known.files;
  ASSIGN_OR_RETURN(
      auto diffusion,
      svd::load_diffusion_models(files, device.device, device::model_precision(device),
                                 decoder_only ? svd::ModelSet::kDecoderOnly : svd::ModelSet::kAll));
  std::optional<pose::PoseEstimator> pose;
  if (!decoder_only) {
    ASSIGN_OR_RETURN(
        pose, pose::PoseEstimator::load(files.detector, files.pose_estimator, device.device));
  }
  if (!diffusion.ignored_keys.empty()) {
    log::info("{}: {} keys are not used, such as {}", files.checkpoint,
              diffusion.ignored_keys.size(), diffusion.ignored_keys.front());
  }
  return LoadedModels{known.set, std::move(diffusion), std::move(pose),
                      UnetPool(files, known.set.diffusion, known.pinned)};
}

}  // namespace mimicfleet::library
