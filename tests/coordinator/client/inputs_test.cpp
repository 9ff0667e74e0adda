#include "coordinator/client/inputs.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/av/clips.h"
#include "tests/common/model_root/fake_models.h"
#include "tests/paths.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class Inputs : public ::testing::Test {
 protected:
  // Output names of what is found, or the error.
  std::vector<std::string> find(const std::vector<std::string>& paths) {
    const auto found = find_inputs(paths, selection_);
    if (!found.ok()) return {found.status().message()};
    std::vector<std::string> names;
    for (const auto& input : found->inputs) {
      names.push_back(input.error.ok() ? input.relative : input.error.message());
    }
    left_out_ = found->left_out;
    return names;
  }
  // A video of ours: its record lies beside it.
  void put_output(const std::string& name) {
    put(folder_, name + ".mp4", "x");
    put(folder_, name + ".json", R"({"version": 1, "program": "mimicfleet 0.1.0", "key": "00"})");
  }
  std::string error(const std::string& path) { return find({path}).at(0); }

  TemporaryFolder folder_;
  InputSelection selection_;
  std::vector<std::string> left_out_;
};

TEST_F(Inputs, AFolderIsWalkedAndSortedByPath) {
  for (const auto* name :
       {"b/c.mkv", "a.mp4", "b.MOV", "b/a.webm", "notes.md", ".hidden.mp4", ".git/x.mp4"}) {
    put(folder_, name, "x");
  }
  EXPECT_THAT(find({folder_.path()}), ElementsAre("a", "b/a", "b/c", "b"));
  EXPECT_THAT(find({folder_.path() + "/"}), ElementsAre("a", "b/a", "b/c", "b"));
}

TEST_F(Inputs, EveryContainerIsTakenAndWhatIsLeftOutIsCounted) {
  const std::string video = read_file(av::kClips + "h264.mp4");
  for (const auto* name :
       {"a.m2ts", "b.M2TS", "c.gif", "notes.md", "d.png", "e.png", ".hidden.png", "f.mp4.part"}) {
    put(folder_, name, "x");
  }
  put(folder_, "g.insv", video);
  put(folder_, "h.dat", "x");
  EXPECT_THAT(find({folder_.path()}), ElementsAre("a", "b", "c", "g"));
  EXPECT_THAT(left_out_, ElementsAre(AllOf(
                             HasSubstr("5 files that are no videos by name: 2 .png, 1 .dat, 1 .md"),
                             HasSubstr(folder_.path()))));
  EXPECT_THAT(find({folder_ / "a.m2ts", folder_ / "g.insv"}), ElementsAre("a", "g"));
  EXPECT_THAT(error(folder_ / "h.dat"), HasSubstr("is neither a folder, a video"));
}

TEST_F(Inputs, WhatOnlyItsContentMakesAVideoGivesWayToOneOfItsName) {
  const std::string video = read_file(av::kClips + "h264.mp4");
  for (const auto* name :
       {"DJI_1.MP4", "DJI_1.LRF", "DJI_1.insv", "hello.mp4", "hello.mp4_original", "hello.mp4~",
        "hello.mp4.1", "GL01.LRV", "film.dat", "film.bin", "x.mp4.part", "new.bin"}) {
    put(folder_, name, video);
  }
  EXPECT_THAT(find({folder_.path()}), ElementsAre("DJI_1", "film", "hello", "new"));
  EXPECT_THAT(left_out_, ElementsAre(HasSubstr("8 files that are no videos by name")));
  for (const auto* name : {"DJI_1.LRF", "hello.mp4~", "x.mp4.part", "film.dat"}) {
    EXPECT_THAT(find({folder_ / name}), ElementsAre(std::filesystem::path(name).stem()));
  }
}

TEST_F(Inputs, AContainerThatIsNotReadIsToldWithTheRemedy) {
  put(folder_, "a.mod", std::string("\0\0\x01\xba....", 8));
  put(folder_, "b.bin", "\x06\x0e\x2b\x34 and more");
  EXPECT_THAT(find({folder_.path()}), ElementsAre("a", "b"));  // the run tells
  EXPECT_THAT(error(folder_ / "a.mod"),
              HasSubstr("a.mod: is an MPEG program stream, which is not supported; "
                        "convert it with: ffmpeg -i FILE out.mp4"));
  EXPECT_THAT(error(folder_ / "b.bin"), HasSubstr("is an MXF file, which is not supported"));
  put(folder_, "c.png", "\x89PNG\r\n\x1a\n");
  EXPECT_THAT(error(folder_ / "c.png"), AllOf(HasSubstr("is neither a folder, a video"),
                                              HasSubstr("it is a PNG image, not a video")));
}

TEST_F(Inputs, APreviewBesideItsVideoIsLeftOut) {
  for (const auto* name : {"a.mp4", "a.gif", "b.gif"}) put(folder_, name, "x");
  EXPECT_THAT(find({folder_.path()}), ElementsAre("a", "b"));
  EXPECT_THAT(left_out_, ElementsAre(HasSubstr("1 .gif")));
}

TEST_F(Inputs, LinksAreFollowedButNotInCircles) {
  put(folder_, "real/a.mp4", "x");
  std::filesystem::create_directory(folder_ / "videos");
  std::filesystem::create_directory_symlink(folder_ / "real", folder_ / "videos/linked");
  std::filesystem::create_directory_symlink(folder_ / "videos", folder_ / "real/back");
  EXPECT_THAT(find({folder_ / "videos"}), ElementsAre("linked/a"));
}

TEST_F(Inputs, TheOutputFolderIsNotAmongItsOwnInputs) {
  put(folder_, "a.mp4", "x");
  put(folder_, "outputs/a.mp4", "x");
  selection_.ignore_folder = std::filesystem::canonical(folder_ / "outputs");
  EXPECT_THAT(find({folder_.path()}), ElementsAre("a"));
}

TEST_F(Inputs, AnEmptyFolderIsAnErrorThatSaysWhatWasLookedFor) {
  put(folder_, "notes.md", "x");
  EXPECT_THAT(error(folder_.path()),
              AllOf(HasSubstr(folder_.path()), HasSubstr("no videos found below this folder"),
                    HasSubstr(".mp4")));
}

TEST_F(Inputs, ASampleIsChosenByItsSeedAndKeepsTheOrder) {
  for (char name = 'a'; name <= 'z'; ++name) put(folder_, std::string(1, name) + ".mp4", "x");
  selection_.sample = 5;
  const auto first = find({folder_.path()});
  EXPECT_EQ(first.size(), 5U);
  EXPECT_TRUE(std::is_sorted(first.begin(), first.end()));
  EXPECT_EQ(find({folder_.path()}), first);
  selection_.sample_seed = 1;
  EXPECT_NE(find({folder_.path()}), first);
  selection_.sample = 100;
  EXPECT_EQ(find({folder_.path()}).size(), 26U);
}

TEST_F(Inputs, ASampleHasNoClipOfOneFrameWhileThereAreOthers) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    selection_.sample = 1;
    selection_.sample_seed = seed;
    EXPECT_THAT(find({source_path("examples/words")}), Not(ElementsAre("river"))) << seed;
  }
  selection_.sample = 9;
  EXPECT_THAT(find({source_path("examples/words")}), Not(::testing::Contains("river")));
  for (const char* name : {"a.mp4", "b.mp4"}) {
    std::filesystem::copy(source_path("examples/words/river.mp4"), folder_ / name);
  }
  selection_.sample = 1;
  EXPECT_EQ(find({folder_.path()}).size(), 1U) << "where there are no others";
}

TEST_F(Inputs, AFilterKeepsWhatMatchesByPathOrName) {
  for (const auto* name : {"x/word_1.mp4", "x/word_2.mp4", "y/word_1.mp4"}) put(folder_, name, "x");
  selection_.filter = "word_1*";
  EXPECT_THAT(find({folder_.path()}), ElementsAre("x/word_1", "y/word_1"));
  selection_.filter = "y/*";
  EXPECT_THAT(find({folder_.path()}), ElementsAre("y/word_1"));
  selection_.filter = "z*";
  EXPECT_THAT(error(folder_.path()), HasSubstr("z*: --filter matches none of the 3 videos below"));
}

TEST_F(Inputs, AFilterAlsoChoosesAmongVideosThatAreNamedOneByOne) {
  put(folder_, "a.mp4", "x");
  selection_.filter = "a*";
  put(folder_, "b.mp4", "x");
  EXPECT_THAT(find({folder_ / "a.mp4", folder_ / "b.mp4"}), ElementsAre("a"));
  put(folder_, "list.txt", "deep/a.mp4\ndeep/b.mp4\n");
  EXPECT_THAT(find({folder_ / "list.txt"}), ElementsAre("deep/a"));
  const auto given =
      find_inputs({}, selection_, {{"/x/a.mp4", "a", {}, {}, 0}, {"/x/b.mp4", "b", {}, {}, 0}});
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->inputs.size(), 1U);
  selection_.filter = "c*";
  EXPECT_EQ(error(folder_ / "a.mp4"), "c*: --filter matches none of the videos that are named");
}

TEST_F(Inputs, AVideoThatIsNamedTwiceIsToldAsThat) {
  put(folder_, "a.mp4", "x");
  EXPECT_THAT(
      find({folder_ / "a.mp4", folder_ / "a.mp4"}).at(0),
      AllOf(HasSubstr((folder_ / "a.mp4") + ": is there twice"), HasSubstr("name it once")));
}

TEST_F(Inputs, TwoVideosWithOneOutputNameAreRefusedAndBothNamed) {
  put(folder_, "a.mp4", "x");
  put(folder_, "a.mkv", "x");
  EXPECT_THAT(error(folder_.path()),
              AllOf(HasSubstr(folder_ / "a.mp4"), HasSubstr(folder_ / "a.mkv"),
                    HasSubstr("would both be written to a.mp4; rename one of them")));
  put(folder_, "other/B.mp4", "x");
  put(folder_, "b.mp4", "x");
  EXPECT_THAT(find({folder_ / "other/B.mp4", folder_ / "b.mp4"}).at(0),
              HasSubstr("would both be written"));
}

TEST_F(Inputs, ShardsTakeEveryVideoOnceAndALimitCutsAShard) {
  for (const auto* name : {"a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"}) put(folder_, name, "x");
  selection_.shards = 2;
  EXPECT_THAT(find({folder_.path()}), ElementsAre("a", "c", "e"));
  selection_.shard = 2;
  EXPECT_THAT(find({folder_.path()}), ElementsAre("b", "d"));
  selection_.limit = 1;
  EXPECT_THAT(find({folder_.path()}), ElementsAre("b"));
}

TEST_F(Inputs, ASingleVideoIsNamedAfterItsStem) {
  put(folder_, "deep/er/a.b.mp4", "x");
  EXPECT_THAT(find({folder_ / "deep/er/a.b.mp4"}), ElementsAre("a.b"));
}

TEST_F(Inputs, AManifestsPathsStandBelowItsFolder) {
  put(folder_, "lists/list.csv",
      "video,ref_image,output,seed\nclips/a.mp4,r.png,,7\n/abs/b.mp4,,named/b.mp4,\n../c.mp4,,,\n");
  const auto found = find_inputs({folder_ / "lists/list.csv"}, selection_);
  ASSERT_TRUE(found.ok()) << found.status();
  const auto* inputs = &found->inputs;
  ASSERT_EQ(inputs->size(), 3U);
  EXPECT_EQ((*inputs)[0].path, folder_ / "lists/clips/a.mp4");
  EXPECT_EQ((*inputs)[0].reference, folder_ / "lists/r.png");
  EXPECT_EQ((*inputs)[0].relative, "clips/a");
  EXPECT_EQ((*inputs)[0].values.at(0).text, "7");
  EXPECT_EQ((*inputs)[1].path, "/abs/b.mp4");
  EXPECT_EQ((*inputs)[1].relative, "named/b");
  EXPECT_EQ((*inputs)[2].path, folder_ / "c.mp4");
  EXPECT_EQ((*inputs)[2].relative, "c");
}

TEST_F(Inputs, AManifestMayNotWriteOutsideTheOutputFolder) {
  put(folder_, "list.csv", "video,output\na.mp4,../x\n");
  EXPECT_THAT(error(folder_ / "list.csv"),
              HasSubstr("line 2: output '../x' is not below the output folder"));
  put(folder_, "list.csv", "video,output\na.mp4,_run/x\n");
  EXPECT_THAT(error(folder_ / "list.csv"), HasSubstr("output '_run/x' is inside _run"));
  put(folder_, "list.txt", "# nothing\n");
  EXPECT_THAT(error(folder_ / "list.txt"), HasSubstr("lists no videos"));
}

TEST_F(Inputs, PathsMayComeOnStandardInput) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "/x/a.mp4\n/y/b.mp4\n", 18), 18);
  ::close(ends[1]);
  selection_.standard_input = ends[0];
  EXPECT_THAT(find({"-"}), ElementsAre("a", "b"));
  ::close(ends[0]);
}

TEST_F(Inputs, WhatIsNotThereOrNothingKnownIsNamed) {
  EXPECT_THAT(error("/nowhere/a.mp4"), HasSubstr("/nowhere/a.mp4: No such file or directory"));
  put(folder_, "a.dat", "x");
  EXPECT_THAT(error(folder_ / "a.dat"), AllOf(HasSubstr("is neither a folder, a video"),
                                              HasSubstr(".mp4"), HasSubstr(".jsonl")));
}

TEST_F(Inputs, ANameThatIsNotUtf8IsRefusedReadablyAndAlone) {
  for (const auto* name : {"a\xff.mp4", "b.mp4", "c\xe9/d.mp4"}) put(folder_, name, "x");
  EXPECT_THAT(find({folder_.path()}),
              ElementsAre((folder_ / "a\\xff.mp4: its name is not UTF-8; rename it"), "b",
                          (folder_ / "c\\xe9/d.mp4: its name is not UTF-8; rename it")));
  EXPECT_THAT(find({folder_ / "a\xff.mp4"}).at(0), HasSubstr("its name is not UTF-8; rename it"));
}

TEST_F(Inputs, AListedPathThatIsNotUtf8IsAFilesNameOrTheListsEncoding) {
  put(folder_, "there\xe9.mp4", "x");
  put(folder_, "list.txt", "there\xe9.mp4\nb.mp4\ngone\xe9.mp4\n");
  const auto found = find({folder_ / "list.txt"});
  ASSERT_EQ(found.size(), 3U);
  EXPECT_THAT(found[0], HasSubstr("its name is not UTF-8; rename it"));
  EXPECT_EQ(found[1], "b");
  EXPECT_THAT(found[2],
              HasSubstr("list.txt: line 3: is not UTF-8 but written in another encoding"));
}

TEST_F(Inputs, NamesAreFoundInEitherSpellingOfTheirAccents) {
  const std::string composed = "caf\u00e9";
  const std::string decomposed = "cafe\u0301";
  put(folder_, decomposed + "/" + decomposed + ".mp4", "x");
  put(folder_, "list.csv", "video,output\n" + composed + "/" + composed + ".mp4,a\n");
  const auto listed = find_inputs({folder_ / "list.csv"}, selection_);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->inputs.at(0).path, folder_ / (decomposed + "/" + decomposed + ".mp4"));
  EXPECT_THAT(find({folder_ / composed}), ElementsAre(decomposed));
  selection_.filter = composed + "*";
  EXPECT_THAT(find({folder_ / composed}), ElementsAre(decomposed));
  selection_.filter.clear();
  put(folder_, decomposed + "/" + composed + ".mp4", "x");
  EXPECT_THAT(error(folder_.path()), HasSubstr("would both be written"));
}

TEST_F(Inputs, VideosThatThisProgramMadeAreLeftOutAndCounted) {
  put(folder_, "a.mp4", "x");
  put(folder_, "b.mp4", "x");
  put(folder_, "b.json", R"({"program": "another"})");
  put(folder_, "c.mp4", "x");
  put(folder_, "c.json", "no JSON");
  put_output("old/a");
  put_output("old/b");
  put(folder_, "old/_run/nonce", "n");
  put(folder_, "old/_compare/grid.mp4", "x");
  EXPECT_THAT(find({folder_.path()}), ElementsAre("a", "b", "c"));
  EXPECT_THAT(left_out_,
              ElementsAre(HasSubstr("2 videos below " + folder_.path() + " that mimicfleet made"),
                          HasSubstr("2 files that are no videos by name: 2 .json")));
  EXPECT_THAT(
      error(folder_ / "old"),
      HasSubstr(
          "old: no videos found but 2 that mimicfleet made (a record lies beside each); give the "
          "folder of the driving videos"));
  EXPECT_THAT(find({folder_ / "old/a.mp4"}), ElementsAre("a"));
}

TEST_F(Inputs, AFolderThatIsTheOutputFolderIsRefusedWithTheReason) {
  put(folder_, "a.mp4", "x");
  selection_.ignore_folder = std::filesystem::canonical(folder_.path());
  EXPECT_THAT(error(folder_.path()), HasSubstr(folder_.path() + ": is the --output-dir, too"));
}

TEST_F(Inputs, AnOutputThatIsWrittenForAnotherProgramIsToldSo) {
  for (const auto& [output, why] :
       std::vector<std::pair<std::string, std::string>>{{"~/h", "stands for no folder here"},
                                                        {"$HOME/h", "variables such as $HOME"},
                                                        {"sub\\h", "separated by / here"}}) {
    put(folder_, "list.csv", "video,output\na.mp4," + output + "\n");
    EXPECT_THAT(error(folder_ / "list.csv"),
                AllOf(HasSubstr("list.csv: line 2: output '"), HasSubstr(why)));
  }
  put(folder_, "list.csv", "video,output\na.mp4,~h\nb.mp4,a~/$5\nc.mp4,Ke$ha\n");
  EXPECT_THAT(find({folder_ / "list.csv"}), ElementsAre("~h", "a~/$5", "Ke$ha"));
}

TEST_F(Inputs, APathThatIsWrittenForAnotherProgramIsToldSo) {
  put(folder_, "clips/a.mp4", "x");
  EXPECT_THAT(error(folder_ / "clips\\a.mp4"),
              HasSubstr("are separated by / here, not by \\: write it so, as in " +
                        (folder_ / "clips/a.mp4")));
  EXPECT_THAT(error("~/clips"), HasSubstr("~ stands for no folder here: write "));
  EXPECT_THAT(error("https://example.org/a.mp4"), HasSubstr("no addresses: fetch it first"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
