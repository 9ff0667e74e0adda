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

// Of the containers that are read, and of the common ones that are not: those are refused by name,
// with the remedy.
constexpr std::array kSuffixes = std::to_array<std::string_view>(
    {".mp4",  ".m4v", ".mov", ".qt",  ".mkv", ".mk3d", ".webm", ".avi", ".divx", ".ts",   ".mts",
     ".m2ts", ".m2t", ".tp",  ".trp", ".3gp", ".3gpp", ".3g2",  ".f4v", ".gif",  ".mpg",  ".mpeg",
     ".vob",  ".wmv", ".flv", ".ogv", ".asf", ".mxf",  ".dv",   ".y4m", ".rm",   ".rmvb", ".tod"});
constexpr std::string_view kPreview = ".gif";

// What lies beside videos: pictures, sounds, texts and data; small copies that cameras make of
// their own recordings; copies of before a change; and files that are not whole yet.
constexpr std::array kOthers = std::to_array<std::string_view>(
    {".png",         ".jpg",  ".jpeg",     ".webp",       ".bmp",       ".tif",  ".tiff", ".heic",
     ".avif",        ".thm",  ".wav",      ".mp3",        ".m4a",       ".m4b",  ".aac",  ".flac",
     ".ogg",         ".oga",  ".opus",     ".spx",        ".wma",       ".mka",  ".json", ".jsonl",
     ".csv",         ".tsv",  ".txt",      ".md",         ".xml",       ".html", ".yaml", ".yml",
     ".srt",         ".vtt",  ".ass",      ".py",         ".npy",       ".npz",  ".pt",   ".pkl",
     ".safetensors", ".zip",  ".tar",      ".gz",         ".log",       ".lrv",  ".lrf",  ".bak",
     ".old",         ".orig", ".part",     ".partial",    ".filepart",  ".tmp",  ".!qb",  ".!ut",
     ".aria2",       ".ytdl", ".download", ".crdownload", ".opdownload"});
constexpr std::array kEndings =
    std::to_array<std::string_view>({"~", "_original"});  // as of ExifTool

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

// Beside a video of its own.
bool is_side_file(const fs::path& path) {
  const std::string name = path.filename().string();
  const auto ends_so = [&](std::string_view ending) { return name.ends_with(ending); };
  const std::string suffix = suffix_of(path);
  return contains(kOthers, suffix) || suffix.starts_with(".part-") ||
         std::any_of(kEndings.begin(), kEndings.end(), ends_so);
}

}  // namespace

Status check_begins_like_video(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return {StatusCode::kBadInput, fmt::format("{}: is no file", path.string())};
  }
  ASSIGN_OR_RETURN(const auto fd, open_for_reading(path.string()));
  return av::find_format(fd.get(), path.string(), av::Wanted::kVideo).status();
}

KnownBy video_known_by(const fs::path& path) {
  if (contains(kSuffixes, suffix_of(path))) return KnownBy::kName;
  if (is_side_file(path)) return KnownBy::kNothing;
  const Status status = check_begins_like_video(path);
  const bool is_video = status.ok() || status.code() == StatusCode::kUnsupported;
  return is_video ? KnownBy::kContent : KnownBy::kNothing;
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
                     count_ == 1 ? "is no video by name" : "are no videos by name",
                     fmt::join(parts, ", "));
}

}  // namespace mimicfleet::coordinator
