#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/read_text.h"
#include "coordinator/client/plan/planner.h"
#include "coordinator/client/report/cost.h"
#include "jobs/record_json.h"
#include "tests/coordinator/client/planning.h"
#include "tests/coordinator/client/written_latents.h"
#include "tests/paths.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ConcatPlanning : public PlanningTest {
 protected:
  ConcatPlanning() {
    for (const std::string name : {"a", "b", "sub/c"})
      put(folder_, "videos/" + name + ".mp4", "video " + name);
  }

  void decode(std::vector<std::string> videos) {
    request_.mode = Mode::kDecode;
    request_.videos = std::move(videos);
  }
  void sentences(const std::string& rows) {
    put(folder_, "s.csv", "sentence_id,ref_ids\n" + rows);
    request_.sentences = folder_ / "s.csv";
  }
  void keep(const std::string& name, const LatentsStrings& strings, std::size_t frames = 5) {
    put(folder_, "out/_latents/" + name + ".safetensors", latents_bytes(strings, frames));
  }
  // What an encode run over all videos would keep.
  void keep_all() {
    const Mode mode = request_.mode;
    const auto videos = request_.videos;
    const auto sentences = request_.sentences;
    request_.mode = Mode::kEncode;
    request_.videos.clear();
    request_.sentences.clear();
    const auto run = plan();
    ASSERT_TRUE(run.ok()) << run.status();
    models_ = run->models.set;
    for (const auto& clip : run->clips) {
      strings_[clip.plan.output.relative] = strings_of(clip.plan, models_);
      keep(clip.plan.output.relative, strings_of(clip.plan, models_));
    }
    request_.mode = mode;
    request_.videos = videos;
    request_.sentences = sentences;
  }
  static std::vector<std::string> names(const std::vector<PlannedClip>& clips) {
    std::vector<std::string> names;
    for (const auto& clip : clips) names.push_back(clip.plan.output.relative + ": " + clip.reason);
    return names;
  }

  jobs::ModelSet models_;
  std::map<std::string, LatentsStrings> strings_;
};

TEST_F(ConcatPlanning, ASentencesIdThatIsTooLongIsNamedAsThat) {
  sentences(std::string(252, 's') + ",a b\n");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->refused, SizeIs(1));
  EXPECT_THAT(run->refused[0].error.message(), HasSubstr("shorten its sentence_id"));
}

TEST_F(ConcatPlanning, WarningsOfAConcatenatedVideoThatIsThereAreThoseOfItsRecord) {
  decode({"a", "b"});
  keep_all();
  request_.output_name = "film";
  const auto first = plan();
  ASSERT_TRUE(first.ok()) << first.status();
  jobs::OutputRecord record;
  record.program = "mimicfleet 0.1.0";
  record.key = first->concats.at(0).plan.key;
  record.video = {"film.mp4", sha256("an mp4"), 6};
  record.numerics.precision = "fp32";
  record.warnings = {"a: nobody is found"};
  put(folder_, "out/film.mp4", "an mp4");
  put(folder_, "out/film.json", jobs::record_text(record));
  const auto second = plan();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->concats.at(0).reason, "");
  EXPECT_EQ(second->concats.at(0).warnings, record.warnings);
}

TEST_F(ConcatPlanning, WarningsOfLatentsThatAreThereAreKeptWithThem) {
  request_.mode = Mode::kEncode;
  request_.individual_videos = false;
  keep_all();
  LatentsStrings strings = strings_.at("a");
  strings["warnings"] = "nobody is found";
  keep("a", strings);
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->clips.at(0).reason, "");
  EXPECT_EQ(run->clips.at(0).warnings, std::vector<std::string>{"nobody is found"});
  EXPECT_TRUE(run->clips.at(1).warnings.empty());
}

TEST_F(ConcatPlanning, EncodeKeepsLatentsAndToldNothingElseTakesTheOriginalsDefaults) {
  request_.mode = Mode::kEncode;
  flag("fps", "12.5");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->clips, SizeIs(3));
  const auto& clip = run->clips[2].plan;
  EXPECT_EQ(clip.cache_latents->directory, folder_ / "out");
  EXPECT_EQ(clip.cache_latents->relative, "_latents/sub/c.safetensors");
  EXPECT_TRUE(clip.output.save_video && clip.reuse_latents);
  EXPECT_EQ(clip.parameters.max_pose_frames, 179);
  EXPECT_EQ(clip.provenance.at("max_pose_frames"), "mode");
  EXPECT_EQ(clip.parameters.motion_fps, 12);
  EXPECT_EQ(clip.provenance.at("motion_fps"), "fps");
  flag("motion_fps", "7");
  EXPECT_EQ(plan()->clips[0].plan.parameters.motion_fps, 7);
  flag("fps", "source");
  EXPECT_THAT(error(), HasSubstr("--fps source: clips that are to be joined need one rate"));
}

TEST_F(ConcatPlanning, GenerateKeepsNothingAndItsDefaults) {
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_FALSE(run->clips[0].plan.cache_latents);
  EXPECT_EQ(run->clips[0].plan.parameters.max_pose_frames, 0);
  EXPECT_EQ(run->clips[0].plan.parameters.motion_fps, 7);
}

TEST_F(ConcatPlanning, KeptLatentsThatFitAreSkippedAndOthersNamedAndMadeAgain) {
  request_.mode = Mode::kEncode;
  request_.individual_videos = false;
  EXPECT_THAT(names(plan()->clips),
              ElementsAre("a: not made yet", "b: not made yet", "sub/c: not made yet"));
  keep_all();
  EXPECT_EQ(plan()->to_run(), 0U);
  put(folder_, "videos/b.mp4", "another video");
  keep("sub/c", {{"fps", "15"}});  // the original's
  EXPECT_THAT(names(plan()->clips),
              ElementsAre("a: ", "b: its latents do not fit: the video changed", "sub/c: "));
  flag("steps", "4");
  EXPECT_EQ(plan()->clips[0].reason, "its latents do not fit: steps was 25");
  request_.overwrite_cache = true;
  EXPECT_EQ(plan()->clips[2].reason, "--overwrite-latents");
  EXPECT_FALSE(plan()->clips[2].plan.reuse_latents);
}

TEST_F(ConcatPlanning, OfAnEncodeVideoAndLatentsMustBothBeThere) {
  request_.mode = Mode::kEncode;
  EXPECT_EQ(plan()->clips[0].reason, "not made yet");
  keep_all();
  EXPECT_EQ(plan()->clips[0].reason, "its video: not made yet");
  const auto clip = plan()->clips[0].plan;
  jobs::OutputRecord record;
  const Digest latents =
      jobs::latents_key(clip.video.digest, clip.reference.digest, models_, clip.parameters);
  record.key = jobs::video_key(latents, models_, clip.parameters);
  record.video = {"a.mp4", sha256("an mp4"), 6};
  put(folder_, "out/a.mp4", "an mp4");
  put(folder_, "out/a.json", jobs::record_text(record));
  EXPECT_EQ(plan()->clips[0].reason, "");
  std::filesystem::remove(folder_ / "out/_latents/a.safetensors");
  EXPECT_THAT(plan()->clips[0].reason, HasSubstr("no cached latents in "));
}

TEST_F(ConcatPlanning, OfAnEncodeItIsToldWhetherVideosOrLatentsWouldBeReplaced) {
  request_.mode = Mode::kEncode;
  keep_all();
  flag("seed", "7");
  const auto run = plan();
  EXPECT_EQ(run->clips[0].replaces, "seed 42");
  EXPECT_TRUE(run->clips[0].replaces_latents) << "no video is there";
}

TEST_F(ConcatPlanning, DecodeJoinsKeptLatentsInOrderWithoutImageOrVideo) {
  keep_all();
  decode({"b.mp4", "a.mp4", "b.mp4"});
  request_.reference.clear();
  std::filesystem::remove(folder_ / "videos/b.mp4");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->clips, IsEmpty());
  ASSERT_THAT(run->concats, SizeIs(1));
  const auto& concat = run->concats[0].plan;
  EXPECT_EQ(concat.output.relative, "latent_concat_b_a_b");
  EXPECT_EQ(run->concats[0].reason, "not made yet");
  ASSERT_THAT(concat.parts, SizeIs(3));
  EXPECT_EQ(concat.parts[0].name, "b");
  EXPECT_EQ(concat.parts[1].saved.file.path,
            std::filesystem::canonical(folder_ / "out/_latents/a.safetensors"));
  request_.output_name = "x/film.mp4";
  EXPECT_EQ(plan()->concats[0].plan.output.relative, "x/film");
  request_.output_name = "../film";
  EXPECT_THAT(error(), HasSubstr("--concat-name '../film' is not below the output folder"));
}

TEST_F(ConcatPlanning, DecodeWithoutVideosJoinsTheWholeFolder) {
  keep_all();
  decode({});
  EXPECT_EQ(plan()->concats.at(0).plan.output.relative, "latent_concat_a_b_c");
}

TEST_F(ConcatPlanning, TheNameOfAConcatenatedVideoOfManyClipsStaysShortAndItsOwn) {
  std::vector<std::string> videos(100, "a.mp4");
  keep_all();
  decode(videos);
  const std::string name = plan()->concats.at(0).plan.output.relative;
  EXPECT_LT(name.size(), 200U);
  EXPECT_THAT(name, HasSubstr("_of_100_"));
  request_.videos.back() = "b.mp4";
  EXPECT_NE(plan()->concats.at(0).plan.output.relative, name);
}

TEST_F(ConcatPlanning, ThePlanCountsTheFramesOfTheVideosThatHaveToBeEncoded) {
  put(folder_, "videos/b.mp4",
      *read_text(source_path("tests/goldens/pack_a/videos/a.mp4"), 1 << 22));
  request_.mode = Mode::kEncode;
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  MediaLooks looks;
  const Cost cost = estimate_cost(*run, folder_ / "out", looks);
  EXPECT_EQ(cost.frames.at("b"), 14) << "one of the reference";
  EXPECT_EQ(cost.frames.at("a"), 0) << "which is no video";
}

TEST_F(ConcatPlanning, LatentsThatNobodyKeptAreEncodedFirstOnce) {
  keep_all();
  std::filesystem::remove(folder_ / "out/_latents/b.safetensors");
  decode({"b.mp4", "a.mp4", "b.mp4"});
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->clips, SizeIs(1));
  MediaLooks looks;
  EXPECT_EQ(run->clips[0].reason, "no cached latents in " + folder_ / "out/_latents/b.safetensors");
  EXPECT_FALSE(run->clips[0].plan.output.save_video);
  EXPECT_EQ(run->concats[0].plan.parts[0].clip, "b");
  EXPECT_EQ(run->concats[0].plan.parts[1].clip, "");
  EXPECT_THAT(
      plan_table(*run, estimate_cost(*run, folder_ / "out", looks)),
      AllOf(HasSubstr("encode  b (no cached latents in "), HasSubstr("b.safetensors): 25 steps\n"),
            HasSubstr("make    latent_concat_b_a_b (not made yet) of 3 clips\n"),
            HasSubstr("1 to make, 0 already there; 1 clips to encode first; models"),
            HasSubstr("1 encodes (0 frames, 0 frames x steps), 1 videos decoded (5 frames)\n")));
  flag("guidance-interval", "0.2:0.8");
  const auto mixed = plan();
  ASSERT_TRUE(mixed.ok()) << mixed.status();
  EXPECT_THAT(plan_table(*mixed, estimate_cost(*mixed, folder_ / "out", looks)),
              HasSubstr("b.safetensors): 25 steps, 15 guided\n"));
  request_.reference.clear();
  EXPECT_THAT(error(),
              AllOf(HasSubstr("b (no cached latents"), HasSubstr("no reference image for it")));
  std::filesystem::remove(folder_ / "videos/b.mp4");
  EXPECT_THAT(error(), AllOf(HasSubstr("b: neither its latents"),
                             HasSubstr("make them with --mode encode")));
}

TEST_F(ConcatPlanning, LatentsThatDoNotFitEachOtherAreNamedWithTheField) {
  keep_all();
  decode({"a.mp4", "b.mp4"});
  strings_["b"]["fps"] = "20";
  keep("b", strings_["b"]);
  EXPECT_EQ(
      error(),
      "a and b cannot be joined: their latents differ in fps (15 and 20); make one of them again "
      "(--mode encode --overwrite-latents)");
  strings_["b"]["vae"] = sha256("other").hex();
  keep("b", strings_["b"]);
  EXPECT_THAT(error(), AllOf(HasSubstr("a and b"), HasSubstr("VAE digest")));
  std::string larger = latents_bytes(strings_["b"]);
  larger.replace(larger.find("[1,5,4,8,8]"), 11, "[1,5,4,4,16]");
  larger[0] = static_cast<char>(larger[0] + 1);
  put(folder_, "out/_latents/b.safetensors", larger);
  EXPECT_THAT(
      error(),
      HasSubstr("a and b cannot be joined: their latents differ in size (64x64 and 128x32)"));
}

TEST_F(ConcatPlanning,
       CrossFadesThatAreLongerThanKeptLatentsAllowAreRefusedWithTheMostThatIsPossible) {
  keep_all();
  keep("b", strings_["b"], 3);
  decode({"a.mp4", "b.mp4", "a.mp4"});
  flag("crossfade_frames", "2");
  const std::string b = std::filesystem::canonical(folder_ / "out/_latents/b.safetensors");
  EXPECT_EQ(error(),
            b + ": its 3 frames are too few for --crossfade-frames 2 at both ends; give at most 1");
  request_.videos = {"a.mp4", "b.mp4"};
  EXPECT_EQ(error(), "");
  flag("crossfade_frames", "6");
  EXPECT_THAT(error(), AllOf(HasSubstr(b), HasSubstr("give at most 3")));
  std::filesystem::remove(b);
  EXPECT_THAT(error(),
              AllOf(HasSubstr("a.safetensors: its 5 frames"), HasSubstr("give at most 5")));
  std::filesystem::remove(folder_ / "out/_latents/a.safetensors");
  EXPECT_EQ(error(), "") << "nobody knows yet how long they will be";
}

TEST_F(ConcatPlanning, CrossFadesThatAWordIsTooShortForFailOnlyItsSentences) {
  keep_all();
  keep("b", strings_["b"], 1);
  sentences("s1,a b\ns2,a sub/c\n");
  flag("crossfade_frames", "4");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->concats, SizeIs(1));
  ASSERT_THAT(run->refused, SizeIs(1));
  EXPECT_THAT(run->refused[0].error.message(),
              AllOf(HasSubstr("b.safetensors: its 1 frames"), HasSubstr("give at most 1")));
}

TEST_F(ConcatPlanning, LatentsOfAnotherVaeThanTheModelsHaveAreRefused) {
  keep_all();
  for (const char* name : {"a", "b"}) {
    strings_[name]["vae"] = sha256("other").hex();
    keep(name, strings_[name]);
  }
  decode({"a.mp4", "b.mp4"});
  EXPECT_THAT(
      error(),
      HasSubstr("a cannot be decoded by the models models: its latents differ in VAE digest"));
}

TEST_F(ConcatPlanning, TheRateOfTheLatentsIsThatOfTheConcatenatedVideoUnlessAFlagSaysElse) {
  flag("fps", "20");
  keep_all();
  request_.flags.values.clear();
  decode({"a.mp4"});
  EXPECT_EQ(plan()->concats[0].plan.parameters.fps, 20);
  EXPECT_EQ(plan()->concats[0].plan.provenance.at("fps"), "latents");
  flag("fps", "30");
  EXPECT_EQ(plan()->concats[0].plan.parameters.fps, 30);
}

TEST_F(ConcatPlanning, SentencesShareTheEncodesOfTheirWords) {
  sentences("s1,a b\ns2,b c.mp4 b\n");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->clips, SizeIs(3));
  ASSERT_THAT(run->concats, SizeIs(2));
  EXPECT_EQ(run->concats[1].plan.output.relative, "s2");
  EXPECT_EQ(run->concats[1].plan.parts[1].clip, "sub/c");
  EXPECT_EQ(run->concats[1].plan.parts[1].name, "c.mp4");
  EXPECT_FALSE(run->clips[0].plan.output.save_video);
  EXPECT_EQ(run->clips[0].plan.parameters.motion_fps, 15);
  keep_all();
  EXPECT_THAT(plan()->clips, IsEmpty());
}

TEST_F(ConcatPlanning, WordsThatAreKeptButDoNotFitTheSentencesParametersAreEncodedAgain) {
  keep_all();
  sentences("s1,a b\n");
  flag("seed", "7");
  EXPECT_THAT(names(plan()->clips), ElementsAre("a: its latents do not fit: seed was 42",
                                                "b: its latents do not fit: seed was 42"));
}

TEST_F(ConcatPlanning, MissingWordsAreListedBeforeAnythingRuns) {
  sentences("s1,a bb\ns2,a b\ns3,zzzzzz bb\n");
  EXPECT_THAT(
      error(),
      AllOf(HasSubstr("words are missing; --skip-missing"),
            HasSubstr("s1 (" + folder_ / "s.csv: line 2): no video for 'bb'; did you mean 'b'?"),
            HasSubstr("s3 ("), HasSubstr("'zzzzzz'"), Not(HasSubstr("s2 ("))));
  request_.skip_missing = true;
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->concats, SizeIs(1));
  EXPECT_EQ(run->concats[0].plan.output.relative, "s2");
  EXPECT_THAT(run->left_out, SizeIs(2));
}

TEST_F(ConcatPlanning, AWordThatCannotBeReadFailsOnlyItsSentences) {
  put(folder_, "videos/b.mp4", "");
  sentences("s1,a b\ns2,a\n");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->concats, SizeIs(1));
  ASSERT_THAT(run->refused, SizeIs(1));
  EXPECT_EQ(run->refused[0].relative, "s1");
  EXPECT_THAT(run->refused[0].error.message(), HasSubstr("b.mp4: is empty"));
  request_.reference = folder_ / "nobody.png";
  EXPECT_THAT(error(), HasSubstr("nobody.png: no such reference image"));
}

TEST_F(ConcatPlanning, WordsMayBeLatentsAlone) {
  request_.paths.clear();
  request_.reference.clear();
  keep("old", {{"fps", "15"}});
  sentences("s1,old old\n");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->concats.at(0).plan.parts, SizeIs(2));
}

TEST_F(ConcatPlanning, WordsAreFoundInEitherSpellingOfTheirAccents) {
  put(folder_, "videos/cafe\u0301.mp4", "video of a Mac");
  put(folder_, "out/_latents/the\u0301.safetensors", latents_bytes({}, 5));
  sentences("s1,caf\u00e9 caf\u00e9.mp4 th\u00e9\n");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->refused, IsEmpty());
  ASSERT_THAT(run->concats, SizeIs(1));
  EXPECT_THAT(names(run->clips), ElementsAre(HasSubstr("cafe\u0301")));
  ASSERT_THAT(run->concats[0].plan.parts, SizeIs(3));
  EXPECT_EQ(run->concats[0].plan.parts[2].saved.file.path,
            folder_ / "out/_latents/the\u0301.safetensors");

  decode({"caf\u00e9.mp4"});
  request_.sentences.clear();
  ASSERT_TRUE(plan().ok()) << plan().status();
}

TEST_F(ConcatPlanning, AWordThatIsAPathOfAnotherSystemIsToldAsThat) {
  sentences("s1,sub\\c\n");
  EXPECT_THAT(error(),
              HasSubstr("no video for 'sub\\c' (the folders of a path are separated by / here"));
}

TEST_F(ConcatPlanning, AConcatenatedVideoWhoseOutputsCannotBeNamedIsRefusedAlone) {
  sentences(std::string(251, 's') + ",a\nshort,b\n");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->concats, SizeIs(1));
  ASSERT_THAT(run->refused, SizeIs(1));
  EXPECT_THAT(run->refused[0].error.message(), HasSubstr("its outputs cannot be named"));
}

TEST_F(ConcatPlanning, OfSentencesAShardALimitAndAFilterChoose) {
  sentences("s1,a\ns2,a\nt3,a\ns4,b\n");
  request_.selection.filter = "s*";
  EXPECT_THAT(plan()->concats, SizeIs(3));
  request_.selection.shards = 2;
  EXPECT_THAT(plan()->concats, SizeIs(2));
  request_.selection.limit = 1;
  EXPECT_THAT(plan()->concats, SizeIs(1));
  EXPECT_THAT(plan()->clips, SizeIs(1));
}

TEST_F(ConcatPlanning, AWordThatMayBeTwoVideosIsRefused) {
  put(folder_, "videos/x/a.mp4", "another a");
  put(folder_, "videos/x/c.mp4", "another c");
  sentences("s1,a\n");
  EXPECT_EQ(plan()->concats.at(0).plan.parts.at(0).clip, "a");
  sentences("s1,b\ns2,c\n");
  EXPECT_THAT(error(), HasSubstr("line 3: 'c' may be sub/c or x/c"));
}

TEST_F(ConcatPlanning, VideosThatAreNotThereAreNamedAllAtOnce) {
  request_.mode = Mode::kEncode;
  request_.videos = {"x.mp4", "a.mp4", "y.mp4"};
  EXPECT_THAT(error(), HasSubstr("x.mp4, y.mp4"));
  request_.videos = {"a.mp4"};
  EXPECT_THAT(plan()->clips, SizeIs(1));
}

}  // namespace
}  // namespace mimicfleet::coordinator
