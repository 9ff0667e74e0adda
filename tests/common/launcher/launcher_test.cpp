#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "tests/e2e/process.h"
#include "tests/paths.h"

namespace mimicfleet {
namespace {

namespace fs = std::filesystem;
using e2e::Outcome;
using e2e::Process;
using ::testing::HasSubstr;
using ::testing::Not;

// An installed tree whose program is a script that tells how it was called.
class LauncherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "launcher.XXXXXX";
    tree_ = fs::path(::mkdtemp(folder.data())) / "a tree";
    fs::create_directories(tree_ / "bin");
    fs::create_directories(tree_ / "libexec/mimicfleet");
    fs::copy_file(binary_path("bin/launcher"), tree_ / "bin/worker");
    std::ofstream(program()) << "#!/bin/sh\nfor i; do echo \"<$i>\"; done\nenv\nexit 7\n";
    fs::permissions(program(), fs::perms::owner_all);
  }
  void TearDown() override { fs::remove_all(tree_.parent_path()); }

  [[nodiscard]] fs::path program() const { return tree_ / "libexec/mimicfleet/worker"; }
  [[nodiscard]] Outcome run(std::vector<std::string> command) const {
    return Process(std::move(command), tree_.parent_path().string()).wait();
  }
  [[nodiscard]] Outcome run_with_glibc(const std::string& version) const {
    const std::string preload = "LD_PRELOAD=" + binary_path("tests/libglibc_stand_in.so");
    return run({"/usr/bin/env", "-i", preload, "STAND_IN_GLIBC=" + version, tree_ / "bin/worker"});
  }

  fs::path tree_;
};

TEST_F(LauncherTest, HandsOverArgumentsAndEnvironment) {
  const Outcome outcome =
      run({"/usr/bin/env", "-i", "GIVEN=x y", tree_ / "bin/worker", "--name", "a b", ""});
  EXPECT_EQ(outcome.exit_code, 7) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("<--name>\n<a b>\n<>\n"));
  EXPECT_THAT(outcome.out, HasSubstr("GIVEN=x y\n"));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(LauncherTest, IsFoundThroughLinks) {
  fs::create_symlink(tree_ / "bin/worker", tree_.parent_path() / "other-name");
  EXPECT_EQ(run({tree_.parent_path() / "other-name"}).exit_code, 7);
}

TEST_F(LauncherTest, RefusesAnOlderCLibraryInOneSentence) {
  for (const std::string version : {"2.35", "2.9", "1.99"}) {
    const Outcome outcome = run_with_glibc(version);
    EXPECT_EQ(outcome.exit_code, 2) << version;
    EXPECT_THAT(outcome.err, HasSubstr("worker: this system's C library is glibc " + version +
                                       ", and mimicfleet needs 2."));
    EXPECT_THAT(outcome.err, Not(HasSubstr("not found")));
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(LauncherTest, TakesTheSameAndANewerCLibrary) {
  const std::string same = std::to_string(__GLIBC__) + '.' + std::to_string(__GLIBC_MINOR__);
  for (const std::string& version :
       {same, same + ".9000", std::string("2.100"), std::string("3.0")}) {
    EXPECT_EQ(run_with_glibc(version).exit_code, 7) << version;
  }
}

TEST_F(LauncherTest, NamesAProgramThatIsNotThere) {
  fs::remove(program());
  const Outcome outcome = run({tree_ / "bin/worker"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("worker: cannot start"));
  EXPECT_THAT(outcome.err, HasSubstr("libexec/mimicfleet/worker"));
}

}  // namespace
}  // namespace mimicfleet
