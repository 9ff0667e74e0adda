#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/mutex.h"
#include "worker/artefacts/server.h"
#include "worker/cache/private_folder.h"
#include "worker/config.h"
#include "worker/device/device_failures.h"
#include "worker/models/nn/accelerator.h"
#include "worker/runner/runner.h"
#include "worker/stages/services.h"

namespace mimicfleet::stages {

struct EncodeInputs;

// As the configuration says.
[[nodiscard]] Result<device::Device> open_device(const worker::WorkerConfig& config);

// The executor's calls to the machine, which tests may replace.
struct ExecutorSeams {
  std::function<Result<device::Device>(const worker::WorkerConfig&)> open_device =
      stages::open_device;
  // Called before each part of a task that computes on the device. Its exceptions are handled as
  // the part's own.
  std::function<void(at::Device)> before_part = [](at::Device) {};
};

// Tasks done by LibTorch: the real Executor.
class StageExecutor final : public runner::Executor {
 public:
  using Post = std::function<void(worker::Event)>;
  // Nothing is opened yet. `config`, `post` and `metrics` must outlive this object.
  StageExecutor(const worker::WorkerConfig& config, Post post, const worker::WorkerMetrics& metrics,
                ExecutorSeams seams = {});
  ~StageExecutor() override;

  // Opens files, stores and device, finds and loads the first model set. Posts Holding when the
  // data port is open.
  [[nodiscard]] Result<worker::Ready> load() override;
  [[nodiscard]] Result<std::unique_ptr<runner::Prepared>> prepare(
      const jobs::LeaseGrant& lease, runner::TaskContext& context) override;
  [[nodiscard]] Status begin(const jobs::LeaseGrant& lease, runner::Prepared& prepared,
                             runner::TaskContext& context) override;
  // On a device that fits two, with the models that are loaded. After a failure of the device the
  // inputs are prepared once more.
  [[nodiscard]] Result<bool> condition_overlapped(const jobs::LeaseGrant& lease,
                                                  runner::Prepared& prepared,
                                                  runner::TaskContext& context) override;
  [[nodiscard]] Result<runner::Outcome> run(const jobs::LeaseGrant& lease,
                                            runner::Prepared& prepared,
                                            runner::TaskContext& context) override;
  [[nodiscard]] Status end_of_process() const override { return failures_.end_of_process(); }

 private:
  [[nodiscard]] Result<runner::Outcome> compute(const jobs::LeaseGrant& lease,
                                                runner::Prepared& prepared,
                                                runner::TaskContext& context);
  [[nodiscard]] Status on_device(const jobs::LeaseGrant& lease, runner::TaskContext& context,
                                 const std::function<Status()>& work);
  [[nodiscard]] Status condition_on_side(const jobs::LeaseGrant& lease,
                                         library::LoadedModels& models, EncodeInputs& inputs,
                                         runner::TaskContext& context);
  [[nodiscard]] Result<library::LoadedModels*> use_models(const jobs::LeaseGrant& lease,
                                                          runner::TaskContext& context);
  [[nodiscard]] std::int64_t shortages_ever() const;  // of the GPU's memory
  [[nodiscard]] Status open_artefacts();
  void open_feature_cache(const jobs::NumericsClass& numerics);

  const worker::WorkerConfig& config_;
  const Post post_;
  const ExecutorSeams seams_;
  const worker::WorkerMetrics& metrics_;
  FileDigestCache digests_;
  std::optional<cache::PrivateFolder> data_folder_;
  std::unique_ptr<artefacts::ArtefactStore> artefacts_;
  std::unique_ptr<artefacts::ArtefactServer> artefact_server_;
  std::unique_ptr<cache::FeatureCache> feature_cache_;
  std::unique_ptr<Services> services_;
  double load_seconds_ = 0;  // of the first model set, for the first task
  // Held by the computing thread while it loads or unloads models, shared by other threads while
  // they use models.
  SharedMutex models_stay_;
  std::optional<nn::SideStream> side_stream_;  // for conditioning that is overlapped
  std::atomic<bool> memory_suffices_ = true;
  device::DeviceFailures failures_;
};

}  // namespace mimicfleet::stages
