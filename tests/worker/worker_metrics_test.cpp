#include "worker/worker_metrics.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::worker {
namespace {

using ::testing::HasSubstr;

TEST(WorkerMetrics, AllLabelValuesAreThereFromTheStartAndPromtoolAcceptsThem) {
  monitoring::Metrics metrics;
  const WorkerMetrics worker(metrics);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("mimicfleet_stage_seconds_count{cache=\"warm\",stage=\"vae_decode\"} 0"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_tasks_total{kind=\"decode_video\",state=\"failed\"} 0"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_cache_requests_total{entry=\"keypoints\",result=\"damaged\"} 0"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_transfer_bytes_total{direction=\"received\"} 0"));
  const std::string path = ::testing::TempDir() + "worker_metrics.txt";
  std::ofstream(path) << text;
  EXPECT_EQ(std::system(("promtool check metrics < " + path + " 1>&2").c_str()), 0);
  std::remove(path.c_str());
}

TEST(WorkerMetrics, WhatHappensIsCounted) {
  monitoring::Metrics metrics;
  const WorkerMetrics worker(metrics);
  worker.stage({"clip", 0.3, true, 2.5});
  worker.calls({{"detector", 3}, {"a computation of a later version", 1}});
  worker.stage({"a stage of a later version", 0.3, true});
  worker.task_ended(jobs::TaskKind::kEncodeLatents, Status());
  worker.task_ended(jobs::TaskKind::kEncodeLatents, Status(StatusCode::kCancelled, "x"));
  worker.cache_request(jobs::FeatureKind::kVaeLatent, cache::Outcome::kHit);
  worker.cache_limit(900);
  worker.cache_size(950, 0);
  worker.cache_size(700, 3);
  worker.models_loaded();
  worker.unet_evaluations(50);
  worker.received(7);
  worker.device_memory(30, 40);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("mimicfleet_stage_seconds_count{cache=\"warm\",stage=\"clip\"} 1"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_tasks_total{kind=\"encode_latents\",state=\"done\"} 1"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_tasks_total{kind=\"encode_latents\",state=\"cancelled\"} 1"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_cache_requests_total{entry=\"vae_latent\",result=\"hit\"} 1"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_cache_saved_seconds_total{stage=\"clip\"} 2.5"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_feature_computations_total{what=\"detector\"} 3"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_cache_bytes 700"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_cache_limit_bytes 900"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_cache_evictions_total 3"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_model_loads_total 1"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_unet_evaluations_total 50"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_transfer_bytes_total{direction=\"received\"} 7"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_device_memory_peak_bytes 30"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_device_memory_held_bytes 40"));
}

}  // namespace
}  // namespace mimicfleet::worker
