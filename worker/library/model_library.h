#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/files/digest_cache.h"
#include "common/model_files/model_root.h"
#include "jobs/model_set.h"
#include "worker/device/device.h"
#include "worker/library/pinned_files.h"
#include "worker/library/unet_pool.h"
#include "worker/models/pose/estimator.h"
#include "worker/models/svd/pipeline.h"

namespace mimicfleet::library {

// A model set in memory. The pose estimator is there if the worker encodes.
struct LoadedModels {
  jobs::ModelSet set;
  svd::DiffusionModels diffusion;
  std::optional<pose::PoseEstimator> pose;
  UnetPool unets;  // lends `diffusion` its UNet
};

// The model sets that this worker can serve. One is in memory at a time.
class ModelLibrary {
 public:
  // Finds and hashes what lies below each root; without any root the pack that comes with the
  // program. Errors name the file, what is expected there and where people get it.
  [[nodiscard]] static Result<ModelLibrary> find(std::vector<std::string> roots,
                                                 FileDigestCache& digests);

  [[nodiscard]] std::vector<jobs::ModelSet> sets() const;
  [[nodiscard]] std::vector<std::string> folders()
      const;  // of each set, absolute: that of its checkpoint

  struct Use {
    LoadedModels* models = nullptr;  // until the next use()
    double load_seconds = 0;         // 0: it was in memory
  };
  // Loads the set unless it is in memory; another one leaves it first. kNotFound: this worker does
  // not have it; kInputChanged: its files are not those that find() hashed.
  [[nodiscard]] Result<Use> use(const Digest& set, const device::Device& device, bool decoder_only);

  // The set if it is in memory, or null.
  [[nodiscard]] LoadedModels* loaded(const Digest& set);

  // Gives up what is in memory.
  void unload() { loaded_.reset(); }

 private:
  struct Known {
    jobs::ModelSet set;
    model_root::ModelFiles files;
    std::shared_ptr<PinnedFiles> pinned;
  };
  [[nodiscard]] static Result<LoadedModels> load(const Known& known, const device::Device& device,
                                                 bool decoder_only);
  std::vector<Known> known_;
  std::optional<LoadedModels> loaded_;
};

}  // namespace mimicfleet::library
