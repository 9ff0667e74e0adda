#include "coordinator/client/video_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/av/source.h"
#include "common/files/io.h"
#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

// Of the containers that are read, and of the common ones that are not: those are refused by name, with the
// remedy.
constexpr std::array kSuffixes = std::to_array<std::string_view>(
    {".mp4", ".m4v", ".mov",  ".qt",   ".mkv", ".mk3d", ".webm", ".avi",  ".divx",
     ".ts",  ".mts", ".m2ts", ".m2t",  ".tp",  ".trp",  ".3gp",  ".3gpp", ".3g2",
     ".f4v", ".gif", ".mpg",  ".mpeg", ".vob", ".wmv",  ".flv",  ".ogv"});
constexpr std::string_view kPreview = ".gif";

// Pictures, sounds, texts and data that lie beside videos, and files that are not whole yet.
constexpr std::array kOthers = std::to_array<std::string_view>(
    {".png",  ".jpg",  ".jpeg", ".webp", ".bmp",      ".tif",         ".tiff", ".heic",
     ".avif", ".thm",  ".wav",  ".mp3",  ".m4a",      ".m4b",         ".aac",  ".flac",
     ".ogg",  ".opus", ".mka",  ".json", ".jsonl",    ".csv",         ".tsv",  ".txt",
     ".md",   ".xml",  ".html", ".yaml", ".yml",      ".srt",         ".vtt",  ".ass",
     ".py",   ".npy",  ".npz",  ".pt",   ".pkl",      ".safetensors", ".zip",  ".tar",
     ".gz",   ".log",  ".part", ".tmp",  ".download", ".crdownload",  ".bak"});

constexpr std::size_t kListedSuffixes = 5;

std::string suffix_of(const fs::path& path) {
  std::string suffix = path.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return suffix;
}

bool contains(const auto& suffixes, std::string_view suffix) {
  return std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end();
}

bool begins_like_video(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  const auto fd = open_for_reading(path.string());
  return fd.ok() && av::find_format(fd->get(), path.string(), av::Wanted::kVideo).ok();
}

}  // namespace

bool is_video_file(const fs::path& path) {
  const std::string suffix = suffix_of(path);
  if (contains(kSuffixes, suffix)) return true;
  return !contains(kOthers, suffix) && begins_like_video(path);
}

bool is_preview(const fs::path& path) {
  if (suffix_of(path) != kPreview) return false;
  std::error_code error;
  return std::any_of(kSuffixes.begin(), kSuffixes.end(), [&](std::string_view suffix) {
    return suffix != kPreview && fs::exists(fs::path(path).replace_extension(suffix), error);
  });
}

std::string video_suffixes() { return fmt::format("{}", fmt::join(kSuffixes, " ")); }

void OtherFiles::add(const fs::path& path) {
  ++count_;
  ++by_suffix_[suffix_of(path)];
}

std::string OtherFiles::text() const {
  std::vector<std::pair<std::size_t, std::string>> counts;
  for (const auto& [suffix, count] : by_suffix_) counts.emplace_back(count, suffix);
  std::stable_sort(counts.begin(), counts.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> parts;
  std::size_t rest = count_;
  for (const auto& [count, suffix] : counts) {
    if (parts.size() == kListedSuffixes) break;
    parts.push_back(
        fmt::format("{} {}", count, suffix.empty() ? "without a suffix" : log::printable(suffix)));
    rest -= count;
  }
  if (rest > 0) parts.push_back(fmt::format("{} others", rest));
  return fmt::format("{} file{} that {}: {}", count_, count_ == 1 ? "" : "s",
                     count_ == 1 ? "is no video by name" : "are no videos by name", fmt::join(parts, ", "));
}

}  // namespace mimicfleet::coordinator
