#include "coordinator/client/inputs.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include "common/digest.h"
#include "common/files/absolute_path.h"
#include "common/files/read_text.h"
#include "common/log.h"
#include "common/wire/utf8.h"
#include "coordinator/config/manifest.h"
#include "jobs/plan.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 14> kSuffixes = {".mp4", ".m4v", ".mov",  ".mkv", ".webm",
                                                        ".avi", ".mpg", ".mpeg", ".ts",  ".mts",
                                                        ".wmv", ".flv", ".ogv",  ".3gp"};
constexpr std::size_t kMaxDepth = 64;

Status wrong(const std::string& path, const std::string& cause) {
  return {StatusCode::kInvalidArgument, fmt::format("{}: {}", log::printable(path), cause)};
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool is_video_name(const fs::path& path) {
  const std::string suffix = lower(path.extension().string());
  return std::find(kSuffixes.begin(), kSuffixes.end(), suffix) != kSuffixes.end();
}

std::string without_suffix(const fs::path& relative) {
  return (relative.parent_path() / relative.stem()).generic_string();
}

bool is_wanted(const fs::path& relative, const std::string& glob) {
  return glob.empty() || ::fnmatch(glob.c_str(), relative.c_str(), 0) == 0 ||
         ::fnmatch(glob.c_str(), relative.filename().c_str(), 0) == 0;
}

// Walks one folder. Each real folder is entered once, so links cannot lead in circles; hidden names are left
// out.
class FolderWalk {
 public:
  FolderWalk(fs::path root, const InputSelection& selection)
      : root_(std::move(root)), selection_(selection) {}

  [[nodiscard]] Status run(std::vector<Input>& inputs) {
    RETURN_IF_ERROR(enter(root_, 0));
    if (found_.empty() && seen_ > 0) {
      return wrong(selection_.filter,
                   fmt::format("--filter matches none of the {} videos below {}", seen_, root_.string()));
    }
    if (found_.empty()) {
      return wrong(
          root_.string(),
          fmt::format("no videos found below this folder; give one with files named {}", video_suffixes()));
    }
    std::sort(found_.begin(), found_.end());
    for (const auto& relative : found_) {
      inputs.push_back({(root_ / relative).string(), without_suffix(relative), {}, {}, 0});
    }
    return {};
  }

 private:
  [[nodiscard]] Status enter(const fs::path& folder, std::size_t depth) {
    std::error_code error;
    const fs::path real = fs::canonical(folder, error);
    if (error || real == selection_.ignore_folder || depth > kMaxDepth || !entered_.insert(real).second) {
      return {};
    }
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      std::error_code ignored;
      if (name.front() == '.') continue;
      if (entry.is_directory(ignored)) {
        RETURN_IF_ERROR(enter(entry.path(), depth + 1));
      } else if (is_video_name(entry.path())) {
        take(entry.path());
      }
    }
    if (error) {
      return wrong(folder.string(),
                   fmt::format("cannot be listed: {}; give this user the right or move it elsewhere",
                               error.message()));
    }
    return {};
  }

  void take(const fs::path& path) {
    ++seen_;
    const fs::path relative = path.lexically_relative(root_);
    if (is_wanted(relative, selection_.filter)) found_.push_back(relative);
  }

  fs::path root_;
  const InputSelection& selection_;
  std::vector<fs::path> found_;
  std::set<fs::path> entered_;
  std::size_t seen_ = 0;
};

// Paths of a manifest stand below its folder, unless they are absolute.
std::string below(const fs::path& folder, const std::string& path) {
  return path.empty() ? "" : (folder / path).lexically_normal().string();
}

// The same of the entry's settings. What is not there may lie elsewhere, such as below the models' folder.
std::vector<SettingValue> placed(const fs::path& folder, std::vector<SettingValue> values) {
  for (auto& value : values) {
    std::error_code error;
    const std::string path = below(folder, value.text);
    if (value.setting->is_path && fs::exists(path, error)) value.text = path;
  }
  return values;
}

// Where an entry's output goes: as it says, else the path as it is written, else the file's name.
std::string output_of(const ManifestEntry& entry) {
  if (!entry.output.empty()) {
    const fs::path output(entry.output);
    return lower(output.extension().string()) == ".mp4" ? without_suffix(output) : output.generic_string();
  }
  const std::string relative = without_suffix(fs::path(entry.video).lexically_normal());
  return jobs::is_safe_relative(relative) ? relative : fs::path(entry.video).stem().string();
}

Status add_manifest(std::string_view text, const std::string& name, ManifestFormat format,
                    const fs::path& folder, const InputSelection& selection, std::vector<Input>& inputs) {
  ASSIGN_OR_RETURN(const std::vector<ManifestEntry> entries, parse_manifest(text, name, format));
  if (entries.empty()) return wrong(name, "lists no videos");
  const std::size_t before = inputs.size();
  for (const auto& entry : entries) {
    if (!is_wanted(entry.video, selection.filter)) continue;
    inputs.push_back({below(folder, entry.video), output_of(entry), below(folder, entry.reference),
                      placed(folder, entry.values), 0});
    if (!jobs::is_safe_relative(inputs.back().relative)) {
      return wrong(entry.where, fmt::format("output '{}' is not below the output folder",
                                            log::printable(inputs.back().relative)));
    }
  }
  if (inputs.size() > before) return {};
  return wrong(selection.filter,
               fmt::format("--filter matches none of the {} videos of {}", entries.size(), name));
}

Status add_path(const std::string& path, const InputSelection& selection, std::vector<Input>& inputs) {
  if (path == "-") {
    ASSIGN_OR_RETURN(const std::string text,
                     read_text(selection.standard_input, "standard input", kMaxManifestBytes));
    return add_manifest(text, "standard input", ManifestFormat::kLines, absolute_path("."), selection,
                        inputs);
  }
  std::error_code error;
  const fs::path absolute = absolute_path(path);
  const auto status = fs::status(absolute, error);
  if (!fs::exists(status)) {
    return {StatusCode::kNotFound,
            fmt::format("{}: {}; give a folder, videos or a manifest that is there", log::printable(path),
                        error ? error.message() : "no such file or folder")};
  }
  if (fs::is_directory(status)) {
    return FolderWalk(absolute, selection).run(inputs);
  }
  if (ManifestFormat format{}; manifest_format_of(path, format)) {
    ASSIGN_OR_RETURN(const std::string text, read_text(absolute.string(), kMaxManifestBytes));
    return add_manifest(text, path, format, absolute.parent_path(), selection, inputs);
  }
  if (!is_video_name(absolute)) {
    return wrong(path,
                 fmt::format("is neither a folder, a video ({}) nor a manifest (.txt .csv .json .jsonl)",
                             video_suffixes()));
  }
  if (!is_wanted(absolute.filename(), selection.filter)) return {};
  inputs.push_back({absolute.string(), absolute.stem().string(), {}, {}, 0});
  return {};
}

Status clash(const Input& first, const Input& second) {
  if (first.path == second.path) {
    return wrong(first.path, fmt::format("is there twice and would both times be written to {}.mp4; name it "
                                         "once or give each an output of its own in a manifest",
                                         second.relative));
  }
  return {StatusCode::kInvalidArgument,
          fmt::format("{} and {} would both be written to {}.mp4; rename one of them or give them outputs of "
                      "their own in a manifest",
                      first.path, second.path, second.relative)};
}

// Two videos must not share an output, also where upper and lower case are one.
Status check_names(const std::vector<Input>& inputs) {
  std::map<std::string, const Input*> by_output;
  for (const auto& input : inputs) {
    if (!wire::is_utf8(input.path) || !wire::is_utf8(input.relative)) {
      return wrong(input.path, "its name is not UTF-8; rename it");
    }
    const std::string first = input.relative.substr(0, input.relative.find('/'));
    if (first == "_run" || first == "_latents" || first == "_frames" || first == "_compare") {
      return wrong(input.path, fmt::format("output '{}' is inside {}, which mimicfleet keeps for itself; "
                                           "rename the folder",
                                           input.relative, first));
    }
    const auto [place, inserted] = by_output.emplace(lower(input.relative), &input);
    if (!inserted) return clash(*place->second, input);
  }
  return {};
}

// Those that come first in the order of a hash of seed and name, in their own order.
std::vector<Input> sampled(std::vector<Input> inputs, const InputSelection& selection) {
  if (selection.sample == 0 || selection.sample >= inputs.size()) return inputs;
  std::vector<std::pair<Digest, std::size_t>> order;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    order.emplace_back(sha256(fmt::format("{} {}", selection.sample_seed, inputs[i].relative)), i);
  }
  std::sort(order.begin(), order.end());
  order.resize(selection.sample);
  std::vector<bool> chosen(inputs.size());
  for (const auto& [digest, position] : order) chosen[position] = true;
  std::vector<Input> sample;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (chosen[i]) sample.push_back(std::move(inputs[i]));
  }
  return sample;
}

}  // namespace

std::string video_suffixes() { return fmt::format("{}", fmt::join(kSuffixes, " ")); }

Result<std::vector<Input>> find_inputs(const std::vector<std::string>& paths, const InputSelection& selection,
                                       std::vector<Input> given) {
  std::vector<Input> inputs = std::move(given);
  std::erase_if(inputs, [&](const Input& input) {
    return !is_wanted(fs::path(input.path).filename(), selection.filter);
  });
  for (const auto& path : paths) RETURN_IF_ERROR(add_path(path, selection, inputs));
  if (inputs.empty() && !selection.filter.empty()) {
    return wrong(selection.filter, "--filter matches none of the videos that are named");
  }
  RETURN_IF_ERROR(check_names(inputs));
  std::vector<Input> selected;
  for (const std::size_t position : jobs::shard_positions(inputs.size(), selection.shard, selection.shards)) {
    if (selection.limit != 0 && selected.size() == selection.limit) break;
    selected.push_back(std::move(inputs[position]));
  }
  return sampled(std::move(selected), selection);
}

}  // namespace mimicfleet::coordinator
