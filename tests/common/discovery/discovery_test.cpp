#include "common/discovery/discovery.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/host_name.h"

namespace mimicfleet::discovery {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Discovery : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "discovery.XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    ::setenv("XDG_STATE_HOME", folder_.c_str(), 1);
    ::unsetenv("MIMICFLEET_SERVER");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(Discovery, AServerFileIsFoundByOthersAndReadableByItsOwnerOnly) {
  ASSERT_TRUE(write_server_file({"tcp://127.0.0.1:5555", 42}).ok());
  const auto server = read_server_file();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(server->endpoint, "tcp://127.0.0.1:5555");
  EXPECT_EQ(server->pid, 42);
  struct stat info {};
  ASSERT_EQ(::stat(server_file_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600);
}

TEST_F(Discovery, AFlagBeatsTheEnvironmentAndTheEnvironmentBeatsTheFile) {
  ASSERT_TRUE(write_server_file({"tcp://127.0.0.1:1", 1}).ok());
  EXPECT_EQ(find_server("").value_or(""), "tcp://127.0.0.1:1");
  ::setenv("MIMICFLEET_SERVER", "tcp://127.0.0.1:2", 1);
  EXPECT_EQ(find_server("").value_or(""), "tcp://127.0.0.1:2");
  EXPECT_EQ(find_server("tcp://127.0.0.1:3").value_or(""), "tcp://127.0.0.1:3");
}

TEST_F(Discovery, WithoutAnyServerTheErrorSaysHowToNameOne) {
  const auto endpoint = find_server("");
  ASSERT_FALSE(endpoint.ok());
  EXPECT_EQ(endpoint.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(endpoint.status().message(), HasSubstr("coordinator serve"));
}

TEST_F(Discovery, OnlyTheServerItselfRemovesItsFile) {
  ASSERT_TRUE(write_server_file({"tcp://127.0.0.1:5555", 42}).ok());
  remove_server_file(41);
  EXPECT_TRUE(read_server_file().ok());
  remove_server_file(42);
  EXPECT_FALSE(read_server_file().ok());
}

TEST_F(Discovery, AServerOfAnotherHostKeepsItsFileAgainstTheSameProcessNumberHere) {
  ASSERT_TRUE(write_server_file({"tcp://10.0.0.7:5555", 42, "node7"}).ok());
  remove_server_file(42);
  EXPECT_EQ(read_server_file()->host, "node7");
}

TEST_F(Discovery, ALoopbackOfAnotherHostIsNoServer) {
  for (const char* endpoint :
       {"tcp://127.0.0.1:5555", "tcp://localhost:5555", "tcp://[::1]:5555"}) {
    ASSERT_TRUE(write_server_file({endpoint, 42, "node7"}).ok());
    const auto found = find_server("");
    EXPECT_EQ(found.status().code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(found.status().message(),
                AllOf(HasSubstr(server_file_path()), HasSubstr("node7"), HasSubstr(endpoint),
                      HasSubstr(host_name()), HasSubstr("--listen")));
  }
}

TEST_F(Discovery, AServerOfAnotherHostIsReachedWhereItListens) {
  EXPECT_EQ(*reachable_endpoint({"tcp://10.0.0.7:5555", 42, "node7"}), "tcp://10.0.0.7:5555");
  EXPECT_EQ(*reachable_endpoint({"tcp://0.0.0.0:5555", 42, "node7"}), "tcp://node7:5555");
  EXPECT_EQ(*reachable_endpoint({"tcp://[::]:5555", 42, "node7"}), "tcp://node7:5555");
}

TEST_F(Discovery, AServerOfThisHostIsReachedAsItSays) {
  EXPECT_EQ(*reachable_endpoint({"tcp://127.0.0.1:5555", 42, host_name()}), "tcp://127.0.0.1:5555");
  EXPECT_EQ(*reachable_endpoint({"tcp://127.0.0.1:5555", 42, ""}), "tcp://127.0.0.1:5555");
}

TEST_F(Discovery, AFileOfAnOlderServerIsRead) {
  ASSERT_TRUE(write_server_file({"tcp://127.0.0.1:5555", 42}).ok());
  std::ofstream(server_file_path(), std::ios::trunc)
      << R"({"endpoint": "tcp://127.0.0.1:1", "pid": 7})";
  EXPECT_EQ(find_server("").value_or(""), "tcp://127.0.0.1:1");
}

TEST_F(Discovery, ADamagedFileIsNamed) {
  ASSERT_TRUE(write_server_file({"tcp://127.0.0.1:5555", 42}).ok());
  std::ofstream(server_file_path(), std::ios::trunc) << "{\"endpoint\":";
  const auto server = read_server_file();
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(server.status().message(), HasSubstr(server_file_path()));
}

}  // namespace
}  // namespace mimicfleet::discovery
