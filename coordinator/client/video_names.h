#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

#include "common/status.h"

namespace mimicfleet::coordinator {

// What makes a file of a folder one that a user means by a video: its suffix, whatever is in it,
// or, if that says nothing, its first bytes, also those of a container that is not read: that is
// told, with the remedy. Files whose name says that they lie beside a video, or are not whole yet,
// are not looked into.
enum class KnownBy { kName, kContent, kNothing };
[[nodiscard]] KnownBy video_known_by(const std::filesystem::path& path);

// The same of a file that somebody named, whatever it is called. kUnsupported: a container that is
// not read, with the remedy; kBadInput: what it is instead.
[[nodiscard]] Status check_begins_like_video(const std::filesystem::path& path);

// A picture in motion beside a video of the same name, such as a.gif beside a.mp4: its preview.
[[nodiscard]] bool is_preview(const std::filesystem::path& path);

// ".mp4 .mov …"
[[nodiscard]] std::string video_suffixes();

// Counts what is not taken because of its name, by suffix.
class OtherFiles {
 public:
  void add(const std::filesystem::path& path);
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::string text()
      const;  // "3 files that are no videos: 2 .png, 1 without a suffix"

 private:
  std::size_t count_ = 0;
  std::map<std::string, std::size_t> by_suffix_;
};

}  // namespace mimicfleet::coordinator
