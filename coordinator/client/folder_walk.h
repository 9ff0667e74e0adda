#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/client/video_names.h"

namespace mimicfleet::coordinator {

// Collects the videos below one folder. Each real folder is entered once, so links cannot lead in
// circles. Left out are hidden names, the output folder, and what this program made: videos with a
// record beside them and what lies in the folders that it keeps for itself.
class FolderWalk {
 public:
  // `output_folder`: without links; empty if there is none.
  FolderWalk(std::filesystem::path root, std::string output_folder)
      : root_(std::move(root)), output_folder_(std::move(output_folder)) {}

  // kInvalidArgument: a folder that cannot be listed, or that is the output folder itself.
  [[nodiscard]] Status run();

  // Below the folder, sorted.
  [[nodiscard]] const std::vector<std::filesystem::path>& videos() const { return videos_; }
  [[nodiscard]] std::size_t outputs() const {
    return outputs_;
  }  // videos of ours, not among videos()
  // Files that are no videos (video_names.h), but for hidden ones.
  [[nodiscard]] const OtherFiles& others() const { return others_; }

 private:
  [[nodiscard]] Status enter(const std::filesystem::path& folder, std::size_t depth);
  [[nodiscard]] Status visit(const std::filesystem::directory_entry& entry, bool in_output,
                             std::size_t depth);
  void add_known_by_content();

  std::filesystem::path root_;
  std::string output_folder_;
  std::vector<std::filesystem::path> videos_;
  std::vector<std::filesystem::path> by_content_;
  std::set<std::filesystem::path> entered_;
  std::size_t outputs_ = 0;
  OtherFiles others_;
};

// Whether a first component of an output's path is a folder that this program keeps for itself.
[[nodiscard]] bool is_reserved_folder(std::string_view name);

}  // namespace mimicfleet::coordinator
