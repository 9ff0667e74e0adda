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
    : videos_(videos),
      latents_(latents),
      limit_(std::min(name_limit(videos), name_limit(latents))) {}

Status OutputNames::check_length(const std::string& subject, const std::string& relative,
                                 bool latents, std::string_view remedy) const {
  const std::string_view suffix = latents ? kOfLatents : kOfVideo;
  const auto too_long = [&](const std::string& name, std::size_t size, std::size_t limit) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("{}: its outputs cannot be named: {} would have {} bytes and may have {}; {}",
                    log::printable(subject), log::printable(name), size, limit, remedy));
  };
  const fs::path path(relative);
  for (const fs::path& part : path.parent_path()) {
    if (part.native().size() > limit_) return too_long(part.string(), part.native().size(), limit_);
  }
  const std::string name = path.filename().string() + std::string(suffix);
  if (name.size() > limit_) return too_long(name, name.size(), limit_);
  const std::size_t whole = std::max(videos_.size(), latents_.size()) + kLongestPlace.size() +
                            relative.size() + std::max(suffix.size(), kOfFrame.size());
  return whole <= kPathBytes ? Status()
                             : too_long("a path below the output folder", whole, kPathBytes);
}

void RunInputs::add(const std::string& path, std::string_view what) {
  std::error_code error;
  if (path.empty()) return;
  const fs::path real = fs::canonical(path, error);
  if (!error) inputs_.emplace(real.string(), Input{path, what});
}

Status RunInputs::check_replaces_none(const jobs::OutputTarget& output) const {
  for (const std::string_view suffix : {".mp4", ".json"}) {
    std::error_code error;
    const std::string name = fmt::format("{}{}", output.relative, suffix);
    const fs::path real = fs::canonical(fs::path(output.directory) / name, error);
    const auto replaced = error ? inputs_.end() : inputs_.find(real.string());
    if (replaced == inputs_.end()) continue;
    return {StatusCode::kInvalidArgument,
            fmt::format("{}: {} would be made over this {}; choose another --output-dir",
                        log::printable(replaced->second.path), log::printable(name),
                        replaced->second.what)};
  }
  return {};
}

namespace {

// Of a file that is to be made.
Status check_file_free(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return check_way(path.parent_path().string());
  return {
      StatusCode::kFailedPrecondition,
      fmt::format(
          "{}: is a folder, and a file of that name is to be made; move it away or choose another "
          "--output-dir",
          log::printable(path.string()))};
}

}  // namespace

Status check_outputs_free(const jobs::OutputTarget& output,
                          const std::optional<jobs::LatentsTarget>& kept) {
  const fs::path folder(output.directory);
  if (output.save_video) {
    RETURN_IF_ERROR(check_file_free(folder / (output.relative + ".mp4")));
    RETURN_IF_ERROR(check_file_free(folder / (output.relative + ".json")));
  }
  if (output.save_latents) {
    RETURN_IF_ERROR(check_file_free(folder / "_latents" / (output.relative + ".safetensors")));
  }
  if (output.save_frames)
    RETURN_IF_ERROR(check_way((folder / "_frames" / output.relative).string()));
  return kept ? check_file_free(fs::path(kept->directory) / kept->relative) : Status();
}

}  // namespace mimicfleet::coordinator
