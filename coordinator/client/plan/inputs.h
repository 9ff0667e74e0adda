#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/config/settings.h"

namespace mimicfleet::coordinator {

// A driving video that the user asked for.
struct Input {
  std::string path;                  // absolute
  std::string relative;              // of its output: '/'-separated, without suffix
  std::string reference;             // absolute, from a manifest; empty: the run's
  std::vector<SettingValue> values;  // from a manifest
  std::size_t config_case = 0;       // which test_case's settings it takes
  std::size_t variant = 0;           // which of SubmitRequest::variants
  std::string where{};               // "list.csv: line 3" of a manifest
  Status error{};                    // why it cannot be tried; the others can
};

struct FoundInputs {
  std::vector<Input> inputs;
  std::vector<std::string> left_out;  // what was found and is not among them, and why
};

struct InputSelection {
  std::string filter;     // a glob on the path below its folder, or on the file name; empty: all
  std::size_t limit = 0;  // 0: all
  std::size_t shard = 1;  // 1-based
  std::size_t shards = 1;
  std::size_t sample = 0;  // take this many of the shard at random; 0: all
  std::uint64_t sample_seed = 0;
  std::string ignore_folder;  // the output folder, when it lies among the inputs
  int standard_input = 0;     // what `-` reads
};

// The videos that `given` and paths stand for: folders (walked, links followed), single videos,
// manifests,
// `-` (one path a line). Sorted within each folder; each output name is used once. Of a folder,
// videos that this program made are left out; names may be written in either spelling of their
// accents. kInvalidArgument or kNotFound naming the path: nothing there, neither a video nor a
// folder nor a manifest, no videos found, two inputs with one output name (both named), an output
// name outside the output folder. A sample of one seed stays the same when the folder is copied or
// named otherwise.
[[nodiscard]] Result<FoundInputs> find_inputs(const std::vector<std::string>& paths,
                                              const InputSelection& selection,
                                              std::vector<Input> given = {});

}  // namespace mimicfleet::coordinator
