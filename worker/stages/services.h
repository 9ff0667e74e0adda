#pragma once

#include "worker/artefacts/store.h"
#include "worker/config.h"
#include "worker/device/device.h"
#include "worker/library/model_library.h"
#include "worker/metrics/worker_metrics.h"
#include "worker/stages/features.h"
#include "worker/stages/input_files.h"

namespace mimicfleet::stages {

// What the stages of all tasks share; made once, when the worker loads.
struct Services {
  InputFiles inputs;
  cache::FeatureCache* features;  // null: none
  artefacts::ArtefactStore& artefacts;
  device::Device device;
  library::ModelLibrary models;
  const worker::WorkerConfig& config;
  const worker::WorkerMetrics& metrics;

  // See ModelLibrary::use(). LibTorch's thread.
  [[nodiscard]] Result<library::ModelLibrary::Use> use_models(const Digest& set) {
    auto use = models.use(set, device, config.decodes_only());
    if (use.ok() && use->load_seconds > 0) metrics.model_loads.add();
    return use;
  }
};

}  // namespace mimicfleet::stages
