#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/model_files/model_root.h"
#include "worker/library/pinned_files.h"
#include "worker/library/unet_adaptation.h"
#include "worker/models/svd/pipeline.h"
#include "worker/models/svd/unet_weights.h"

namespace mimicfleet::library {

// The UNets of one model set in memory: the weights of one file as they are (the checkpoint's or an
// overlay's), and one UNet with LoRAs fused into them, which shares what no LoRA changes. So going
// from one LoRA to another, or to none, reads no more than the LoRA; another overlay reads that, or
// the checkpoint. Of the one that is asked for there may be one more that computes in 8-bit
// floating point; it has the weights of its linear layers in both forms.
class UnetPool {
 public:
  // `diffusion`: digest that names the model set's own UNet, which `models` hold when they are
  // loaded. `pinned`: the files of the set.
  UnetPool(const model_root::ModelFiles& files, const Digest& diffusion,
           std::shared_ptr<PinnedFiles> pinned)
      : config_(files.unet_config),
        checkpoint_(files.checkpoint),
        pinned_(std::move(pinned)),
        own_(diffusion),
        whole_(diffusion) {}

  struct Use {
    double seconds = 0;            // 0: it was in memory
    std::uint64_t read_bytes = 0;  // of the files that had to be read
    std::string note;              // for people: what was taken for something else; or empty
  };
  // Gives `models` the UNet that is asked for. kBadInput names a file that is not what it is given
  // as, kInputChanged one that changed since it was opened or, of the model set, since the worker
  // started. After a failure the next use makes up for what is missing.
  [[nodiscard]] Result<Use> use(const UnetAdaptation& adaptation, svd::DiffusionModels& models);

 private:
  [[nodiscard]] Result<Use> use_weights(const UnetAdaptation& adaptation,
                                        svd::DiffusionModels& models);
  [[nodiscard]] Status quantise(svd::DiffusionModels& models);
  struct Overlay {
    Digest digest;
    std::string origin;
    weights::TensorSet tensors;  // without prefix
  };
  struct Lora {
    std::string origin;
    weights::TensorSet tensors;
    double scale = 1;
  };
  struct Opened {
    std::optional<Overlay> overlay;
    std::vector<Lora> loras;
    std::uint64_t bytes = 0;
    std::string note;
  };
  struct Made {
    Opened opened;
    bool was_there = false;  // the whole weights
  };
  [[nodiscard]] Result<Made> make(const UnetAdaptation& adaptation, svd::DiffusionModels& models);
  [[nodiscard]] static Result<Opened> open(const UnetAdaptation& adaptation);
  [[nodiscard]] static Status sort(const StableFile& file, double scale, Opened& opened);
  [[nodiscard]] Status load_whole(Opened& opened, svd::DiffusionModels& models);
  [[nodiscard]] Status load_own(svd::DiffusionModels& models) const;
  [[nodiscard]] Status check_unchanged(const UnetAdaptation& adaptation);
  [[nodiscard]] Status fuse(const Digest& key, const Opened& opened, svd::DiffusionModels& models);

  struct Fused {
    Digest key;
    std::string note;
    std::shared_ptr<const svd::Unet> unet;
  };
  std::string config_;
  std::string checkpoint_;
  std::shared_ptr<PinnedFiles> pinned_;
  Digest own_;
  std::optional<Digest> whole_;  // whose weights the models hold; nothing after a failure
  std::optional<Fused> fused_;
  std::optional<Digest> active_;  // key of the adaptation that the models have
  struct Quantised {
    std::shared_ptr<const svd::Unet> of;
    std::shared_ptr<const svd::Unet> unet;
  };
  std::optional<Quantised> quantised_;
  std::string note_;
};

}  // namespace mimicfleet::library
