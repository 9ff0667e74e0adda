#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "common/status.h"
#include "jobs/task.h"

namespace mimicfleet::coordinator {

// Whether a file is a record that this program writes beside its videos.
[[nodiscard]] bool is_own_record(const std::filesystem::path& path);

// Whether this program made the video: its record lies beside it.
[[nodiscard]] bool is_own_output(const std::filesystem::path& video);

// Which files of an output folder are this program's: those with a record of ours. A record comes
// after its MP4, and a run may be killed between both: what a run is going to make is written down
// before, in `_run/outputs.jsonl`, and is ours from then on.
class OwnOutputs {
 public:
  explicit OwnOutputs(std::string directory);

  // Files that stand where the output belongs and are somebody else's: "a.mp4", "a.json".
  [[nodiscard]] std::vector<std::string> foreign(const std::string& relative) const;

  // Writes down outputs that are going to be made. To be called before anything is.
  [[nodiscard]] Status note(const std::vector<std::string>& relatives) const;

 private:
  std::string directory_;
  std::set<std::string> noted_;
  bool is_of_older_ = false;  // made by a version that noted nothing
};

}  // namespace mimicfleet::coordinator
