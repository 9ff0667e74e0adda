#include "coordinator/client/plan/folder_walk.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "common/files/spelling.h"
#include "coordinator/client/plan/own_outputs.h"
#include "coordinator/client/plan/path_text.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> kReserved = {"_run", "_latents", "_frames", "_compare",
                                                       "_benchmark"};
constexpr std::size_t kMaxDepth = 64;

}  // namespace

bool is_reserved_folder(std::string_view name) {
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

Status FolderWalk::run() {
  std::error_code error;
  if (!output_folder_.empty() && fs::canonical(root_, error) == output_folder_) {
    return wrong_path(
        root_,
        "is the --output-dir, too: videos would be made over the driving videos; choose "
        "another --output-dir");
  }
  RETURN_IF_ERROR(enter(root_, 0));
  add_known_by_content();
  std::sort(videos_.begin(), videos_.end());
  return {};
}

Status FolderWalk::enter(const fs::path& folder, std::size_t depth) {
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  if (error || real == output_folder_ || depth > kMaxDepth || !entered_.insert(real).second)
    return {};
  const bool in_output = fs::exists(real / "_run" / "nonce", error);
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    RETURN_IF_ERROR(visit(*entry, in_output, depth));
  }
  if (!error) return {};
  return wrong_path(
      folder, fmt::format("cannot be listed: {}; give this user the right or move it elsewhere",
                          error.message()));
}

Status FolderWalk::visit(const fs::directory_entry& entry, bool in_output, std::size_t depth) {
  const std::string name = entry.path().filename().string();
  if (name.front() == '.') return {};
  std::error_code error;
  if (entry.is_directory(error)) {
    return in_output && is_reserved_folder(name) ? Status() : enter(entry.path(), depth + 1);
  }
  const KnownBy known_by = video_known_by(entry.path());
  if (known_by == KnownBy::kNothing || is_preview(entry.path())) {
    const bool is_record = entry.path().extension() == ".json" && is_own_record(entry.path());
    if (!is_record) others_.add(entry.path());
  } else if (is_own_output(entry.path())) {
    ++outputs_;
  } else {
    auto& videos = known_by == KnownBy::kName ? videos_ : by_content_;
    videos.push_back(entry.path().lexically_relative(root_));
  }
  return {};
}

// A file that only its content makes a video gives way to one of its name: a.dat beside a.mp4 is no
// clip of its own, nor is a.mp4.1.
void FolderWalk::add_known_by_content() {
  const auto folded = [](const fs::path& path) { return lower(composed(path.generic_string())); };
  std::set<std::string> names;
  const auto take = [&](const fs::path& video) {
    names.insert(folded(video));
    names.insert(folded(video.parent_path() / video.stem()));
  };
  for (const auto& video : videos_) take(video);
  std::sort(by_content_.begin(), by_content_.end());
  for (auto& video : by_content_) {
    if (names.contains(folded(video.parent_path() / video.stem()))) {
      others_.add(video);
      continue;
    }
    take(video);
    videos_.push_back(std::move(video));
  }
}

}  // namespace mimicfleet::coordinator
