#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

namespace mimicfleet::coordinator {

// A file that a user means by a video: by its suffix, whatever is in it, or, if that says nothing, by its
// first bytes. Files whose suffix says that they are something else, or not whole yet, are not looked into.
[[nodiscard]] bool is_video_file(const std::filesystem::path& path);

// A picture in motion beside a video of the same name, such as a.gif beside a.mp4: its preview.
[[nodiscard]] bool is_preview(const std::filesystem::path& path);

// ".mp4 .mov …"
[[nodiscard]] std::string video_suffixes();

// Counts what is not taken because of its name, by suffix.
class OtherFiles {
 public:
  void add(const std::filesystem::path& path);
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::string text() const;  // "3 files that are no videos: 2 .png, 1 without a suffix"

 private:
  std::size_t count_ = 0;
  std::map<std::string, std::size_t> by_suffix_;
};

}  // namespace mimicfleet::coordinator
