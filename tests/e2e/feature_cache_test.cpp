#include <algorithm>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/fleet_test_base.h"

namespace mimicfleet::e2e {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class FeatureCacheE2eTest : public FleetTest {
 protected:
  // The summary of an embedded run, which must succeed.
  Json run(const fs::path& input, const fs::path& output, Words more = {}) {
    more.insert(more.end(), {"--output-mode", "json"});
    const Outcome outcome = coordinator(submit(input, output, more));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return Json::parse(outcome.out, nullptr, false);
  }
  // How often features were come by like this, over all kinds.
  static int count(const Json& summary, const std::string& outcome) {
    int sum = 0;
    for (const auto& kind : summary["features"]) sum += kind.value(outcome, 0);
    return sum;
  }
  // kind -> outcome in the record of one clip.
  static std::map<std::string, std::string> outcomes(const fs::path& record) {
    std::map<std::string, std::string> found;
    const Json parsed = Json::parse(bytes(record));
    for (const auto& use : parsed["features"]) found[use["kind"]] = use["outcome"];
    return found;
  }
  void expect_equal_videos(const fs::path& one, const fs::path& other, const Words& names) const {
    for (const auto& name : names) {
      EXPECT_FALSE(bytes(one / name).empty()) << name;
      EXPECT_EQ(bytes(one / name), bytes(other / name)) << name;
    }
  }
  fs::path largest_cache_file() const {
    fs::path largest;
    for (const auto& entry : fs::recursive_directory_iterator(scratch_ / "embedded_cache")) {
      if (!entry.is_regular_file() || entry.path().extension() != ".blob") continue;
      if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
    }
    return largest;
  }
  const Words kVideos = {"a.mp4", "x/b.mp4"};
  void make_two_clips() {
    make_clips({"a.mp4"});
    make_clips({"x/b.mp4"}, "b.mp4");
  }
};

TEST_F(FeatureCacheE2eTest, CopiedRenamedAndTouchedClipsHitEverythingAndGiveTheSameBytes) {
  make_two_clips();
  const Json cold = run(clips_, scratch_ / "cold");
  EXPECT_GE(count(cold, "hit"), 3) << "the second clip finds the features of their reference";
  const fs::path moved = scratch_ / "elsewhere";
  fs::copy(clips_, moved, fs::copy_options::recursive);
  fs::rename(moved / "a.mp4", moved / "renamed.mp4");
  for (const char* name : {"renamed.mp4", "x/b.mp4"})
    fs::last_write_time(moved / name, fs::file_time_type::clock::now());
  const Outcome planned = coordinator(submit(moved, scratch_ / "planned", {"--dry-run"}));
  const Json warm = run(moved, scratch_ / "warm");
  EXPECT_THAT(planned.out,
              AllOf(HasSubstr("features   6 of 6 are in workers' caches"),
                    HasSubstr("cached: keypoints, reference_keypoints, reference_image, ")));
  EXPECT_EQ(count(warm, "hit"), 10) << warm["features"];
  EXPECT_EQ(count(warm, "miss") + count(warm, "damaged") + count(warm, "unasked"), 0)
      << warm["features"];
  EXPECT_THAT(warm["calls"], IsEmpty());
  EXPECT_EQ(warm["stages"]["preprocess"]["cold_seconds"], 0);
  EXPECT_GT(warm["stages"]["preprocess"]["saved_seconds"], 0);
  expect_equal_videos(scratch_ / "cold", scratch_ / "warm", {"x/b.mp4"});
  EXPECT_EQ(bytes(scratch_ / "cold/a.mp4"), bytes(scratch_ / "warm/renamed.mp4"));
}

TEST_F(FeatureCacheE2eTest, AFlippedByteInTheCacheFilesIsOneCountedDamageAndTheOutputsAreEqual) {
  make_two_clips();
  run(clips_, scratch_ / "cold");
  const fs::path file = largest_cache_file();
  ASSERT_FALSE(file.empty());
  {
    std::fstream damaged(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(fs::file_size(file) / 2);
    damaged.seekg(middle);
    const char byte = static_cast<char>(damaged.get() ^ 1);
    damaged.seekp(middle);
    damaged.put(byte);
  }
  const Json again = run(clips_, scratch_ / "again");
  EXPECT_EQ(count(again, "damaged"), 1) << again["features"];
  EXPECT_GE(count(again, "hit"), 8) << "nearly all others: " << again["features"];
  expect_equal_videos(scratch_ / "cold", scratch_ / "again", kVideos);
  const Json healed = run(clips_, scratch_ / "healed");
  EXPECT_EQ(count(healed, "hit"), 10) << healed["features"];
}

TEST_F(FeatureCacheE2eTest, AChangedByteOfTheVideoMisses) {
  make_clips({"a.mp4"});
  run(clips_, scratch_ / "cold");
  std::string video = bytes(clips_ / "a.mp4");
  const auto writer = video.find("Lavc");  // the name of the encoder: changes no frame
  ASSERT_NE(writer, std::string::npos);
  video[writer] = 'l';
  std::ofstream(clips_ / "a.mp4", std::ios::binary) << video;
  run(clips_, scratch_ / "changed");
  const auto found = outcomes(scratch_ / "changed/a.json");
  EXPECT_EQ(found.at("keypoints"), "miss");
  EXPECT_EQ(found.at("clip_embedding"), "hit");
  expect_equal_videos(scratch_ / "cold", scratch_ / "changed", {"a.mp4"});
}

TEST_F(FeatureCacheE2eTest, DisabledNothingIsTakenOrLeft) {
  make_clips({"a.mp4"});
  const Json summary = run(clips_, scratch_ / "out", {"--disable_feature_cache"});
  EXPECT_EQ(count(summary, "unasked"), 5);
  EXPECT_EQ(count(run(clips_, scratch_ / "next"), "hit"), 0) << "nothing was left";
}

TEST_F(FeatureCacheE2eTest, ARefreshTakesNothingAndLeavesAll) {
  make_clips({"a.mp4"});
  run(clips_, scratch_ / "first");
  const Json refreshed = run(clips_, scratch_ / "refreshed", {"--feature_cache_force_refresh"});
  EXPECT_EQ(count(refreshed, "unasked"), 5);
  EXPECT_EQ(refreshed["calls"]["vae_encode"], 1);
  EXPECT_EQ(count(run(clips_, scratch_ / "after"), "hit"), 5);
  expect_equal_videos(scratch_ / "first", scratch_ / "refreshed", {"a.mp4"});
}

TEST_F(FeatureCacheE2eTest, WithoutThePipelinesFeaturesPosesAndReferenceStillHit) {
  make_clips({"a.mp4"});
  run(clips_, scratch_ / "first");
  const Json summary = run(clips_, scratch_ / "second", {"--disable-pipeline-feature-cache"});
  const auto found = outcomes(scratch_ / "second/a.json");
  for (const char* kind : {"keypoints", "reference_keypoints", "reference_image"})
    EXPECT_EQ(found.at(kind), "hit");
  for (const char* kind : {"clip_embedding", "vae_latent"}) EXPECT_EQ(found.at(kind), "unasked");
  EXPECT_EQ(summary["calls"], Json({{"clip", 1}, {"vae_encode", 1}}));
}

TEST_F(FeatureCacheE2eTest, TheCacheStaysInTheFolderAndWithinTheLimitThatWasGiven) {
  make_clips({"a.mp4"});
  run(clips_, scratch_ / "out",
      {"--feature-cache-dir", scratch_ / "chosen", "--feature_cache_limit", "100"});
  EXPECT_TRUE(fs::exists(scratch_ / "chosen/worker-cpu"));
  EXPECT_EQ(
      count(run(clips_, scratch_ / "next", {"--feature-cache-dir", scratch_ / "chosen"}), "hit"), 0)
      << "100 bytes hold nothing";
}

TEST_F(FeatureCacheE2eTest, TheBenchmarkComparesAColdWithAWarmPass) {
  make_two_clips();
  const Outcome outcome = coordinator(
      submit(clips_, scratch_ / "out", {"--benchmark_cache", "--disable-feature-cache"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("--disable-feature-cache is ignored"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("speed-up"),
                                 HasSubstr("2 videos, equal to the byte in both passes")));
  const Json report = Json::parse(bytes(scratch_ / "out/_run/benchmark.json"));
  EXPECT_THAT(report["warm"]["calls"], IsEmpty());
  EXPECT_EQ(report["cold"]["calls"]["video_decode"], 2);
  EXPECT_EQ(count(report["warm"], "hit"), 10);
  EXPECT_EQ(report["same_outputs"], true);
  EXPECT_GT(report["speed_up"]["preprocess"].get<double>(), 20);
  expect_equal_videos(scratch_ / "out/_benchmark/cold", scratch_ / "out/_benchmark/warm", kVideos);
}

TEST_F(FeatureCacheE2eTest, OnAServerTheFlagsGoWithTheJobAndJobInfoAddsUpWhatWasSaved) {
  make_clips({"a.mp4"});
  const auto server = serve();
  const auto only = worker("only");
  const auto submit_to = [&](const char* output, Words more) {
    more.insert(more.end(), {"--server", endpoint_});
    const Outcome outcome = coordinator(submit(clips_, scratch_ / output, more));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err << only->err();
    return outcomes(scratch_ / output / "a.json");
  };
  EXPECT_EQ(submit_to("off", {"--disable-feature-cache"}).at("keypoints"), "unasked");
  EXPECT_EQ(submit_to("cold", {}).at("keypoints"), "miss");
  EXPECT_EQ(submit_to("fresh", {"--feature-cache-force-refresh"}).at("keypoints"), "unasked");
  EXPECT_EQ(submit_to("poses", {"--disable-pipeline-feature-cache"}).at("clip_embedding"),
            "unasked");
  const Outcome planned =
      coordinator(submit(clips_, scratch_ / "planned", {"--server", endpoint_, "--dry-run"}));
  EXPECT_THAT(planned.out, HasSubstr("features   5 of 5 are in workers' caches"));
  EXPECT_EQ(submit_to("warm", {}).at("keypoints"), "hit");
  const Outcome dir = coordinator(submit(
      clips_, scratch_ / "dir", {"--server", endpoint_, "--feature-cache-dir", scratch_ / "mine"}));
  EXPECT_EQ(dir.exit_code, 2);
  EXPECT_THAT(dir.err, HasSubstr("--feature-cache-dir is for embedded runs"));

  const Outcome info = coordinator({"job", "info", "last", "--server", endpoint_});
  EXPECT_THAT(info.out, AllOf(HasSubstr("s saved by the feature cache"), HasSubstr("keypoints")));
  const Outcome details =
      coordinator({"job", "info", "last", "--server", endpoint_, "--output-mode", "json"});
  const Json ledger = Json::parse(details.out)["jobs"][0]["ledger"];
  EXPECT_EQ(ledger["features"]["vae_latent"]["hit"], 1);
  EXPECT_GT(ledger["stages"]["preprocess"]["saved_seconds"], 0);
  const Outcome why = coordinator({"task", "explain", "a", "--server", endpoint_});
  EXPECT_THAT(why.out, HasSubstr("keypoints: hit"));
}

TEST_F(FeatureCacheE2eTest, ASecondRunGoesToTheWorkersThatMadeTheFeatures) {
  make_two_clips();
  const auto server = serve();
  const auto one = worker("one");
  const auto two = worker("two");
  const auto encode_workers = [&](const char* output) {
    const Outcome outcome = coordinator(submit(clips_, scratch_ / output, {"--server", endpoint_}));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err << one->err() << two->err();
    Words workers;
    for (const char* record : {"a.json", "x/b.json"}) {
      workers.push_back(Json::parse(bytes(scratch_ / output / record))["encode_worker"]);
    }
    return workers;
  };
  const Words first = encode_workers("first");
  EXPECT_EQ(encode_workers("second"), first);
  for (const char* record : {"second/a.json", "second/x/b.json"}) {
    EXPECT_EQ(outcomes(scratch_ / record).at("keypoints"), "hit") << record;
  }
}

TEST_F(FeatureCacheE2eTest, TheCacheCommandsLookAtStoppedWorkersCaches) {
  make_clips({"a.mp4"});
  run(clips_, scratch_ / "out");
  const auto cache = [&](const std::string& action, Words more = {}) {
    Words words = {program("worker"), "cache", action, "--feature-cache-dir",
                   scratch_ / "embedded_cache"};
    words.insert(words.end(), more.begin(), more.end());
    return Process(words, scratch_).wait();
  };
  const Outcome stats = cache("stats", {"--output-mode", "json"});
  EXPECT_EQ(stats.exit_code, 0) << stats.err;
  EXPECT_EQ(Json::parse(stats.out)["folders"][0]["kinds"]["keypoints"]["entries"], 1);
  EXPECT_THAT(cache("stats").out, AllOf(HasSubstr("vae_latent"), HasSubstr("fp32")));
  EXPECT_EQ(cache("verify").exit_code, 0);
  EXPECT_EQ(cache("clear").exit_code, 0);
  EXPECT_THAT(cache("stats").out, Not(HasSubstr("vae_latent")));
  EXPECT_EQ(count(run(clips_, scratch_ / "again"), "hit"), 0);
}

}  // namespace
}  // namespace mimicfleet::e2e
