#include "coordinator/client/folder_walk.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/files/read_text.h"
#include "common/json/json.h"
#include "common/log.h"
#include "common/wire/utf8.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> kReserved = {"_run", "_latents", "_frames", "_compare",
                                                       "_benchmark"};
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxRecordBytes = 1 << 20;
constexpr std::string_view kProgram = "mimicfleet ";  // what the program of our records begins with

Status wrong(const fs::path& path, const std::string& cause) {
  return {StatusCode::kInvalidArgument,
          fmt::format("{}: {}", log::printable(wire::in_utf8(path.native())), cause)};
}

}  // namespace

bool is_own_output(const fs::path& video) {
  if (video.extension() != ".mp4") return false;
  const auto text = read_text(fs::path(video).replace_extension(".json").string(), kMaxRecordBytes);
  if (!text.ok()) return false;
  const auto record = json::parse(*text);
  if (!record.ok()) return false;
  const auto* program = record->find("program");
  const auto* name = program == nullptr ? nullptr : program->get_if<std::string>();
  return name != nullptr && name->starts_with(kProgram) && record->find("key") != nullptr;
}

bool is_reserved_folder(std::string_view name) {
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

Status FolderWalk::run() {
  std::error_code error;
  if (!output_folder_.empty() && fs::canonical(root_, error) == output_folder_) {
    return wrong(root_,
                 "is the --output-dir, too: videos would be made over the driving videos; choose "
                 "another --output-dir");
  }
  RETURN_IF_ERROR(enter(root_, 0));
  std::sort(videos_.begin(), videos_.end());
  return {};
}

Status FolderWalk::enter(const fs::path& folder, std::size_t depth) {
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  if (error || real == output_folder_ || depth > kMaxDepth || !entered_.insert(real).second) return {};
  const bool in_output = fs::exists(real / "_run" / "nonce", error);
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    RETURN_IF_ERROR(visit(*entry, in_output, depth));
  }
  if (!error) return {};
  return wrong(folder, fmt::format("cannot be listed: {}; give this user the right or move it elsewhere",
                                   error.message()));
}

Status FolderWalk::visit(const fs::directory_entry& entry, bool in_output, std::size_t depth) {
  const std::string name = entry.path().filename().string();
  if (name.front() == '.') return {};
  std::error_code error;
  if (entry.is_directory(error)) {
    return in_output && is_reserved_folder(name) ? Status() : enter(entry.path(), depth + 1);
  }
  if (!is_video_file(entry.path()) || is_preview(entry.path())) {
    const bool is_record = entry.path().extension() == ".json" &&
                           is_own_output(fs::path(entry.path()).replace_extension(".mp4"));
    if (!is_record) others_.add(entry.path());
  } else if (is_own_output(entry.path())) {
    ++outputs_;
  } else {
    videos_.push_back(entry.path().lexically_relative(root_));
  }
  return {};
}

}  // namespace mimicfleet::coordinator
