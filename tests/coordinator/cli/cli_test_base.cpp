#include "tests/coordinator/cli/cli_test_base.h"

#include "common/files/read_text.h"
#include "common/json/json.h"
#include "tests/paths.h"

namespace mimicfleet::coordinator {

CommandLine::CommandLine() {
  put_models(folder_, "models/");
  put(folder_, "videos/a.mp4", read_file(source_path("examples/words/friend.mp4")));
  put(folder_, "videos/b.mp4", read_file(source_path("examples/words/learn.mp4")));
  put(folder_, "ref.png", read_file(source_path("tests/common/av/data/images/rgb.png")));
  surroundings_.environment = {"HOME=" + (folder_ / "home"),
                               "XDG_STATE_HOME=", "XDG_CACHE_HOME=", "MIMICFLEET_SERVER=",
                               "MIMICFLEET_WORKER=" + binary_path("tests/fake_worker")};
}

std::unique_ptr<e2e::Process> CommandLine::start(Words words) {
  words.insert(words.begin(), binary_path("bin/coordinator"));
  return std::make_unique<e2e::Process>(words, folder_.path(), surroundings_);
}

CommandLine::Words CommandLine::submit(Words more) const {
  Words words = {"submit",      folder_ / "videos",  "--models",     folder_ / "models",
                 "--ref-image", folder_ / "ref.png", "--output-dir", folder_ / "out"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

RunSummary CommandLine::run_json(Words words) {
  words.insert(words.end(), {"--output-mode", "json"});
  const auto outcome = run(words);
  const auto summary = json::read<RunSummary>(outcome.out);
  EXPECT_TRUE(summary.ok()) << summary.status() << outcome.out << outcome.err;
  return summary.ok() ? *summary : RunSummary();
}

std::string CommandLine::read(const std::string& name) const {
  return read_text(folder_ / name, 1 << 20).value_or("");
}

bool CommandLine::committed(std::size_t tasks) const {
  const std::string events = read("out/_run/events.jsonl");
  std::size_t found = 0;
  for (std::size_t at = 0; (at = events.find("\"task_committed\"", at)) != std::string::npos; ++at)
    ++found;
  return found >= tasks;
}

CommandLine::Words CommandLine::states(const RunSummary& summary) {
  Words states;
  for (const auto& clip : summary.clips) states.push_back(clip.name + ": " + clip.state);
  return states;
}

}  // namespace mimicfleet::coordinator
