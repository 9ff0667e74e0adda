#include "coordinator/client/output_folder.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/files/temporary_folder.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(OutputFolder, IsMadeWithANonceThatStays) {
  TemporaryFolder folder;
  const auto first = OutputFolder::prepare(folder / "a/b", 1, 1);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/_run"));
  EXPECT_EQ(first->nonce().size(), 32U);
  EXPECT_EQ(OutputFolder::prepare(folder / "a/b/", 1, 1)->nonce(), first->nonce());
}

TEST(OutputFolder, ShardsShareTheNonceAndKeepTheirRunsApart) {
  TemporaryFolder folder;
  const auto one = OutputFolder::prepare(folder / "out", 1, 2);
  const auto two = OutputFolder::prepare(folder / "out", 2, 2);
  EXPECT_EQ(one->nonce(), two->nonce());
  EXPECT_EQ(one->run_folder(), one->path() + "/_run/shard-1-of-2");
  EXPECT_NE(one->run_folder(), two->run_folder());
}

TEST(OutputFolder, AnEmptyNameIsNone) {
  EXPECT_EQ(OutputFolder::prepare("", 1, 1).status().message(),
            "--output-dir is empty: name a folder");
}

TEST(OutputFolder, OneRunAtATime) {
  TemporaryFolder folder;
  auto first = OutputFolder::prepare(folder / "out", 1, 1);
  auto second = OutputFolder::prepare(folder / "out", 1, 1);
  ASSERT_TRUE(first->lock().ok());
  EXPECT_THAT(second->lock().message(),
              AllOf(HasSubstr(folder / "out"), HasSubstr("another run writes there now"),
                    HasSubstr("choose another --output-dir")));
}

TEST(OutputFolder, AFileInItsPlaceIsNamed) {
  TemporaryFolder folder;
  folder.write("out", "x");
  for (const auto& path : {folder / "out", folder / "out/below"}) {
    const auto prepared = OutputFolder::prepare(path, 1, 1);
    EXPECT_EQ(prepared.status().code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(prepared.status().message(),
                AllOf(HasSubstr(folder / "out"), HasSubstr("--output-dir")));
  }
}

// What `prepare` says to a user without rights; in a child, because tests may run as root.
std::string message_for_nobody(const std::string& path) {
  int ends[2];
  CHECK(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(1);
    const auto prepared = OutputFolder::prepare(path, 1, 1);
    const std::string text = prepared.status().message();
    [[maybe_unused]] const auto written = ::write(ends[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  char buffer[1000];
  const ssize_t got = ::read(ends[0], buffer, sizeof(buffer));
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return got <= 0 ? "" : std::string(buffer, static_cast<std::size_t>(got));
}

TEST(OutputFolder, AFolderThatIsNotWritableIsNamedWithARemedy) {
  TemporaryFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0555));
  EXPECT_THAT(message_for_nobody(folder / "out"),
              AllOf(HasSubstr(folder / "out"), HasSubstr("cannot be written: Permission denied"),
                    HasSubstr("--output-dir")));
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  std::filesystem::create_directories(folder / "ours/_run");
  EXPECT_THAT(message_for_nobody(folder / "ours"),
              HasSubstr("cannot be written: Permission denied"));
}

TEST(OutputFolder, MayBeCheckedWithoutLeavingAnything) {
  const TemporaryFolder folder;
  EXPECT_TRUE(OutputFolder::check(folder / "a/b").ok());
  EXPECT_TRUE(check_latents_place(folder / "latents").ok());
  EXPECT_TRUE(check_latents_place("").ok());
  EXPECT_TRUE(folder.names().empty());
  folder.write("file", "x");
  for (const auto& path : {folder / "file", folder / "file/below"}) {
    EXPECT_EQ(OutputFolder::check(path), OutputFolder::prepare(path, 1, 1).status());
    EXPECT_THAT(check_latents_place(path).message(), HasSubstr("is not a folder"));
  }
  EXPECT_EQ(OutputFolder::check(""), OutputFolder::prepare("", 1, 1).status());
  EXPECT_THAT(OutputFolder::check("/proc/x").message(), HasSubstr("/proc/x: "));
  EXPECT_THAT(OutputFolder::check(folder / "x\xff").message(),
              HasSubstr("x\\xff: its name is not UTF-8"));
  EXPECT_FALSE(OutputFolder::prepare(folder / "x\xff", 1, 1).ok());
}

TEST(OutputFolder, WhatStandsInTheWayIsNamedByBoth) {
  const TemporaryFolder folder;
  folder.write("file", "x");
  std::filesystem::create_directory(folder / "out");
  folder.write("out/_run", "x");
  std::filesystem::create_directory_symlink(folder / "gone", folder / "link");
  const std::string real = std::filesystem::canonical(folder.path());
  for (const auto& [path, message] : std::vector<std::pair<std::string, std::string>>{
           {folder / "file/below/it", real + "/file: is not a folder; choose another --output-dir"},
           {folder / "out", real + "/out/_run: is not a folder; choose another --output-dir"},
           {folder / "link", real + "/link: is a link to " + (folder / "gone") +
                                 ", which is not there; choose another --output-dir"}}) {
    EXPECT_EQ(OutputFolder::check(path).message(), message);
    EXPECT_EQ(OutputFolder::prepare(path, 1, 1).status().message(), message);
  }
}

TEST(OutputFolder, APathThatOnlyAShellWouldReadIsRefusedUnlessItIsThere) {
  const TemporaryFolder folder;
  for (const std::string path : {"~/outx", "~", "$HOME/out", "C:\\out", "s3://bucket/out"}) {
    EXPECT_EQ(OutputFolder::check(path).code(), StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(OutputFolder::check(path), OutputFolder::prepare(path, 1, 1).status());
    EXPECT_EQ(check_latents_place(path).code(), StatusCode::kInvalidArgument) << path;
    EXPECT_FALSE(latents_place(path, {folder.path(), "", ""}, true).ok()) << path;
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_THAT(OutputFolder::check("~/outx").message(),
              HasSubstr("~/outx: ~ stands for no folder here"));
  std::filesystem::create_directory(folder / "a\\b");
  EXPECT_TRUE(OutputFolder::check(folder / "a\\b").ok());
}

TEST(OutputFolder, AFullDiskIsToldBeforeTheRun) {
  EXPECT_TRUE(check_space("/out", std::uint64_t{1} << 30).ok());
  EXPECT_EQ(check_space("/out", std::uint64_t{12} << 20).message(),
            "/out: only 12 MiB are free there and a run needs at least 64; free some space or "
            "choose another "
            "--output-dir");
  EXPECT_EQ(check_space("/out", 0).code(), StatusCode::kResourceExhausted);
}

TEST(RealPath, FollowsLinksAlsoBelowWhatIsNotThereYet) {
  TemporaryFolder folder;
  std::filesystem::create_directory_symlink(folder.path(), folder / "link");
  const std::string real = std::filesystem::canonical(folder.path());
  EXPECT_EQ(real_path(folder / "link/new/out/"), real + "/new/out");
}

}  // namespace
}  // namespace mimicfleet::coordinator
