#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/process.h"
#include "tests/paths.h"

namespace mimicfleet::e2e {

// A scratch folder with the golden pack beside it, and the built programs.
class FleetTest : public testing::Test {
 protected:
  using Json = nlohmann::json;
  using Words = std::vector<std::string>;

  FleetTest();
  ~FleetTest() override;

  [[nodiscard]] static std::filesystem::path pack() { return source_path("tests/goldens/pack_a"); }
  [[nodiscard]] static std::string program(const std::string& name) {
    return binary_path("bin/" + name);
  }

  // `coordinator WORDS…`, started, and to its end.
  std::unique_ptr<Process> start(Words words);
  Outcome coordinator(Words words, Seconds limit = kProcessPatience);
  // submit with the quick settings that most tests share: one step, one thread, the golden pack's
  // models.
  Words submit(const std::filesystem::path& input, const std::filesystem::path& output,
               Words more = {}) const;

  // A coordinator of its own; sets endpoint_.
  std::unique_ptr<Process> serve(Words more = {});
  std::unique_ptr<Process> worker(const std::string& name, Words more = {});

  // stdout of `coordinator WORDS… --output-mode json` as JSON lines.
  std::vector<Json> json_lines(Words words);
  [[nodiscard]] std::vector<Json> events();

  // Copies of the golden pack's clips under names of their own.
  void make_clips(const Words& names, const std::string& source = "a.mp4");
  [[nodiscard]] static std::string bytes(const std::filesystem::path& path);
  // Below `folder`, in order.
  [[nodiscard]] static Words mp4_files(const std::filesystem::path& folder);

  std::filesystem::path scratch_;
  std::filesystem::path clips_;
  std::string endpoint_;
  Surroundings surroundings_;  // of what is started from now on; a home below scratch_
};

}  // namespace mimicfleet::e2e
