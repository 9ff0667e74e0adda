#include "coordinator/store/job_store.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/process.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class JobStoreTest : public testing::Test {
 protected:
  JobStoreTest()
      : directory_(fs::path(testing::TempDir()) / ("store." + to_string(new_id<JobId>()))) {}
  ~JobStoreTest() override { fs::remove_all(directory_); }

  std::unique_ptr<JobStore> open() {
    auto store = JobStore::open(directory_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? std::move(store).value() : nullptr;
  }

  static Task task_of(const Job& job, std::uint64_t position) {
    Task task;
    task.spec.id = new_id<TaskId>();
    task.spec.job = job.id;
    task.spec.name = "clip" + std::to_string(position);
    task.position = position;
    return task;
  }

  static Job some_job() {
    Job job;
    job.id = new_id<JobId>();
    job.number = 1;
    job.request = new_id<RequestId>();
    return job;
  }

  static jobs::Event event(std::uint64_t sequence) {
    jobs::Event event;
    event.sequence = sequence;
    event.kind = "task_leased";
    return event;
  }

  fs::path directory_;
};

TEST_F(JobStoreTest, WhatWasCommittedIsThereAfterAKillAndTheEpochGrows) {
  const Job job = some_job();
  const Task first = task_of(job, 0);
  Task second = task_of(job, 1);
  const pid_t child = ::fork();
  if (child == 0) {  // no destructor runs
    auto store = JobStore::open(directory_);
    const bool ok =
        store.ok() && (*store)->commit({&job}, {&first, &second}, {event(1), event(2)}).ok();
    second.state = TaskState::kDone;
    second.attempt = 4;
    const bool ok_again = ok && (*store)->commit({}, {&second}, {event(3)}).ok();
    ::_exit(ok_again ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  auto store = open();
  EXPECT_EQ(store->epoch(), 2U);
  const auto contents = store->load();
  ASSERT_TRUE(contents.ok()) << contents.status();
  ASSERT_EQ(contents->jobs.size(), 1U);
  ASSERT_EQ(contents->tasks.size(), 2U);
  EXPECT_EQ(contents->tasks[1].state, TaskState::kDone);
  EXPECT_EQ(contents->tasks[1].attempt, 4U);
  EXPECT_EQ(contents->last_sequence, 3U);
  const auto events = store->events(1, 10);
  ASSERT_TRUE(events.ok());
  ASSERT_EQ(events->size(), 2U);
  EXPECT_EQ(events->front().sequence, 2U);
}

TEST_F(JobStoreTest, ASecondCoordinatorOnTheSameFolderIsRefusedByAnyName) {
  auto store = open();
  const fs::path link = directory_.string() + ".link";
  fs::create_directory_symlink(directory_, link);
  for (const auto& name : {directory_, link}) {
    const auto second = JobStore::open(name);
    ASSERT_FALSE(second.ok()) << name;
    EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(second.status().message(), HasSubstr("another coordinator"));
  }
  fs::remove(link);
}

TEST_F(JobStoreTest, ACoordinatorInAnotherProcessIsSeenToo) {
  int opened[2];
  ASSERT_EQ(::pipe(opened), 0);
  const pid_t other = ::fork();
  if (other == 0) {
    const auto store = JobStore::open(directory_);
    const char answer = store.ok() ? 'y' : 'n';
    static_cast<void>(::write(opened[1], &answer, 1));
    for (;;) ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(opened[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  const auto second = JobStore::open(directory_);
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  ::close(opened[0]);
  ::close(opened[1]);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr("another coordinator"));
}

TEST_F(JobStoreTest, AnotherTroubleInAFolderCalledLockIsNotTakenForAnotherCoordinator) {
  directory_ += ".lock";
  fs::create_directory(directory_);
  std::ofstream(directory_ / "jobs.db") << "a file where a folder should be";
  const auto refused = JobStore::open(directory_);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().message(),
              testing::AllOf(HasSubstr("jobs.db"), Not(HasSubstr("coordinator"))));
}

TEST_F(JobStoreTest, AFlippedByteInTheMiddleIsNoticed) {
  const Job job = some_job();
  {
    auto store = open();
    for (std::uint64_t i = 1; i <= 50; ++i) {
      const Task task = task_of(job, i);
      ASSERT_TRUE(store->commit({&job}, {&task}, {event(i)}).ok());
    }
  }
  fs::path log;
  for (const auto& entry : fs::directory_iterator(directory_ / "jobs.db")) {
    if (entry.path().extension() == ".log" &&
        (log.empty() || fs::file_size(entry) > fs::file_size(log)))
      log = entry;
  }
  ASSERT_FALSE(log.empty());
  {
    std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fs::file_size(log) / 2));
    file.put('\x5a');
  }
  const auto damaged = JobStore::open(directory_);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.status().code(), StatusCode::kCorruption);
}

TEST_F(JobStoreTest, AMissingLogFileIsNoticed) {
  const Job job = some_job();
  {
    auto store = open();
    const Task task = task_of(job, 0);
    ASSERT_TRUE(store->commit({&job}, {&task}, {event(1)}).ok());
  }
  for (const auto& entry : fs::directory_iterator(directory_ / "jobs.db")) {
    if (entry.path().extension() == ".log") fs::remove(entry);
  }
  const auto rolled_back = JobStore::open(directory_);
  ASSERT_FALSE(rolled_back.ok());
  EXPECT_EQ(rolled_back.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(rolled_back.status().message(), HasSubstr("went back in time"));
}

// Runs in a child with a small disk of its own. 0 if all went well, else the line that did not.
int fill_the_disk_and_free_it(const std::string& directory, const jobs::Event& first) {
  const auto commit = [](JobStore& store, std::uint64_t sequence, jobs::Event event) {
    event.sequence = sequence;
    return store.commit({}, {}, {event});
  };
  auto store = JobStore::open(directory);
  if (!store.ok() || !commit(**store, 1, first).ok()) return __LINE__;
  const std::string filler = directory + "/filler";
  {
    std::ofstream out(filler);
    const std::string block(64 << 10, 'x');
    while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  std::uint64_t stored = 1;
  jobs::Event large = first;
  large.detail = std::string(100'000, 'x');
  while (stored < 1000 && commit(**store, stored + 1, large).ok()) ++stored;
  for (int i = 0; i < 20; ++i) {
    if (commit(**store, stored + 1, large).code() != StatusCode::kResourceExhausted)
      return __LINE__;
  }
  if ((*store)->events(0, 1000)->size() < stored) return __LINE__;
  fs::remove(filler);
  const auto stored_again = [&] { return commit(**store, stored + 1, large).ok(); };
  if (!e2e::eventually(stored_again)) return __LINE__;
  store->reset();
  store = JobStore::open(directory);
  if (!store.ok() || (*store)->epoch() != 2) return __LINE__;
  return (*store)->events(0, 1000)->size() == stored + 1 ? 0 : __LINE__;
}

TEST_F(JobStoreTest, AFullDiskLosesNothingAndItGoesOnWhenThereIsSpaceWhereTestsMayMakeDisks) {
  if (!e2e::can_make_disks()) GTEST_SKIP() << "no mount namespaces here";
  fs::create_directories(directory_);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool mounted = e2e::mount_disks({{directory_, 16 << 20}});
    ::_exit(mounted ? fill_the_disk_and_free_it(directory_, event(1)) & 0xff : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the low byte of the line that failed";
}

TEST_F(JobStoreTest, TheFolderIsPrivate) {
  auto store = open();
  EXPECT_EQ(fs::status(directory_).permissions(), fs::perms::owner_all);
}

}  // namespace
}  // namespace mimicfleet::coordinator
