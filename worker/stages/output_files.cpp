#include "worker/stages/output_files.h"

#include <filesystem>

#include <fmt/format.h>

#include "common/files/io.h"
#include "common/files/list_folder.h"
#include "common/files/read_text.h"
#include "jobs/plan.h"
#include "jobs/record_json.h"

namespace mimicfleet::stages {
namespace {

constexpr std::size_t kMaxNonceBytes = 4096;

// The nonce proves that this path leads to the same folder here and where the client runs.
Status check_same_folder(const std::string& directory, const std::string& expected) {
  const std::string path = directory + "/_run/nonce";
  auto nonce = read_text(path, kMaxNonceBytes);
  if (nonce.ok() && !expected.empty()) {
    while (!nonce->empty() && (nonce->back() == '\n' || nonce->back() == '\r')) nonce->pop_back();
    if (*nonce == expected) return {};
  }
  return {StatusCode::kFailedPrecondition,
          fmt::format("{}: the output folder is not shared with this worker ({}); mount it there "
                      "under the same "
                      "path, or use a worker that sees it",
                      directory, nonce.ok() ? path + " differs" : nonce.status().message())};
}

Status check_target(const std::string& directory, const std::string& relative,
                    const std::string& nonce, const InputFiles& allowed) {
  if (!jobs::is_safe_relative(relative)) {
    return {StatusCode::kInvalidArgument,
            fmt::format("output path '{}' is not below the output folder", relative)};
  }
  RETURN_IF_ERROR(check_same_folder(directory, nonce));
  return allowed.check_output_folder(directory);
}

Status make_folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return {};
  return file_error(folder.string(), "cannot be made", error.value(),
                    StatusCode::kFailedPrecondition);
}

}  // namespace

Result<std::string> open_latents_target(const jobs::LatentsTarget& target,
                                        const InputFiles& allowed) {
  RETURN_IF_ERROR(check_target(target.directory, target.relative, target.nonce, allowed));
  std::string path = fmt::format("{}/{}", target.directory, target.relative);
  RETURN_IF_ERROR(make_folder_of(path));
  return path;
}

Result<OutputFiles> OutputFiles::open(const jobs::OutputTarget& target, const InputFiles& allowed) {
  RETURN_IF_ERROR(check_target(target.directory, target.relative, target.nonce, allowed));
  OutputFiles files(target);
  RETURN_IF_ERROR(make_folder_of(files.video_path()));
  if (target.save_latents) RETURN_IF_ERROR(make_folder_of(files.latents_path()));
  if (target.save_frames) RETURN_IF_ERROR(make_folder_of(files.frame_path(0)));
  return files;
}

std::string OutputFiles::below(std::string_view relative) const {
  return fmt::format("{}/{}", target_.directory, relative);
}

std::string OutputFiles::frame_path(std::size_t index) const {
  return below(fmt::format("_frames/{}/{:06}.png", target_.relative, index));
}

std::string OutputFiles::frames_folder() const {
  return std::filesystem::path(frame_path(0)).parent_path().string();
}

Status OutputFiles::clear_frames(std::size_t from) const {
  ASSIGN_OR_RETURN(const auto entries, list_folder(frames_folder()));
  Status first;
  for (const auto& entry : entries) {
    const std::string name = entry.path().filename();
    const bool is_frame =
        name.size() == 10 && name.ends_with(".png") && name.find_first_not_of("0123456789") == 6;
    if (!is_frame || std::stoul(name) < from) continue;
    std::error_code error;
    std::filesystem::remove(entry.path(), error);
    if (error && first.ok()) {
      first = file_error(entry.path().string(), "cannot be removed", error.value(),
                         StatusCode::kFailedPrecondition);
    }
  }
  return first;
}

Status OutputFiles::write_record(const jobs::OutputRecord& record, const Permit& permit) const {
  return write_file_atomically(below(target_.relative + ".json"), jobs::record_text(record),
                               permit);
}

}  // namespace mimicfleet::stages
