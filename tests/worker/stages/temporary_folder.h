#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace mimicfleet::stages {

// A folder that is removed with all that is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string folder = ::testing::TempDir() + "stages.XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    path_ = std::filesystem::canonical(folder);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] std::string path(const std::string& relative = {}) const {
    return relative.empty() ? path_ : path_ + "/" + relative;
  }

 private:
  std::string path_;
};

// Makes a file that was just written to look so: clocks of file systems tick every few milliseconds
// only.
inline void tick(const std::string& path) {
  std::filesystem::last_write_time(
      path, std::filesystem::last_write_time(path) + std::chrono::seconds(1));
}

}  // namespace mimicfleet::stages
