#include "coordinator/client/plan/own_outputs.h"

#include <fcntl.h>

#include <fstream>

#include "common/files/io.h"
#include "common/files/read_text.h"
#include "common/files/unique_fd.h"
#include "common/json/json.h"
#include "jobs/record.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kProgram = "mimicfleet ";  // what the program of our records begins with

std::string list_of(const std::string& directory) { return directory + "/_run/outputs.jsonl"; }

// A file or link where a folder has to be, so that nothing can be written there.
bool is_file(const fs::path& path) {
  std::error_code error;
  const auto status = fs::symlink_status(path, error);
  return fs::exists(status) && !fs::is_directory(path, error);
}

}  // namespace

bool is_own_record(const fs::path& path) {
  const auto text = read_text(path.string(), jobs::kMaxRecordBytes);
  if (!text.ok()) return false;
  const auto record = json::parse(*text);
  if (!record.ok()) return false;
  const auto* program = record->find("program");
  const auto* name = program == nullptr ? nullptr : program->get_if<std::string>();
  return name != nullptr && name->starts_with(kProgram) && record->find("key") != nullptr;
}

bool is_own_output(const fs::path& video) {
  return video.extension() == ".mp4" && is_own_record(fs::path(video).replace_extension(".json"));
}

OwnOutputs::OwnOutputs(std::string directory) : directory_(std::move(directory)) {
  std::ifstream in(list_of(directory_));
  // Older versions noted nothing: what they left half-made is theirs.
  is_of_older_ = !in && (is_file(directory_ + "/_run/summary.json") ||
                         is_file(directory_ + "/_run/events.jsonl"));
  for (std::string line; std::getline(in, line);) {
    const auto name = json::parse(line);  // a line may be torn
    const auto* text = name.ok() ? name->get_if<std::string>() : nullptr;
    if (text != nullptr) noted_.insert(*text);
  }
}

std::vector<std::string> OwnOutputs::foreign(const std::string& relative) const {
  if (is_of_older_ || noted_.contains(relative)) return {};
  const std::string video = relative + ".mp4";
  const std::string record = relative + ".json";
  const fs::path folder(directory_);
  std::vector<std::string> files;
  if (is_own_record(folder / record)) return files;
  for (const auto& file : {video, record}) {
    if (is_file(folder / file)) files.push_back(file);
  }
  return files;
}

Status OwnOutputs::note(const std::vector<std::string>& relatives) const {
  std::string lines;
  for (const auto& relative : relatives) {
    if (!noted_.contains(relative)) lines += json::to_text(wire::Value(relative)) + '\n';
  }
  if (lines.empty() && is_file(list_of(directory_))) return {};
  lines.insert(0, 1, '\n');  // ends a line that a killed process left torn
  const std::string path = list_of(directory_);
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!fd.valid()) return file_error(path, "cannot be written", errno);
  return write_all(fd.get(), {reinterpret_cast<const std::uint8_t*>(lines.data()), lines.size()},
                   path);
}

}  // namespace mimicfleet::coordinator
