#include "common/files/atomic_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/files/temporary_folder.h"

namespace mimicfleet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(AtomicFile, AppearsUnderItsNameOnlyOnCommit) {
  const TemporaryFolder folder;
  auto file = AtomicFile::create(folder / "out.mp4");
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->write("half").ok());
  EXPECT_FALSE(std::filesystem::exists(folder / "out.mp4"));
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(read_file(folder / "out.mp4"), "half");
  EXPECT_THAT(folder.names(), ElementsAre("out.mp4"));
}

TEST(AtomicFile, AppearsWholeWithoutWaitingForTheDisk) {
  const TemporaryFolder folder;
  auto file = AtomicFile::create(folder / "latents");
  ASSERT_TRUE(file->write("whole").ok());
  ASSERT_TRUE(file->commit_unsynced().ok());
  EXPECT_EQ(read_file(folder / "latents"), "whole");
  EXPECT_THAT(folder.names(), ElementsAre("latents"));
}

TEST(AtomicFile, LeavesNothingWithoutACommit) {
  const TemporaryFolder folder;
  {
    auto file = AtomicFile::create(folder / "out.mp4");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write("half").ok());
    ASSERT_EQ(folder.names().size(), 1u);
    EXPECT_TRUE(is_temporary_name(folder.names().front()));
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

// Makes something in a process that ends without destructors.
template <typename Make>
void in_a_process_that_is_killed(Make&& make) {
  const pid_t killed = ::fork();
  if (killed == 0) {
    const auto made = make();
    ::_exit(made.ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(killed, &status, 0), killed);
  ASSERT_EQ(status, 0);
}

TEST(AtomicFile, OfAKilledProcessIsRemovedLaterAndNoOther) {
  const TemporaryFolder folder;
  in_a_process_that_is_killed([&] { return AtomicFile::create(folder / "killed"); });
  const std::string abandoned = folder / folder.names().front();
  auto living = AtomicFile::create(folder / "living");
  ASSERT_TRUE(living.ok());
  folder.write(".mimicfleet-notes.part", "a user's own");
  EXPECT_EQ(remove_abandoned_files(folder.path()), 0);  // too young to judge
  for (const std::string& name : folder.names()) set_age(folder / name, std::chrono::hours(1));
  EXPECT_EQ(remove_abandoned_files(folder.path()), 1);
  EXPECT_FALSE(std::filesystem::exists(abandoned));
  EXPECT_TRUE(living->commit().ok());
  EXPECT_EQ(folder.names().size(), 2u);
}

TEST(AtomicFile,
     OfAKilledProcessThatHoldsBytesIsRemovedAtOnceAndOneOfALivingProcessHoweverOldIsNot) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "a/b");
  in_a_process_that_is_killed([&] {
    auto file = AtomicFile::create(folder / "a/b/killed");
    EXPECT_TRUE(file.ok() && file->write("half").ok());
    return file;
  });
  auto living = AtomicFile::create(folder / "a/living");
  ASSERT_TRUE(living.ok() && living->write("half").ok());
  for (const auto& entry : std::filesystem::directory_iterator(folder / "a")) {
    if (entry.is_regular_file()) set_age(entry.path(), std::chrono::hours(100));
  }
  EXPECT_EQ(remove_abandoned_files_below(folder.path()), 1);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "a/b"));
  EXPECT_TRUE(living->commit().ok());
}

TEST(AtomicFile, GetsItsNameOnlyIfThatIsPermittedAfterAllBytesAreOnTheDisk) {
  const TemporaryFolder folder;
  folder.write("out", "of the winner");
  const Status refused = write_file_atomically(folder / "out", "late", [&] {
    EXPECT_EQ(folder.names().size(), 2U);
    return Status(StatusCode::kCancelled, "another attempt has it");
  });
  EXPECT_EQ(refused.code(), StatusCode::kCancelled);
  EXPECT_EQ(read_file(folder / "out"), "of the winner");
  EXPECT_THAT(folder.names(), ElementsAre("out"));
  EXPECT_TRUE(write_file_atomically(folder / "out", "new", [] { return Status(); }).ok());
  EXPECT_EQ(read_file(folder / "out"), "new");
}

TEST(ScratchFolder, LeavesWithAllThatIsInIt) {
  const TemporaryFolder folder;
  {
    const auto scratch = ScratchFolder::create(folder.path());
    ASSERT_TRUE(scratch.ok()) << scratch.status();
    std::ofstream(scratch->path() + "/frame") << "x";
    ASSERT_EQ(folder.names().size(), 1U);
    EXPECT_TRUE(is_temporary_name(folder.names().front()));
  }
  EXPECT_THAT(folder.names(), IsEmpty());
  EXPECT_EQ(ScratchFolder::create(folder / "none").status().code(), StatusCode::kNotFound);
}

TEST(ScratchFolder, OfAKilledProcessIsRemovedLaterAndNoOther) {
  const TemporaryFolder folder;
  in_a_process_that_is_killed([&] {
    auto scratch = ScratchFolder::create(folder.path());
    std::ofstream(scratch.value().path() + "/frame") << "x";
    return scratch;
  });
  const auto living = ScratchFolder::create(folder.path());
  ASSERT_TRUE(living.ok());
  set_age(living->path(), std::chrono::hours(100));
  set_age(living->path() + "/lock", std::chrono::hours(100));
  EXPECT_EQ(remove_abandoned_files(folder.path()), 1);
  EXPECT_THAT(folder.names(),
              ElementsAre(std::filesystem::path(living->path()).filename().string()));
}

TEST(AtomicFile, MovedFromLeavesTheFileToItsNewOwner) {
  const TemporaryFolder folder;
  auto first = AtomicFile::create(folder / "out");
  ASSERT_TRUE(first.ok());
  auto second = AtomicFile::create(folder / "other");
  ASSERT_TRUE(second.ok());
  *second = std::move(*first);  // what `second` had is gone, what `first` had goes on
  EXPECT_EQ(folder.names().size(), 1u);
  ASSERT_TRUE(second->commit().ok());
  EXPECT_THAT(folder.names(), ElementsAre("out"));
}

TEST(AtomicFile, ReplacesWhatHadTheNameEvenASymbolicLink) {
  const TemporaryFolder folder;
  const std::string victim = folder.write("victim", "untouched");
  std::filesystem::create_symlink(victim, folder / "out");
  ASSERT_TRUE(write_file_atomically(folder / "out", "new").ok());
  EXPECT_EQ(read_file(victim), "untouched");
  EXPECT_EQ(read_file(folder / "out"), "new");
  EXPECT_FALSE(std::filesystem::is_symlink(folder / "out"));
}

TEST(AtomicFile, IntoAMissingFolderNamesTheFileAndTheCause) {
  const Status status = write_file_atomically("/nonexistent/out.mp4", "x");
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/nonexistent/out.mp4"));
}

TEST(AtomicFile, OntoAFolderFailsAndLeavesNothing) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "out");
  const Status status = write_file_atomically(folder / "out", "x");
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("Is a directory; rename or remove that folder"));
  EXPECT_THAT(folder.names(), ElementsAre("out"));
}

TEST(AtomicFile, RefusesNamesThatAreNone) {
  const TemporaryFolder folder;
  EXPECT_EQ(write_file_atomically(folder / "", "x").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(write_file_atomically(folder / "..", "x").code(), StatusCode::kInvalidArgument);
}

TEST(AtomicFile, PastTheFileSizeLimitIsATypedErrorAndLeavesNothing) {
  const TemporaryFolder folder;
  const auto exit_code = [&folder] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    const Status status = write_file_atomically(folder / "out", std::string(5000, 'x'));
    return status.code() == StatusCode::kResourceExhausted && folder.names().empty() ? 0 : 1;
  };
  EXPECT_EXIT(::_exit(exit_code()), ::testing::ExitedWithCode(0), "");
}

TEST(AtomicFile, OnAFullDiskIsATypedErrorAndLeavesNothing) {
  const TemporaryFolder folder;
  if (::mount("none", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "needs the right to mount a file system";
  }
  const Status status = write_file_atomically(folder / "out", std::string(100'000, 'x'));
  const auto names = folder.names();
  const Status fits = write_file_atomically(folder / "out", std::string(10'000, 'x'));
  ::umount(folder.path().c_str());
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("No space left on device"));
  EXPECT_THAT(names, IsEmpty());
  EXPECT_TRUE(fits.ok()) << fits;
}

}  // namespace
}  // namespace mimicfleet
