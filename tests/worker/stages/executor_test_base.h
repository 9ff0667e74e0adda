#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "jobs/keys.h"
#include "tests/paths.h"
#include "tests/temporary_folder.h"
#include "worker/config.h"
#include "worker/stages/executor.h"

namespace mimicfleet::stages {

namespace fs = std::filesystem;

inline const std::string kPack = source_path("tests/goldens/pack_a/");

// The golden pack's models, loaded once for all tests, with cache and artefacts of their own.
struct Worker {
  TemporaryFolder folder;
  worker::WorkerConfig config = make_config(folder);
  monitoring::Metrics registry;
  worker::WorkerMetrics metrics{registry};
  StageExecutor executor;
  worker::Ready ready;

  // `before` sees the folder of the features before the worker does.
  explicit Worker(ExecutorSeams seams = {},
                  const std::function<void(const std::string&)>& before = nullptr)
      : executor(
            config, [](const worker::Event&) {}, metrics, std::move(seams)) {
    if (before) before(config.cache.directory);
    auto loaded = executor.load();
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    ready = loaded.value();
  }
  static worker::WorkerConfig make_config(const TemporaryFolder& folder) {
    worker::WorkerConfig config;
    config.models = {kPack + "models"};
    config.cache.directory = folder.path("features");
    config.data_dir = folder.path("data");
    config.device = "cpu";
    config.threads = 1;
    config.name = "tester";
    return config;
  }
};

inline jobs::FileRef file_ref(const std::string& path) {
  return {path, sha256_file(path).value(), fs::file_size(path)};
}

class StageExecutorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { worker_ = std::make_unique<Worker>(); }
  static void TearDownTestSuite() { worker_.reset(); }

  StageExecutorTest() {
    fs::create_directory(folder_.path("_run"));
    std::ofstream(folder_.path("_run/nonce")) << "0123";
  }

  jobs::LeaseGrant encode(const std::string& video = kPack + "videos/a.mp4") const {
    jobs::LeaseGrant lease;
    lease.attempt = 1;
    lease.models = worker_->ready.model_sets.at(0);
    auto& spec = lease.spec;
    spec.id = new_id<jobs::TaskId>();
    spec.model_set = lease.models.id;
    spec.video = file_ref(video);
    spec.reference = file_ref(kPack + "ref.png");
    spec.parameters.resolution = 128;
    spec.parameters.steps = 1;
    spec.parameters.tile_frames = 8;
    spec.parameters.tile_overlap = 3;
    spec.output = {folder_.path(), "words/a", "0123"};
    spec.key =
        jobs::latents_key(spec.video.digest, spec.reference.digest, lease.models, spec.parameters);
    return lease;
  }
  static jobs::LeaseGrant decode(const jobs::LeaseGrant& encode, const jobs::TaskResult& made) {
    jobs::LeaseGrant lease = encode;
    lease.attempt = 2;
    lease.spec.kind = jobs::TaskKind::kDecodeVideo;
    lease.spec.key = jobs::video_key({encode.spec.key}, lease.models, lease.spec.parameters);
    jobs::TaskInput input;
    input.artefact = made.latents.value();
    input.made_by = made;
    input.made_by_worker = "encoder";
    input.made_by_attempt = 1;
    input.driving = encode.spec.video;
    input.reference = encode.spec.reference;
    lease.inputs = {input};
    return lease;
  }

  Result<jobs::TaskResult> run(const jobs::LeaseGrant& lease) {
    return run(lease, worker_->executor);
  }
  Result<jobs::TaskResult> run(const jobs::LeaseGrant& lease, StageExecutor& executor) {
    context_ = std::make_unique<runner::TaskContext>(
        jobs::TaskAttempt{lease.spec.id, lease.attempt},
        [this](const auto& progress) { on_progress_(progress); });
    ASSIGN_OR_RETURN(auto prepared, executor.prepare(lease, *context_));
    RETURN_IF_ERROR(executor.begin(lease, *prepared, *context_));
    ASSIGN_OR_RETURN(auto computed, executor.run(lease, *prepared, *context_));
    if (computed.finish) RETURN_IF_ERROR(computed.finish(computed.result));
    computed.result.stages = context_->timings();
    return std::move(computed.result);
  }
  [[nodiscard]] bool warm(const std::string& stage) const {
    for (const auto& timing : context_->timings()) {
      if (timing.stage == stage) return timing.warm;
    }
    ADD_FAILURE() << "no stage " << stage;
    return false;
  }

  inline static std::unique_ptr<Worker> worker_;
  TemporaryFolder folder_;
  std::function<void(const jobs::TaskProgress&)> on_progress_ = [](const auto&) {};
  std::unique_ptr<runner::TaskContext> context_;
};

}  // namespace mimicfleet::stages
