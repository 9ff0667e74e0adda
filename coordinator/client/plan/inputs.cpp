#include "coordinator/client/plan/inputs.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <fnmatch.h>

#include "common/config/list_text.h"
#include "common/digest.h"
#include "common/files/absolute_path.h"
#include "common/files/read_text.h"
#include "common/files/spelling.h"
#include "common/log.h"
#include "common/media/video.h"
#include "common/wire/utf8.h"
#include "coordinator/client/plan/folder_walk.h"
#include "coordinator/client/plan/missing_file.h"
#include "coordinator/client/plan/path_text.h"
#include "coordinator/config/manifest.h"
#include "jobs/plan.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kFewFrames = 8;

std::string without_suffix(const fs::path& relative) {
  return (relative.parent_path() / relative.stem()).generic_string();
}

bool is_wanted(const fs::path& relative, const std::string& glob) {
  if (glob.empty()) return true;
  const std::string pattern = composed(glob);
  return ::fnmatch(pattern.c_str(), composed(relative.native()).c_str(), 0) == 0 ||
         ::fnmatch(pattern.c_str(), composed(relative.filename().native()).c_str(), 0) == 0;
}

// A message without the path that it begins with.
std::string cause_of(const Status& status, const fs::path& path) {
  const std::string& message = status.message();
  const std::string start = path.string() + ": ";
  return message.starts_with(start) ? message.substr(start.size()) : message;
}

// What is found while paths are looked at one after the other.
class Finding {
 public:
  Finding(const InputSelection& selection, std::vector<Input> given)
      : selection_(selection), found_{std::move(given), {}} {}

  [[nodiscard]] Status add_path(const std::string& path);
  [[nodiscard]] FoundInputs take() { return std::move(found_); }

 private:
  [[nodiscard]] Status add_folder(const fs::path& folder);
  [[nodiscard]] Status add_manifest(std::string_view bytes, const std::string& name,
                                    ManifestFormat format, const fs::path& folder);
  [[nodiscard]] Result<Input> listed(const ManifestEntry& entry, const fs::path& folder);
  [[nodiscard]] std::string below(const fs::path& folder, const std::string& path);

  const InputSelection& selection_;
  FoundInputs found_;
  SpelledPaths spelled_;
};

std::string of_ours(std::size_t count, const fs::path& folder) {
  return fmt::format(
      "{} video{} below {} that mimicfleet made (a record lies beside each); name such a video to "
      "take it all the same",
      count, count == 1 ? "" : "s", log::printable(folder.string()));
}

Status Finding::add_folder(const fs::path& folder) {
  FolderWalk walk(folder, selection_.ignore_folder);
  RETURN_IF_ERROR(walk.run());
  if (walk.videos().empty() && walk.outputs() > 0) {
    return wrong_path(
        folder.string(),
        fmt::format(
            "no videos found but {} that mimicfleet made (a record lies beside each); give the "
            "folder of the driving videos, or name such videos one by one",
            walk.outputs()));
  }
  if (walk.videos().empty()) {
    return wrong_path(folder.string(),
                      fmt::format("no videos found below this folder; give one with files named {}",
                                  video_suffixes()));
  }
  if (walk.outputs() > 0) found_.left_out.push_back(of_ours(walk.outputs(), folder));
  if (walk.others().count() > 0) {
    found_.left_out.push_back(
        fmt::format("{} (below {})", walk.others().text(), log::printable(folder.string())));
  }
  const std::size_t before = found_.inputs.size();
  for (const auto& relative : walk.videos()) {
    if (!is_wanted(relative, selection_.filter)) continue;
    found_.inputs.push_back({(folder / relative).string(), without_suffix(relative), {}, {}, 0});
  }
  if (found_.inputs.size() > before) return {};
  return wrong_path(selection_.filter,
                    fmt::format("--filter matches none of the {} videos below {}",
                                walk.videos().size(), folder.string()));
}

// Paths of a manifest stand below its folder, unless they are absolute.
std::string Finding::below(const fs::path& folder, const std::string& path) {
  return path.empty() ? "" : spelled_.find((folder / path).lexically_normal().string());
}

// The same of the entry's settings. What is not there may lie elsewhere, such as below the models'
// folder.
std::vector<SettingValue> placed(const fs::path& folder, std::vector<SettingValue> values) {
  for (auto& value : values) {
    std::error_code error;
    if (!value.setting->is_path || value.text.empty()) continue;
    const std::string path = (folder / value.text).lexically_normal().string();
    if (fs::exists(path, error)) value.text = path;
  }
  return values;
}

// Where an entry's output goes: as it says, else the path as it is written, else the file's name.
std::string output_of(const ManifestEntry& entry) {
  if (!entry.output.empty()) {
    const fs::path output(entry.output);
    return lower(output.extension().string()) == ".mp4" ? without_suffix(output)
                                                        : output.generic_string();
  }
  const std::string relative = without_suffix(fs::path(entry.video).lexically_normal());
  return jobs::is_safe_relative(relative) ? relative : fs::path(entry.video).stem().string();
}

// A path that is not UTF-8 may be a file's name, or that of a list in another encoding.
Status check_name(const Input& input) {
  if (wire::is_utf8(input.path) && wire::is_utf8(input.relative)) return {};
  std::error_code error;
  const bool is_listed = !input.where.empty() && !fs::exists(input.path, error);
  if (is_listed) return config::not_utf8(input.where, fs::path(input.path).filename().string());
  return wrong_path(input.path, "its name is not UTF-8; rename it");
}

Result<Input> Finding::listed(const ManifestEntry& entry, const fs::path& folder) {
  Input input{below(folder, entry.video), output_of(entry), below(folder, entry.reference),
              placed(folder, entry.values), 0};
  input.where = entry.where;
  if (const std::string why = why_not_meant(entry.output); !why.empty()) {
    return wrong_path(entry.where,
                      fmt::format("output '{}': {}", log::printable(entry.output), why));
  }
  if (jobs::is_safe_relative(input.relative)) return input;
  return wrong_path(entry.where, fmt::format("output '{}' is not below the output folder",
                                             log::printable(input.relative)));
}

Status Finding::add_manifest(std::string_view bytes, const std::string& name, ManifestFormat format,
                             const fs::path& folder) {
  ASSIGN_OR_RETURN(const std::vector<ManifestEntry> entries, parse_manifest(bytes, name, format));
  if (entries.empty()) return wrong_path(name, "lists no videos");
  const std::size_t before = found_.inputs.size();
  for (const auto& entry : entries) {
    if (!is_wanted(entry.video, selection_.filter)) continue;
    ASSIGN_OR_RETURN(Input input, listed(entry, folder));
    found_.inputs.push_back(std::move(input));
  }
  if (found_.inputs.size() > before) return {};
  return wrong_path(selection_.filter, fmt::format("--filter matches none of the {} videos of {}",
                                                   entries.size(), name));
}

Status nothing_there(const std::string& path, const std::error_code& error) {
  const std::string why = why_missing(path);
  return {StatusCode::kNotFound,
          fmt::format("{}: {}; {}", log::printable(path),
                      error ? error.message() : "no such file or folder",
                      why.empty() ? "give a folder, videos or a manifest that is there" : why)};
}

// What somebody names is looked into, whatever its name says.
Status check_named(const std::string& path, const fs::path& absolute) {
  const Status status = check_begins_like_video(absolute);
  if (status.ok()) return {};
  if (status.code() == StatusCode::kUnsupported)
    return wrong_path(path, cause_of(status, absolute));
  return wrong_path(path,
                    fmt::format("is neither a folder, a video ({}) nor a manifest ({}): it {}",
                                video_suffixes(), kManifestSuffixes, cause_of(status, absolute)));
}

Status Finding::add_path(const std::string& path) {
  if (path == "-") {
    ASSIGN_OR_RETURN(const std::string text,
                     read_text(selection_.standard_input, "standard input", kMaxManifestBytes));
    return add_manifest(text, "standard input", ManifestFormat::kLines, absolute_path("."));
  }
  std::error_code error;
  const fs::path absolute = spelled_.find(absolute_path(path).string());
  const auto status = fs::status(absolute, error);
  if (!fs::exists(status)) return nothing_there(path, error);
  if (fs::is_directory(status)) return add_folder(absolute);
  if (ManifestFormat format{}; manifest_format_of(path, format)) {
    ASSIGN_OR_RETURN(const std::string text, read_text(absolute.string(), kMaxManifestBytes));
    return add_manifest(text, path, format, absolute.parent_path());
  }
  if (video_known_by(absolute) != KnownBy::kName) RETURN_IF_ERROR(check_named(path, absolute));
  if (!is_wanted(absolute.filename(), selection_.filter)) return {};
  found_.inputs.push_back({absolute.string(), absolute.stem().string(), {}, {}, 0});
  return {};
}

Status clash(const Input& first, const Input& second) {
  if (first.path == second.path) {
    return wrong_path(
        first.path, fmt::format("is there twice and would both times be written to {}.mp4; name it "
                                "once or give each an output of its own in a manifest",
                                second.relative));
  }
  return {
      StatusCode::kInvalidArgument,
      fmt::format(
          "{} and {} would both be written to {}.mp4; rename one of them or give them outputs of "
          "their own in a manifest",
          first.path, second.path, second.relative)};
}

// Two videos must not share an output, also where upper and lower case or the two spellings of an
// accent are one. A name that cannot be sent costs its video alone.
Status check_names(std::vector<Input>& inputs) {
  std::map<std::string, const Input*> by_output;
  for (auto& input : inputs) {
    input.error = check_name(input);
    if (!input.error.ok()) continue;
    const std::string first = input.relative.substr(0, input.relative.find('/'));
    if (is_reserved_folder(first)) {
      return wrong_path(input.path,
                        fmt::format("output '{}' is inside {}, which mimicfleet keeps for itself; "
                                    "rename the folder",
                                    input.relative, first));
    }
    const auto [place, inserted] = by_output.emplace(lower(composed(input.relative)), &input);
    if (!inserted) return clash(*place->second, input);
  }
  return {};
}

// A clip of a few frames says little of any setting. One that cannot be read is for the run to
// complain of.
bool is_short(const std::string& path) {
  const auto info = media::probe_video(path);
  return info.ok() && info->declared_frames > 0 && info->declared_frames < kFewFrames;
}

// Those that come first in the order of a hash of seed and name, in their own order; short ones
// only if there are not enough others.
std::vector<Input> sampled(std::vector<Input> inputs, const InputSelection& selection) {
  if (selection.sample == 0 || selection.sample >= inputs.size()) return inputs;
  std::vector<std::pair<Digest, std::size_t>> order;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    order.emplace_back(sha256(fmt::format("{} {}", selection.sample_seed, inputs[i].relative)), i);
  }
  std::sort(order.begin(), order.end());
  std::vector<bool> chosen(inputs.size());
  std::vector<std::size_t> passed_over;
  std::size_t wanted = selection.sample;
  for (const auto& [digest, position] : order) {
    if (wanted == 0) break;
    if (is_short(inputs[position].path)) {
      passed_over.push_back(position);
    } else {
      chosen[position] = true;
      --wanted;
    }
  }
  for (std::size_t i = 0; i < std::min(wanted, passed_over.size()); ++i)
    chosen[passed_over[i]] = true;
  std::vector<Input> sample;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (chosen[i]) sample.push_back(std::move(inputs[i]));
  }
  return sample;
}

}  // namespace

Result<FoundInputs> find_inputs(const std::vector<std::string>& paths,
                                const InputSelection& selection, std::vector<Input> given) {
  std::erase_if(given, [&](const Input& input) {
    return !is_wanted(fs::path(input.path).filename(), selection.filter);
  });
  Finding finding(selection, std::move(given));
  for (const auto& path : paths) RETURN_IF_ERROR(finding.add_path(path));
  FoundInputs found = finding.take();
  if (found.inputs.empty() && !selection.filter.empty()) {
    return wrong_path(selection.filter, "--filter matches none of the videos that are named");
  }
  RETURN_IF_ERROR(check_names(found.inputs));
  std::vector<Input> selected;
  for (const std::size_t position :
       jobs::shard_positions(found.inputs.size(), selection.shard, selection.shards)) {
    if (selection.limit != 0 && selected.size() == selection.limit) break;
    selected.push_back(std::move(found.inputs[position]));
  }
  found.inputs = sampled(std::move(selected), selection);
  return found;
}

}  // namespace mimicfleet::coordinator
