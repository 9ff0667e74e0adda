// What goes wrong on a GPU, with real programs: see worker/device/device_failures.h.
#include <fstream>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/fleet_test_base.h"
#include "tests/paths.h"
#include "tests/test_device.h"

namespace mimicfleet::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Where there is a GPU (MIMICFLEET_TEST_DEVICE).
class FaultsNeedsAGpu : public FleetTest {
 protected:
  void SetUp() override {
    device_ = test_device_name();
    if (device_ == "cpu") GTEST_SKIP();
  }
  // An embedded run with the golden pack's models, in the precision that GPUs take by themselves.
  Outcome run(const Words& more = {}) {
    Words words = {"submit", pack() / "videos/a.mp4", "--config", pack() / "config.yaml"};
    words.insert(words.end(),
                 {"--ref-image", pack() / "ref.png", "--steps", "2", "--server", "embedded"});
    words.insert(words.end(),
                 {"--device", device_, "--feature-cache-dir", "", "--output-dir", output_});
    words.insert(words.end(), more.begin(), more.end());
    return coordinator(words);
  }
  [[nodiscard]] std::string worker_log() const { return bytes(output_ / "_run/logs/worker-0.log"); }
  static std::size_t count(std::string_view text, std::string_view words) {
    std::size_t found = 0;
    for (auto at = text.find(words); at != text.npos; at = text.find(words, at + words.size()))
      ++found;
    return found;
  }

  std::string device_;
  const fs::path output_ = scratch_ / "out";
};

TEST_F(FaultsNeedsAGpu, TooLittleMemoryEndsWithTheRemedyAfterFreedModelsAndAFreshProcess) {
  surroundings_.environment.emplace_back("MIMICFLEET_GPU_MEMORY_LIMIT=1G");
  const Outcome outcome = run({"--resolution", "576x1024"});
  const std::string log = worker_log();
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err << log;
  EXPECT_THAT(outcome.out + outcome.err,
              AllOf(ContainsRegex("give cuda:[0-9]+ to this worker alone"),
                    HasSubstr("use a smaller --resolution")));
  EXPECT_EQ(count(log, "models models loaded"), 3U) << "for each attempt: " << log;
  EXPECT_EQ(count(log, "working for"), 2U) << "two attempts by the first process: " << log;
  EXPECT_THAT(mp4_files(output_), IsEmpty());
}

TEST_F(FaultsNeedsAGpu, AnAssertionInAKernelCostsAProcessAndAnAttemptAndNoVideo) {
  const fs::path plant = scratch_ / "plant";
  std::ofstream(plant).flush();
  surroundings_.environment.push_back("MIMICFLEET_WORKER=" + binary_path("tests/planted_worker"));
  surroundings_.environment.push_back("MIMICFLEET_MEDIA=" + binary_path("bin/media"));
  surroundings_.environment.push_back("MIMICFLEET_PLANT_GPU_FAULT=" + plant.string());
  const Outcome outcome = run();
  const std::string log = worker_log();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << log;
  EXPECT_FALSE(fs::exists(plant));
  EXPECT_THAT(log, HasSubstr(" does nothing any more for this process"));
  EXPECT_EQ(count(log, "working for"), 2U) << log;
  EXPECT_EQ(Json::parse(bytes(output_ / "a.json"))["encode_attempt"], 2);
  EXPECT_THAT(mp4_files(output_), ElementsAre("a.mp4"));
}

}  // namespace
}  // namespace mimicfleet::e2e
