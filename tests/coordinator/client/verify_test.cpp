#include "coordinator/client/verify.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/read_text.h"
#include "tests/coordinator/client/clip.h"
#include "tests/paths.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Verify : public ::testing::Test {
 protected:
  Verify() : video_(*read_text(source_path("tests/goldens/pack_a/videos/a.mp4"), 1 << 20)) {}

  // "name: problem" of all outputs.
  std::vector<std::string> check(bool quick = false) {
    std::vector<std::string> lines;
    const Status status = verify_outputs(folder_.path(), quick, [&](const CheckedOutput& output) {
      lines.push_back(output.name + ": " + output.problem);
    });
    if (!status.ok()) lines.push_back(status.message());
    return lines;
  }
  void finish(const std::string& name, const std::string& content, std::int32_t frames) {
    finish_clip(folder_, clip_in(folder_.path(), name), content, frames);
  }

  TemporaryFolder folder_;
  std::string video_;
};

TEST_F(Verify, AnOutputThatDecodesToItsFramesIsSound) {
  finish("x/a", video_, 26);
  EXPECT_THAT(check(), ElementsAre("x/a: "));
}

TEST_F(Verify, ADamagedOutputIsNamedWithWhatIsWrong) {
  finish("bytes", video_, 24);
  std::string other = video_;
  other.back() = static_cast<char>(other.back() ^ 1);
  put(folder_, "bytes.mp4", other);
  finish("gone", video_, 24);
  std::filesystem::remove(folder_ / "gone.mp4");
  finish("short", video_, 24);
  put(folder_, "short.mp4", video_.substr(0, 100));
  put(folder_, "alone.mp4", video_);
  put(folder_, "_frames/x/000000.json", "{}");
  EXPECT_THAT(check(true), ElementsAre("alone: has no record beside it",
                                       "bytes: its bytes are not those that its record names",
                                       "gone: its MP4 is not there",
                                       HasSubstr("short: has 100 bytes, its record says")));
}

TEST_F(Verify, FramesAreCountedByDecodingThem) {
  finish("a", video_, 1);
  EXPECT_THAT(check(), ElementsAre(HasSubstr("frames, its record says 1")));
  finish("a", video_.substr(0, video_.size() / 2), 24);
  EXPECT_THAT(check(), ElementsAre(HasSubstr("a.mp4")));
  EXPECT_THAT(check(true), ElementsAre("a: "));
}

TEST_F(Verify, AFolderThatIsNotThereIsNamed) {
  EXPECT_THAT(check(), ElementsAre(HasSubstr("holds no outputs; give the --output-dir of a run")));
  EXPECT_THAT(verify_outputs("/nowhere", true, nullptr).message(),
              HasSubstr("/nowhere: no such folder"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
