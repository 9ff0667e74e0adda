#include <algorithm>
#include <filesystem>

#include "tests/coordinator/cli/cli_test_base.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FilmCommands : public CommandLine {
 protected:
  bool exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }
  // How often an encode was leased to a worker in the last run.
  std::size_t encodes() const {
    const std::string events = read("out/_run/events.jsonl");
    std::size_t found = 0;
    for (std::size_t at = 0; (at = events.find("\"task_leased\"", at)) != std::string::npos; ++at) {
      const std::size_t end = events.find('\n', at);
      found += events.substr(at, end - at).find("encode_latents") != std::string::npos ? 1 : 0;
    }
    return found;
  }
};

TEST_F(FilmCommands, EncodeThenDecodeRunsOnlyTheDecode) {
  auto encode = run_json(submit({"--mode", "encode"}));
  EXPECT_THAT(states(encode), ElementsAre("a: done", "b: done"));
  EXPECT_TRUE(exists("out/a.mp4") && exists("out/_latents/a.safetensors"));
  EXPECT_THAT(states(run_json(submit({"--mode", "encode"}))),
              ElementsAre("a: skipped", "b: skipped"));
  const Words decode = {"--mode", "decode", "--videos", "b.mp4", "a.mp4", "--interp_frames", "2"};
  const auto film = run_json(submit(decode));
  EXPECT_THAT(states(film), ElementsAre("latent_concat_b_a: done"));
  EXPECT_EQ(film.clips[0].kind, "film");
  EXPECT_EQ(encodes(), 0U);
  EXPECT_TRUE(exists("out/latent_concat_b_a.mp4"));
  EXPECT_THAT(states(run_json(submit(decode))), ElementsAre("latent_concat_b_a: skipped"));
  const auto again =
      run_json(submit({"--mode", "decode", "--videos", "b.mp4", "a.mp4", "--interp-frames", "3"}));
  EXPECT_EQ(again.clips.at(0).reason, "interp_frames was 2");
}

TEST_F(FilmCommands, LatentsAloneAreAResult) {
  const auto outcome = run(
      submit({"--mode", "encode", "--disable_individual_videos", "--cache_dir", folder_ / "kept"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("latents     2 done\n"));
  EXPECT_TRUE(exists("kept/a.safetensors"));
  EXPECT_FALSE(exists("out/a.mp4"));
  put(folder_, "kept/b.safetensors", "damaged");
  const auto again = run_json(
      submit({"--mode", "encode", "--disable-individual-videos", "--cache-dir", folder_ / "kept"}));
  EXPECT_THAT(states(again), ElementsAre("a: skipped", "b: done"));
  EXPECT_THAT(again.clips[1].reason, AllOf(HasSubstr("its latents do not fit"),
                                           HasSubstr("not a valid safetensors file")));
}

TEST_F(FilmCommands, SentencesAreMadeOfWordsThatAreEncodedOnce) {
  put(folder_, "s.csv", "sentence_id,ref_ids\ns1,a b\ns2,b a b\n");
  const Words sentences = {"--sentences", folder_ / "s.csv"};
  const auto first = run_json(submit(sentences));
  EXPECT_THAT(states(first), ElementsAre("a: done", "b: done", "s1: done", "s2: done"));
  EXPECT_EQ(first.videos.at("done"), 2U);
  EXPECT_EQ(first.latents.at("done"), 2U);
  EXPECT_EQ(encodes(), 2U);
  EXPECT_THAT(read("out/s2.json"), HasSubstr("\"name\": \"a\""));
  EXPECT_THAT(states(run_json(submit(sentences))), ElementsAre("s1: skipped", "s2: skipped"));
  put(folder_, "s.csv", "sentence_id,ref_ids\ns1,b a\ns2,b a b\n");
  const auto changed = run_json(submit(sentences));
  EXPECT_THAT(states(changed), ElementsAre("s1: done", "s2: skipped"));
  EXPECT_EQ(changed.clips[0].reason, "it was made of other clips");
}

TEST_F(FilmCommands, MissingWordsStopEverythingUnlessTheirSentencesAreLeftOut) {
  put(folder_, "s.csv", "sentence_id,ref_ids\ns1,a nobody\ns2,b\n");
  const auto outcome = run(submit({"--sentences", folder_ / "s.csv"}));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("no video for 'nobody'"));
  EXPECT_FALSE(exists("out/_latents"));
  const auto rest = run(submit({"--sentences", folder_ / "s.csv", "--skip_missing"}));
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_THAT(rest.out, AllOf(HasSubstr("videos      1 done\n"), HasSubstr("left out s1 (")));
}

TEST_F(FilmCommands, APlanSaysWhatMustBeEncodedAgainAndWhatItCosts) {
  EXPECT_EQ(run(submit({"--mode", "encode"})).exit_code, 0);
  std::filesystem::remove(folder_ / "out/_latents/b.safetensors");
  Words words = submit({"--mode", "decode", "--videos", "a.mp4", "b.mp4"});
  words[0] = "plan";
  const auto outcome = run(words);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("encode  b (its latents are not kept in "), HasSubstr("1 encodes ("),
                    HasSubstr("of one worker's time, going by the records that are there\n")));
  EXPECT_FALSE(exists("out/latent_concat_a_b.mp4"));
}

TEST_F(FilmCommands, CrossFadesThatKeptLatentsAreTooShortForAreRefusedBeforeAnythingRuns) {
  EXPECT_EQ(run(submit({"--mode", "encode"})).exit_code, 0);
  std::filesystem::remove(folder_ / "out/_latents/b.safetensors");
  Words words =
      submit({"--mode", "decode", "--videos", "b.mp4", "a.mp4", "--crossfade-frames", "500"});
  for (const std::string command : {"submit", "plan"}) {
    words[0] = command;
    const auto outcome = run(words);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("out/_latents/a.safetensors: its "),
                                   HasSubstr("too few for --crossfade-frames 500; give at most ")));
  }
  EXPECT_FALSE(exists("out/_latents/b.safetensors"));
}

TEST_F(FilmCommands, EveryFlagOfTheOriginalsScriptIsUnderstoodInBothSpellings) {
  put(folder_, "c.yaml", "test_case:\n- ref_image_path: ref.png\n");
  for (const std::string mode : {"encode", "decode"}) {
    Words words = {"plan",
                   "--models",
                   folder_ / "models",
                   "--inference_config",
                   folder_ / "c.yaml",
                   "--video_folder",
                   folder_ / "videos",
                   "--cache_dir",
                   folder_ / "kept",
                   "--output_dir",
                   folder_ / "out",
                   "--mode",
                   mode,
                   "--decode_chunk_size",
                   "4",
                   "--max_pose_frames",
                   "100",
                   "--keep_first_frame",
                   "--overwrite_cache",
                   "--no_use_float16",
                   "--device",
                   "cpu"};
    const Words more = mode == "encode" ? Words{"--disable_individual_videos"}
                                        : Words{"--interp_frames",   "2", "--interp_mode", "linear",
                                                "--experiment_name", "x"};
    words.insert(words.end(), more.begin(), more.end());
    words.insert(words.end(), {"--videos", "a.mp4", "b.mp4"});
    const auto underscored = run(words);
    EXPECT_EQ(underscored.exit_code, 0) << underscored.err;
    EXPECT_THAT(underscored.out,
                HasSubstr(mode == "encode" ? "encode  a (--overwrite-cache)" : "make    x_a_b"));
    for (auto& word : words) {
      if (word.starts_with("--")) std::replace(word.begin(), word.end(), '_', '-');
    }
    EXPECT_EQ(run(words).out, underscored.out);
  }
}

TEST_F(FilmCommands, FlagsThatDoNotGoTogetherAreRefused) {
  const auto error = [&](Words words) {
    const auto outcome = run(submit(std::move(words)));
    EXPECT_EQ(outcome.exit_code, 2);
    return outcome.err;
  };
  EXPECT_THAT(error({"--mode", "code"}),
              HasSubstr("--mode code: choose generate, encode or decode"));
  EXPECT_THAT(error({"--overwrite-cache"}),
              HasSubstr("--overwrite-cache is for --mode encode or decode"));
  EXPECT_THAT(error({"--mode", "encode", "--interp-frames", "2"}),
              HasSubstr("--interp-frames is for --mode decode"));
  EXPECT_THAT(error({"--mode", "encode", "--save-latents"}),
              HasSubstr("--save-latents is for --mode generate"));
  EXPECT_THAT(error({"--mode", "decode", "--keep-first-frame", "--drop-reference-frames", "each"}),
              HasSubstr("say the same"));
  EXPECT_THAT(error({"--mode", "decode", "--interp-frames", "2", "--crossfade-frames", "2"}),
              HasSubstr("choose one"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
