#include "tests/e2e/fleet_test_base.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "common/id.h"

namespace mimicfleet::e2e {
namespace fs = std::filesystem;

FleetTest::FleetTest()
    : scratch_(fs::path(testing::TempDir()) / ("e2e." + to_string(new_id<JobId>()).substr(0, 12))) {
  clips_ = scratch_ / "clips";
  fs::create_directories(clips_);
  surroundings_.environment = {"HOME=" + (scratch_ / "home").string(),
                               "XDG_STATE_HOME=", "XDG_CACHE_HOME=", "MIMICFLEET_SERVER="};
}

FleetTest::~FleetTest() {
  if (!HasFailure()) fs::remove_all(scratch_);
}

std::string FleetTest::bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

FleetTest::Words FleetTest::mp4_files(const fs::path& folder) {
  Words names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".mp4") names.push_back(fs::relative(entry.path(), folder));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::unique_ptr<Process> FleetTest::start(Words words) {
  words.insert(words.begin(), program("coordinator"));
  return std::make_unique<Process>(words, scratch_, surroundings_);
}

Outcome FleetTest::coordinator(Words words, Seconds limit) {
  return start(std::move(words))->wait(limit);
}

FleetTest::Words FleetTest::submit(const fs::path& input, const fs::path& output,
                                   Words more) const {
  const auto has = [&](const char* flag) {
    return std::find(more.begin(), more.end(), flag) != more.end();
  };
  Words words = {"submit",          input, "--config", pack() / "config.yaml", "--ref-image",
                 pack() / "ref.png"};
  words.insert(words.end(), {"--precision", "fp32", "--output-dir", output});
  if (!has("--steps")) words.insert(words.end(), {"--steps", "1"});
  if (!has("--server")) {  // with a server that is the workers' business
    words.insert(words.end(), {"--server", "embedded", "--device", "cpu", "--threads", "1"});
    if (!has("--feature-cache-dir")) {
      words.insert(words.end(), {"--feature-cache-dir", scratch_ / "embedded_cache"});
    }
  }
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::unique_ptr<Process> FleetTest::serve(Words more) {
  Words words = {program("coordinator"),
                 "serve",
                 "--listen",
                 endpoint_.empty() ? "tcp://127.0.0.1:*" : endpoint_,
                 "--state-dir",
                 scratch_ / "state",
                 "--metrics",
                 "127.0.0.1:0",
                 "--no-discovery",
                 "--ready-fd",
                 "1"};
  words.insert(words.end(), more.begin(), more.end());
  auto process = std::make_unique<Process>(words, scratch_, surroundings_);
  EXPECT_TRUE(eventually([&] {
    const std::string line = process->out();
    if (line.find('\n') == std::string::npos) return false;
    endpoint_ = Json::parse(line)["endpoint"];
    return true;
  })) << process->err();
  return process;
}

std::unique_ptr<Process> FleetTest::worker(const std::string& name, Words more) {
  Words words = {program("worker"),
                 "--coordinator",
                 endpoint_,
                 "--models",
                 pack() / "models",
                 "--device",
                 "cpu",
                 "--threads",
                 "1",
                 "--name",
                 name,
                 "--data-dir",
                 scratch_ / name / "data",
                 "--feature-cache-dir",
                 scratch_ / name / "cache"};
  words.insert(words.end(), more.begin(), more.end());
  return std::make_unique<Process>(words, scratch_, surroundings_);
}

std::vector<FleetTest::Json> FleetTest::json_lines(Words words) {
  words.insert(words.end(), {"--server", endpoint_, "--output-mode", "json"});
  const Outcome outcome = coordinator(words);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  std::vector<Json> lines;
  std::istringstream in(outcome.out);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(Json::parse(line));
  }
  return lines;
}

std::vector<FleetTest::Json> FleetTest::events() { return json_lines({"job", "events", "all"}); }

void FleetTest::make_clips(const Words& names, const std::string& source) {
  for (const auto& name : names) {
    fs::create_directories((clips_ / name).parent_path());
    fs::copy_file(pack() / "videos" / source, clips_ / name);
  }
}

}  // namespace mimicfleet::e2e
