#include "coordinator/client/verify.h"

#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "common/av/video.h"
#include "common/digest.h"
#include "common/files/io.h"
#include "common/files/read_text.h"
#include "jobs/record_json.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

bool is_ours(const std::string& name) {
  return name == "_run" || name == "_latents" || name == "_frames" || name == "_compare";
}

// The outputs below a folder: every MP4 and every JSON file, without suffix.
Result<std::set<std::string>> outputs_below(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error);
       !error && entry != fs::end(entry); entry.increment(error)) {
    const fs::path& path = entry->path();
    std::error_code ignored;
    if (entry.depth() == 0 && is_ours(path.filename().string())) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file(ignored) &&
               (path.extension() == ".mp4" || path.extension() == ".json")) {
      const fs::path relative = path.lexically_relative(folder);
      names.insert((relative.parent_path() / relative.stem()).string());
    }
  }
  if (error) return file_error(folder.string(), "cannot be listed to its end", error.value());
  return names;
}

std::string problem_of(const fs::path& folder, const std::string& name, bool quick,
                       std::int32_t& frames) {
  const std::string video = (folder / (name + ".mp4")).string();
  const auto text = read_text((folder / (name + ".json")).string(), jobs::kMaxRecordBytes);
  if (!text.ok()) return "has no record beside it";
  const auto record = jobs::read_record(*text);
  if (!record.ok()) return fmt::format("its record cannot be read: {}", record.status().message());
  frames = record->frames;
  std::error_code error;
  const auto size = fs::file_size(video, error);
  if (error) return "its MP4 is not there";
  if (size != record->video.size_bytes) {
    return fmt::format("has {} bytes, its record says {}", size, record->video.size_bytes);
  }
  const auto digest = sha256_file(video);
  if (!digest.ok()) return digest.status().message();
  if (*digest != record->video.digest) return "its bytes are not those that its record names";
  if (quick) return "";
  const auto counted = av::count_frames(video);
  if (!counted.ok()) return counted.status().message();
  if (*counted != record->frames) {
    return fmt::format("decodes to {} frames, its record says {}", *counted, record->frames);
  }
  return "";
}

}  // namespace

Status verify_outputs(const std::string& folder, bool quick,
                      const std::function<void(const CheckedOutput&)>& use) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    return {StatusCode::kNotFound, fmt::format("{}: no such folder", folder)};
  ASSIGN_OR_RETURN(const auto names, outputs_below(folder));
  if (names.empty()) {
    return {StatusCode::kNotFound,
            fmt::format("{}: holds no outputs; give the --output-dir of a run", folder)};
  }
  for (const auto& name : names) {
    CheckedOutput output;
    output.name = name;
    output.problem = problem_of(folder, name, quick, output.frames);
    use(output);
  }
  return {};
}

}  // namespace mimicfleet::coordinator
