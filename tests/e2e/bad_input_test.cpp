// What goes wrong is told with file, cause and remedy, costs one attempt, and the other clips are
// made.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/fleet_test_base.h"

namespace mimicfleet::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class BadInput : public FleetTest {
 protected:
  // Small and one step, so that the clips that are good take no time.
  static Words quick(Words more = {}) {
    more.insert(more.end(), {"--resolution", "64"});
    return more;
  }
  // Clips of the golden pack's first one; ffmpeg's filters choose their frames. Nothing is lost in
  // them.
  void cut_clip(const std::string& name, const std::string& filters) const {
    const Words command = {"ffmpeg", "-v",         "error", "-i",      pack() / "videos/a.mp4",
                           "-vf",    filters,      "-c:v",  "libx264", "-qp",
                           "0",      clips_ / name};
    const Outcome outcome = Process(command, scratch_).wait();
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  void put(const std::string& name, const std::string& content) const {
    std::ofstream(clips_ / name, std::ios::binary) << content;
  }
  // A run whose clips do not all succeed, by clip name.
  std::map<std::string, Json> clips_of(Words words) {
    words.insert(words.end(), {"--output-mode", "json"});
    const Outcome outcome = coordinator(words);
    EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
    std::map<std::string, Json> clips;
    const auto summary = Json::parse(outcome.out, nullptr, false);
    EXPECT_FALSE(summary.is_discarded()) << outcome.out << outcome.err;
    for (const auto& clip : summary.value("clips", Json::array())) clips[clip["name"]] = clip;
    return clips;
  }
  static void expect_failed(const std::map<std::string, Json>& clips, const std::string& name,
                            const std::string& error) {
    SCOPED_TRACE(name);
    const Json& clip = clips.at(name);
    EXPECT_EQ(clip["state"], "failed");
    EXPECT_EQ(clip["error"], error);
    EXPECT_LE(clip["attempts"].get<int>(), 1) << "trying again cannot help";
  }
  static void expect_done(const std::map<std::string, Json>& clips, const std::string& name,
                          int frames) {
    SCOPED_TRACE(name);
    const Json& clip = clips.at(name);
    EXPECT_EQ(clip["state"], "done") << clip["error"];
    EXPECT_EQ(clip["frames"], frames);
  }
};

TEST_F(BadInput, EachBadVideoOfAFolderIsNamedWithCauseAndRemedyAndTheGoodOnesAreMade) {
  make_clips({"good.mp4", "unreadable.mp4"});
  fs::permissions(clips_ / "unreadable.mp4", fs::perms::none);
  surroundings_.modes_bind = true;
  const std::string bytes_of_good = bytes(clips_ / "good.mp4");
  put("truncated.mp4", bytes_of_good.substr(0, bytes_of_good.size() - 100));
  put("zero.mp4", "");
  fs::copy_file(source_path("tests/common/av/data/sound_only.m4a"), clips_ / "audio.mp4");
  fs::copy_file(source_path("tests/common/av/data/size_8k.mp4"), clips_ / "8k.mp4");
  put("text.mp4", "dear diary,\n");
  put("playlist.mp4", "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n");
  cut_clip("two_persons.mp4",
           "select='eq(n,10)+eq(n,12)',setpts=N/30/TB,setsar=1");  // both show two
  cut_clip("one_frame.mp4", "trim=end_frame=1");
  cut_clip("shorter_than_a_tile.mp4", "trim=end_frame=8");

  const fs::path output = scratch_ / "out";
  const auto clips = clips_of(submit(clips_, output, quick()));
  EXPECT_EQ(clips.size(), 11U);
  const auto says = [&](const std::string& name, const std::string& error) {
    expect_failed(clips, name, (clips_ / (name + ".mp4")).string() + ": " + error);
  };
  says("unreadable",
       "cannot be opened: Permission denied; give this user the right or choose another path");
  says("truncated",
       "is truncated: it should reach to byte 17133, but ends at byte 17033; copy it again");
  says("zero", "is empty (0 bytes); copy it again");
  says("audio", "has no video stream, only sound; give a video");
  says("8k",
       "has frames of 7680x4320 pixels, more than the limit of 9437184; scale it down with: ffmpeg "
       "-i FILE "
       "-vf scale=1920:-2 out.mp4");
  says("text", "is a text file, not a video; give an MP4, MKV, WebM, AVI, TS or GIF");
  says("playlist", "is a playlist (M3U8), not a video; give an MP4, MKV, WebM, AVI, TS or GIF");
  says("two_persons",
       "no frame of the driving video shows exactly one person; use a video in which one person is "
       "alone in "
       "at least one frame");
  expect_done(clips, "good", 13);
  expect_done(clips, "one_frame", 1);
  expect_done(clips, "shorter_than_a_tile", 4);
  const Outcome verified = coordinator({"verify", output});
  EXPECT_EQ(verified.out, "3 outputs checked, 0 damaged\n") << verified.err;
}

TEST_F(BadInput, EachBadImageOfAManifestIsNamedAndTheGoodOnesOfEveryTypeAreUsed) {
  cut_clip("clip.mp4", "trim=end_frame=3");
  const std::string image = bytes(pack() / "ref.png");
  put("cut.png", image.substr(0, image.size() / 2));
  put("text.png", "not a picture\n");
  put("empty.png", "");
  for (const char* name : {"person.jpg", "person.webp"}) {
    const Words convert = {"ffmpeg", "-v", "error", "-i", pack() / "ref.png", clips_ / name};
    ASSERT_EQ(Process(convert, scratch_).wait().exit_code, 0);
  }
  put("list.csv",
      "video,ref_image,output\nclip.mp4," + (pack() / "ref.png").string() +
          ",png\nclip.mp4,person.jpg,jpg\nclip.mp4,person.webp,webp\nclip.mp4,cut.png,cut\n"
          "clip.mp4,text.png,text\nclip.mp4,empty.png,empty\nclip.mp4,gone.png,gone\n");
  const auto clips = clips_of({"submit", clips_ / "list.csv", "--config", pack() / "config.yaml",
                               "--server", "embedded", "--threads", "1", "--steps", "1",
                               "--resolution", "64", "--output-dir", scratch_ / "out"});
  EXPECT_EQ(clips.size(), 7U);
  const auto says = [&](const std::string& name, const std::string& error) {
    expect_failed(clips, name, (clips_ / (name + ".png")).string() + ": " + error);
  };
  says("cut", "is damaged or truncated (it ends too early); copy it again");
  says("text", "is a text file, not a PNG, JPEG or WebP image; convert it to PNG");
  says("empty", "is empty (0 bytes); copy it again");
  says("gone", "there is no such file; copy it there");
  for (const char* name : {"png", "jpg", "webp"}) expect_done(clips, name, 2);
}

TEST_F(BadInput, WhereNobodyIsFoundNothingIsMadeAndFewSuchFramesAreCounted) {
  cut_clip("black.mp4", "trim=end_frame=4,drawbox=t=fill:c=black");
  cut_clip("some_black.mp4", "trim=end_frame=8,drawbox=t=fill:c=black:enable='lt(n,4)'");
  cut_clip("person.mp4", "trim=end_frame=4");
  // Pixels are square, so that nothing is resampled: the small detector sees two in frame 10 as it
  // is.
  cut_clip("two_at_the_end.mp4", "select='lt(n,2)+eq(n,10)',setpts=N/30/TB,setsar=1");
  const auto picture = [&](const std::string& name, const std::string& source,
                           const std::string& filter) {
    const Words make = {"ffmpeg", "-v",   "error",     "-i", pack() / source,
                        "-vf",    filter, "-frames:v", "1",  clips_ / name};
    ASSERT_EQ(Process(make, scratch_).wait().exit_code, 0);
  };
  picture("grey.png", "ref.png", "drawbox=t=fill:c=gray");
  picture("twins.png", "videos/a.mp4", "select='eq(n,10)'");
  const std::string ref = (pack() / "ref.png").string();
  put("list.csv",
      "video,ref_image,output\nblack.mp4," + ref + ",black\nsome_black.mp4," + ref +
          ",some_black\nperson.mp4,grey.png,grey\nperson.mp4,twins.png,twins\ntwo_at_the_end.mp4," +
          ref + ",two\n");
  const Words command = {"submit",
                         clips_ / "list.csv",
                         "--config",
                         pack() / "config.yaml",
                         "--server",
                         "embedded",
                         "--threads",
                         "1",
                         "--steps",
                         "1",
                         "--resolution",
                         "64",
                         "--output-dir",
                         scratch_ / "out",
                         "--feature-cache-dir",
                         scratch_ / "cache"};
  const auto judge = [&](const std::map<std::string, Json>& clips) {
    ASSERT_EQ(clips.size(), 5U);
    expect_failed(clips, "black",
                  (clips_ / "black.mp4").string() +
                      ": nobody is found in any of the 2 frames that are used; give a video of one "
                      "person");
    expect_failed(
        clips, "grey",
        (clips_ / "grey.png").string() +
            ": nobody is found in this reference image; give a picture of one person, seen "
            "from the front and not too small");
    const auto warns = [&](const std::string& name, const std::string& warning) {
      EXPECT_EQ(clips.at(name)["state"], "done") << clips.at(name)["error"];
      EXPECT_THAT(clips.at(name)["warnings"].dump(), HasSubstr(warning));
      const auto record = Json::parse(bytes(scratch_ / "out" / (name + ".json")), nullptr, false);
      EXPECT_EQ(record["warnings"], clips.at(name)["warnings"]);
    };
    warns("some_black", "nobody is found in 2 of 4 frames of the driving video, first in frame 0");
    warns("twins", "2 persons are found in the reference image " + (clips_ / "twins.png").string());
    warns("two",
          "several persons are found in 1 of 2 frames of the driving video, first in frame 2");
  };
  judge(clips_of(command));
  for (const char* name : {"some_black.mp4", "twins.mp4", "two.mp4"})
    fs::remove(scratch_ / "out" / name);
  judge(clips_of(command));  // now with key points out of the cache
  EXPECT_THAT(bytes(scratch_ / "out/_run/logs/worker-0.log"),
              HasSubstr("some_black: nobody is found in 2 of 4"));
}

TEST_F(BadInput, ADiskThatFillsUpInTheMiddleEndsTheRunWithTheRemedyWhereTestsMayMakeDisks) {
  if (!can_make_disks()) GTEST_SKIP() << "no mount namespaces here";
  make_clips({"a.mp4"});
  const fs::path output = scratch_ / "out";
  fs::create_directories(output);
  surroundings_.disks = {{output, 80 << 20}};
  const auto client = start(submit(clips_, output, {"--steps", "500"}));
  const fs::path seen = "/proc/" + std::to_string(client->pid()) + "/root" + output.string();
  ASSERT_TRUE(eventually([&] {
    return bytes(seen / "_run/events.jsonl").find("\"task_leased\"") != std::string::npos;
  })) << client->err();
  std::ofstream filler(seen / "filler", std::ios::binary);
  const std::string block(64 << 10, 'x');
  while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
  const Outcome outcome = client->wait();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err,
              HasSubstr("error: " + output.string() +
                        ": its disk is full; free some space and run again: finished videos "
                        "stay\n"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("killed by signal")));
}

TEST_F(BadInput, ModelsThatNoWorkerCanLoadEndTheRunWithTheirNameAndTheRemedy) {
  make_clips({"a.mp4"});
  const fs::path models = scratch_ / "models";
  fs::copy(pack() / "models", models, fs::copy_options::recursive);
  const fs::path vae = models / "svd/vae/diffusion_pytorch_model.fp16.safetensors";
  std::string weights = bytes(vae);
  const std::size_t header = *reinterpret_cast<const std::uint64_t*>(weights.data());
  weights.replace(8 + header + 64, 2, "\xff\x7f");  // a NaN in half precision
  fs::remove(vae);
  std::ofstream(vae, std::ios::binary) << weights;
  const fs::path output = scratch_ / "out";
  const Outcome outcome =
      coordinator({"submit", clips_, "--ref-image", pack() / "ref.png", "--models", models,
                   "--output-dir", output, "--server", "embedded", "--threads", "1"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, AllOf(Not(HasSubstr("starting it again")), HasSubstr("error: worker-0 "),
                                 HasSubstr(vae.string() + ": "),
                                 HasSubstr(" has NaN or infinite numbers; fetch the file again")));
  EXPECT_THAT(outcome.out, HasSubstr("videos      1 not made\n"));
  EXPECT_FALSE(fs::exists(output / "a.mp4"));
}

TEST_F(BadInput, EightBitsOnACpuEndTheRunAtOnceWithTheReason) {
  make_clips({"a.mp4"});
  const Outcome outcome =
      coordinator({"submit", clips_, "--config", pack() / "config.yaml", "--ref-image",
                   pack() / "ref.png", "--fp8", "--server", "embedded", "--device", "cpu",
                   "--output-dir", scratch_ / "out", "--feature-cache-dir", scratch_ / "cache"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("--fp8: cpu (cpu-"));
  EXPECT_THAT(outcome.err, HasSubstr("it takes a GPU of compute capability 8.9 or more"));
  EXPECT_FALSE(fs::exists(scratch_ / "out/a.mp4"));
}

}  // namespace
}  // namespace mimicfleet::e2e
