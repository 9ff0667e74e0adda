#include "coordinator/client/output_names.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <filesystem>

#include <fmt/format.h>

#include "common/log.h"
#include "coordinator/client/output_folder.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOfVideo = ".json";  // its record, longer than ".mp4"
constexpr std::string_view kOfLatents = ".safetensors";
constexpr std::size_t kPathBytes = PATH_MAX - 1;
constexpr std::string_view kLongestPlace = "/_latents/";  // between a folder and the name below it
constexpr std::string_view kOfFrame = "/000000.png";

// Encrypted home folders take less than others.
std::size_t name_limit(const std::string& folder) {
  const long limit = ::pathconf(nearest_that_exists(folder).c_str(), _PC_NAME_MAX);
  return limit > 0 ? static_cast<std::size_t>(limit) : NAME_MAX;
}

}  // namespace

OutputNames::OutputNames(const std::string& videos, const std::string& latents)
    : videos_(videos), latents_(latents), limit_(std::min(name_limit(videos), name_limit(latents))) {}

Status OutputNames::check_length(const std::string& subject, const std::string& relative,
                                 bool latents) const {
  const std::string_view suffix = latents ? kOfLatents : kOfVideo;
  const auto too_long = [&](const std::string& name, std::size_t size, std::size_t limit) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("{}: its outputs cannot be named: {} would have {} bytes and may have {}; shorten "
                    "the video's name, or give it an output in a manifest",
                    log::printable(subject), log::printable(name), size, limit));
  };
  const fs::path path(relative);
  for (const fs::path& part : path.parent_path()) {
    if (part.native().size() > limit_) return too_long(part.string(), part.native().size(), limit_);
  }
  const std::string name = path.filename().string() + std::string(suffix);
  if (name.size() > limit_) return too_long(name, name.size(), limit_);
  const std::size_t whole = std::max(videos_.size(), latents_.size()) + kLongestPlace.size() +
                            relative.size() + std::max(suffix.size(), kOfFrame.size());
  return whole <= kPathBytes ? Status() : too_long("a path below the output folder", whole, kPathBytes);
}

void DrivingVideos::add(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (!error) paths_.emplace(real.string(), path);
}

Status DrivingVideos::check_replaces_none(const jobs::OutputTarget& output) const {
  std::error_code error;
  const fs::path real = fs::canonical(fs::path(output.directory) / (output.relative + ".mp4"), error);
  const auto replaced = error ? paths_.end() : paths_.find(real.string());
  if (replaced == paths_.end()) return {};
  return {StatusCode::kInvalidArgument,
          fmt::format("{}: {} would be made over this driving video; choose another --output-dir",
                      log::printable(replaced->second), log::printable(output.relative + ".mp4"))};
}

}  // namespace mimicfleet::coordinator
