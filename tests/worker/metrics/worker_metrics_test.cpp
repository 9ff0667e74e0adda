#include "worker/metrics/worker_metrics.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/stages.h"
#include "worker/metrics/worker_info.h"

namespace mimicfleet::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(WorkerMetrics, AllLabelValuesAreThereFromTheStartAndPromtoolAcceptsThem) {
  monitoring::Metrics metrics;
  const WorkerMetrics worker(metrics);
  const std::string text = metrics.text();
  for (const char* line :
       {"mimicfleet_stage_duration_seconds_count{cache=\"warm\",stage=\"clip\"} 0",
        "mimicfleet_worker_task_attempts_total{kind=\"decode_video\",state=\"failed\"} 0",
        "mimicfleet_cache_requests_total{entry=\"keypoints\",result=\"damaged\"} 0",
        "mimicfleet_cache_bytes{entry=\"vae_latent\"} 0",
        "mimicfleet_cache_entries{entry=\"other\"} 0",
        "mimicfleet_artefact_bytes_total{direction=\"received\"} 0",
        "mimicfleet_worker_state{state=\"loading\"} 1",
        "mimicfleet_worker_state{state=\"ready\"} 0", "mimicfleet_worker_coordinator_connected 0",
        "mimicfleet_worker_videos_made_total 0"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  const std::string path = ::testing::TempDir() + "worker_metrics.txt";
  std::ofstream(path) << text;
  EXPECT_EQ(std::system(("promtool check metrics < " + path + " 1>&2").c_str()), 0);
  std::remove(path.c_str());
}

TEST(WorkerMetrics, SeriesThatCannotHappenAreNotThere) {
  monitoring::Metrics metrics;
  const WorkerMetrics worker(metrics);
  const std::string text = metrics.text();
  for (const char* stage : {"draw", "pose_net", "vae_decode", "mux"}) {
    EXPECT_THAT(text, Not(HasSubstr("cache=\"warm\",stage=\"" + std::string(stage))));
  }
  for (const char* stage :
       {"load", "draw", "pose_net", "denoise", "vae_decode", "mux", "transfer"}) {
    EXPECT_THAT(text, Not(HasSubstr("saved_seconds_total{stage=\"" + std::string(stage))));
  }
}

// docs/benchmarks.md: what sampling takes with 4 steps, 4 guided ones, and 25 guided ones on an
// H100.
TEST(WorkerMetrics, TheBucketsOfSamplingTellTheFiguresOfBenchmarksApart) {
  for (const auto& series : jobs::kStages) {
    EXPECT_TRUE(std::is_sorted(series.buckets.begin(), series.buckets.end())) << series.name;
    EXPECT_LE(series.buckets.size(), 22U) << series.name;
    if (series.stage != jobs::Stage::kDenoise) continue;
    for (const double figure : {3.6, 7.5, 47.0}) {
      const auto above = std::upper_bound(series.buckets.begin(), series.buckets.end(), figure);
      ASSERT_NE(above, series.buckets.end());
      EXPECT_LE(*above / *std::prev(above), 1.5) << figure;
    }
  }
}

TEST(WorkerMetrics, WhatHappensIsCounted) {
  monitoring::Metrics metrics;
  const WorkerMetrics worker(metrics);
  worker.standing(jobs::WorkerState::kReady, true);
  worker.stage({"clip", 0.3, true, 2.5});
  worker.stage(
      {"clip", 0.3, true, -0.1});  // reading took longer than making it: no counter goes down
  worker.calls({{"detector", 3}, {"a computation of a later version", 1}});
  worker.stage({"a stage of a later version", 0.3, true});
  worker.task_ended(jobs::TaskKind::kEncodeLatents, Status());
  worker.task_ended(jobs::TaskKind::kEncodeLatents, Status(StatusCode::kCancelled, "x"));
  worker.video_made(72);
  worker.cache_request(jobs::FeatureKind::kVaeLatent, cache::Outcome::kHit);
  worker.cache_limit_bytes.set(900);
  worker.cache_size({{jobs::FeatureKind::kKeypoints, {950, 2}}}, 0);
  worker.cache_size({{jobs::FeatureKind::kKeypoints, {700, 1}}, {std::nullopt, {40, 4}}}, 3);
  worker.model_loads.add();
  worker.unet_evaluations.add(50);
  worker.artefact_bytes.at({{"direction", "received"}}).add(7);
  worker.refused_replicas.add(2);
  worker.device_peak_bytes.set(30);
  worker.device_held_bytes.set(40);
  const std::string text = metrics.text();
  for (const char* line :
       {"mimicfleet_worker_state{state=\"loading\"} 0",
        "mimicfleet_worker_state{state=\"ready\"} 1",
        "mimicfleet_worker_coordinator_connected 1",
        "mimicfleet_stage_duration_seconds_count{cache=\"warm\",stage=\"clip\"} 2",
        "mimicfleet_worker_task_attempts_total{kind=\"encode_latents\",state=\"done\"} 1",
        "mimicfleet_worker_task_attempts_total{kind=\"encode_latents\",state=\"cancelled\"} 1",
        "mimicfleet_worker_videos_made_total 1",
        "mimicfleet_worker_frames_made_total 72",
        "mimicfleet_cache_requests_total{entry=\"vae_latent\",result=\"hit\"} 1",
        "mimicfleet_cache_saved_seconds_total{stage=\"clip\"} 2.5",
        "mimicfleet_feature_computations_total{what=\"detector\"} 3",
        "mimicfleet_cache_bytes{entry=\"keypoints\"} 700",
        "mimicfleet_cache_entries{entry=\"keypoints\"} 1",
        "mimicfleet_cache_bytes{entry=\"other\"} 40",
        "mimicfleet_cache_limit_bytes 900",
        "mimicfleet_cache_evictions_total 3",
        "mimicfleet_model_loads_total 1",
        "mimicfleet_unet_evaluations_total 50",
        "mimicfleet_artefact_bytes_total{direction=\"received\"} 7",
        "mimicfleet_artefact_replicas_refused_total 2",
        "mimicfleet_device_memory_peak_bytes 30",
        "mimicfleet_device_memory_held_bytes 40"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(WorkerInfo, SaysWhoTheWorkerIsAndItsDeviceOnceThatIsOpen) {
  monitoring::Metrics metrics;
  jobs::WorkerHello hello;
  hello.name = "left";
  hello.host = "node1";
  hello.device = "auto";
  hello.slurm_job_id = "4711";
  hello.kinds = {jobs::TaskKind::kDecodeVideo};
  const WorkerMetrics worker(metrics);
  WorkerInfo info(worker, hello);
  EXPECT_THAT(metrics.text(),
              AllOf(HasSubstr("worker=\"left\""), HasSubstr("host=\"node1\""),
                    HasSubstr("device=\"auto\""), HasSubstr("slurm_job_id=\"4711\"")));
  EXPECT_THAT(metrics.text(),
              AllOf(HasSubstr("mimicfleet_worker_takes{kind=\"decode_video\"} 1"),
                    HasSubstr("mimicfleet_worker_takes{kind=\"encode_latents\"} 0")));
  jobs::NumericsClass numerics;
  numerics.device = "NVIDIA H200";
  numerics.precision = "fp16";
  info.ready("cuda:1", numerics);
  EXPECT_THAT(metrics.text(),
              AllOf(HasSubstr("device=\"cuda:1\""), HasSubstr("device_name=\"NVIDIA H200\""),
                    HasSubstr("precision=\"fp16\""), Not(HasSubstr("device=\"auto\""))));
}

}  // namespace
}  // namespace mimicfleet::worker
