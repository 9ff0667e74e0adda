#include "common/discovery/discovery.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::discovery {
namespace {

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

TEST_F(Discovery, ADamagedFileIsNamed) {
  ASSERT_TRUE(write_server_file({"tcp://127.0.0.1:5555", 42}).ok());
  std::ofstream(server_file_path(), std::ios::trunc) << "{\"endpoint\":";
  const auto server = read_server_file();
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(server.status().message(), HasSubstr(server_file_path()));
}

}  // namespace
}  // namespace mimicfleet::discovery
