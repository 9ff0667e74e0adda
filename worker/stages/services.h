#pragma once

#include <string>

#include "worker/artefacts/store.h"
#include "worker/models/nn/accelerator.h"
#include "worker/stages/device.h"
#include "worker/stages/device_failures.h"
#include "worker/stages/features.h"
#include "worker/stages/input_files.h"
#include "worker/stages/model_library.h"
#include "worker/worker_metrics.h"

namespace mimicfleet::stages {

// What the stages of all tasks share; made once, when the worker loads.
struct Services {
  InputFiles inputs;
  cache::FeatureCache* features;  // null: none
  artefacts::ArtefactStore& artefacts;
  Device device;
  ModelLibrary models;
  bool decoder_only = false;  // the worker takes no encodes
  std::string worker_name;
  const worker::WorkerMetrics& metrics;
  std::int64_t memory_failures = 0;  // of the device ever, as the part of a task that runs began

  // See ModelLibrary::use(). LibTorch's thread.
  [[nodiscard]] Result<ModelLibrary::Use> use_models(const Digest& set) {
    auto use = models.use(set, device, decoder_only);
    if (use.ok() && use->load_seconds > 0) metrics.models_loaded();
    return use;
  }

  // How often the device's memory has fallen short since begin_part(); never on a CPU. LibTorch's thread.
  [[nodiscard]] std::int64_t memory_shortages() const {
    return nn::device_memory(device.device).value_or(nn::DeviceMemory{}).failures - memory_failures;
  }
  void begin_part() { memory_failures += memory_shortages(); }
  // To be asked before anything that models made is kept.
  [[nodiscard]] Status check_memory() const {
    return memory_shortages() > 0 ? computed_otherwise() : Status();
  }
};

}  // namespace mimicfleet::stages
