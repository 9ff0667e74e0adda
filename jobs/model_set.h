#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/model_root/model_root.h"

namespace mimicfleet::jobs {

// The models that a task needs, named by content. `id` is the digest of the parts' digests.
struct ModelSet {
  Digest id;
  Digest diffusion;  // UNet, PoseNet and scheduler: what sampling depends on
  Digest vae;
  Digest clip;
  Digest detector;         // YOLOX and DW-Pose
  std::string name;        // for people: the folder's name
  std::string checkpoint;  // path of the UNet's weights where they were read; not in the id
  std::map<std::string, std::string> defaults;  // defaults.yaml of the model root, key by key

  friend bool operator==(const ModelSet&, const ModelSet&) = default;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("id", self.id);
    field("diffusion", self.diffusion);
    field("vae", self.vae);
    field("clip", self.clip);
    field("detector", self.detector);
    field("name", self.name);
    field("checkpoint", self.checkpoint);
    field("defaults", self.defaults);
  }
};

// The id that goes with the four parts (canonical, versioned).
[[nodiscard]] Digest model_set_id(const ModelSet& parts);

// The set that these files make: each part is named by what its files are and hold, never by their
// paths.
[[nodiscard]] ModelSet make_model_set(const model_root::ModelFiles& files,
                                      const model_root::PartDigests& digests);

// Within one class results are equal to the byte; across classes only within the parity bounds.
struct NumericsClass {
  std::string library;    // "libtorch-2.11.0"
  std::string device;     // "cpu-avx512", "NVIDIA H200"
  std::string precision;  // "fp32"
  std::int32_t threads = 0;

  [[nodiscard]] std::string name() const;  // all of it in one line
  friend bool operator==(const NumericsClass&, const NumericsClass&) = default;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("library", self.library);
    field("device", self.device);
    field("precision", self.precision);
    field("threads", self.threads);
  }
};

}  // namespace mimicfleet::jobs
