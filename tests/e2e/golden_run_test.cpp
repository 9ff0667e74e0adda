// The programs on the golden pack, against what the original made of it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/weights/safetensors.h"
#include "tests/e2e/fleet_test_base.h"
#include "tests/worker/models/golden.h"
#include "worker/models/nn/load.h"

namespace mimicfleet::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr double kLatentsFromTheVideoBound = 1e-2;
constexpr int kFrames = 13;

class GoldenRun : public FleetTest {
 protected:
  GoldenRun() {
    fs::copy(pack(), scratch_ / "pack", fs::copy_options::recursive);
    surroundings_.folder = scratch_ / "pack";
  }
  // The clip's pixels are not square, which the original does not mind.
  static Words command(const std::string& output, const Words& more) {
    Words words = {"submit",      "videos/a.mp4", "--config",       "config.yaml",   "--steps",
                   "4",           "--compat",     "original",       "--scheduler",   "euler",
                   "--precision", "fp32",         "--save-latents", "--save-frames", "--output-dir",
                   output};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  [[nodiscard]] fs::path made(const std::string& name) const { return scratch_ / "pack" / name; }

  void expect_the_originals(const std::string& output) const {
    const Golden golden("pipeline_euler");
    const auto saved = weights::open_safetensors(made(output + "/_latents/a.safetensors"));
    ASSERT_TRUE(saved.ok()) << saved.status();
    EXPECT_TRUE(golden.is_within(
        "latents_final", "by the programs, difference, of the largest number",
        relative_difference(nn::as_tensor(saved->tensors.at("latents")), golden["latents_final"]),
        kLatentsFromTheVideoBound));
    std::vector<std::string> frames;
    for (int i = 0; i < kFrames; ++i)
      frames.push_back(made(fmt::format("{}/_frames/a/{:06}.png", output, i)));
    expect_golden_frames(golden, "frames_u8",
                         read_pictures(frames).index_select(0, golden["frames_u8_index"]),
                         "by the programs, ", kFromVideo);
  }
};

TEST_F(GoldenRun, TheCommandGivesTheOriginalsLatentsAndFramesAndThenFindsThemThere) {
  const Outcome first = coordinator(command("OUT", {"--device", "cpu"}));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("videos      1 done\n"));
  expect_the_originals("OUT");
  EXPECT_FALSE(fs::exists(made(fmt::format("OUT/_frames/a/{:06}.png", kFrames))));
  const Outcome second = coordinator(command("OUT", {"--device", "cpu"}));
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.out, HasSubstr("videos      1 already there\n"));
}

// Neither worker can read the other's folder, where this system lets processes have disks of their
// own.
TEST_F(GoldenRun, AnEncodeOnOneWorkerAndItsDecodeOnAnotherGiveTheSameBytesAsAnEmbeddedRun) {
  const auto server = serve();
  const auto hide = [&](const std::string& other) {
    fs::create_directories(scratch_ / other);
    surroundings_.disks.clear();
    if (can_make_disks()) surroundings_.disks.push_back({scratch_ / other, 4096});
  };
  hide("decoder");
  const auto encoder = worker("encoder", {"--kinds", "encode_latents"});
  hide("encoder");
  const auto decoder = worker("decoder", {"--kinds", "decode_video"});
  surroundings_.disks.clear();
  const Outcome outcome = coordinator(command("FLEET", {"--server", endpoint_}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << encoder->err() << decoder->err();
  RecordProperty("folders_hidden", can_make_disks() ? "yes" : "no");
  if (can_make_disks()) {
    const fs::path seen = fmt::format("/proc/{}/root", decoder->pid());
    EXPECT_TRUE(fs::is_empty(seen / (scratch_ / "encoder").relative_path()));
    EXPECT_FALSE(fs::is_empty(scratch_ / "encoder"));
  }
  const auto record = Json::parse(bytes(made("FLEET/a.json")));
  EXPECT_EQ(record["encode_worker"], "encoder");
  EXPECT_EQ(record["decode_worker"], "decoder");
  std::uint64_t moved = 0;
  for (const auto& task : json_lines({"task", "list", "--job", "last"}))
    moved += task["result"]["transferred_bytes"].get<std::uint64_t>();
  EXPECT_GT(moved, 0U);
  expect_the_originals("FLEET");

  const Outcome embedded = coordinator(
      command("EMBEDDED", {"--device", "cpu", "--threads", "1", "--server", "embedded"}));
  ASSERT_EQ(embedded.exit_code, 0) << embedded.err;
  for (const char* name : {"a.mp4", "_latents/a.safetensors"}) {
    EXPECT_FALSE(bytes(made("FLEET") / name).empty()) << name;
    EXPECT_TRUE(bytes(made("FLEET") / name) == bytes(made("EMBEDDED") / name))
        << name << " differs";
  }
}

}  // namespace
}  // namespace mimicfleet::e2e
