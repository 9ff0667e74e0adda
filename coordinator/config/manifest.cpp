#include "coordinator/config/manifest.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "common/config/list_text.h"
#include "common/config/nearest.h"
#include "common/json/json.h"
#include "common/log.h"
#include "coordinator/config/csv.h"
#include "coordinator/config/error_at.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::size_t kMaxColumns = 64;

constexpr std::array<std::string_view, 3> kVideo = {"video", "path", "ref_video_path"};
constexpr std::array<std::string_view, 3> kReference = {"ref_image", "ref_image_path", "reference"};
constexpr std::array<std::string_view, 1> kOutput = {"output"};

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Of a header without a column for videos: its cell that is most likely meant as one.
Status no_video_column(const std::string& where, const std::vector<std::string>& header) {
  const std::vector<std::string> known(kVideo.begin(), kVideo.end());
  std::string meant;
  for (const auto& cell : header) {
    const auto near = config::nearest(cell, known);
    if (!near) continue;
    meant = fmt::format("; '{}' is none: did you mean '{}'?", log::printable(cell), *near);
    break;
  }
  return error_at(where,
                  fmt::format("the first line must name the columns, `video` among them{}", meant));
}

Status unknown_column(const std::string& where, std::string_view name) {
  std::vector<std::string> candidates = {"video", "ref_image", "output"};
  for (auto& setting : jobs::setting_names()) candidates.push_back(std::move(setting));
  return error_at(where, fmt::format("unknown column '{}'{}", log::printable(name),
                                     config::suggestion(name, candidates)));
}

// What a column means, under its first name.
std::string_view meaning_of(std::string_view name) {
  if (is_one_of(name, kVideo)) return kVideo[0];
  if (is_one_of(name, kReference)) return kReference[0];
  const jobs::Setting* setting = jobs::find_setting(name);
  return setting == nullptr ? name : setting->name;
}

// Two columns of one meaning: nobody can say which counts.
Status check_columns(const std::string& where, const std::vector<std::string>& header) {
  std::map<std::string_view, std::string_view> known;  // meaning -> as it is written
  for (const auto& cell : header) {
    const jobs::Setting* setting = jobs::find_setting(cell);
    if (cell.empty() || (setting != nullptr && setting->repeats)) continue;
    const auto [place, is_new] = known.emplace(meaning_of(cell), cell);
    if (is_new) continue;
    const std::string first = log::printable(place->second);
    return error_at(where, first == cell ? fmt::format("the column '{}' is there twice", first)
                                         : fmt::format("the columns '{}' and '{}' mean the same",
                                                       first, log::printable(cell)));
  }
  return {};
}

// Puts one named value into an entry.
Status assign(ManifestEntry& entry, std::string_view name, std::string_view text) {
  if (is_one_of(name, kVideo)) {
    entry.video = text;
  } else if (is_one_of(name, kReference)) {
    entry.reference = text;
  } else if (is_one_of(name, kOutput)) {
    entry.output = text;
  } else if (const jobs::Setting* setting = jobs::find_setting(name)) {
    if (!text.empty()) {
      entry.values.push_back(
          {setting, std::string(text), fmt::format("{}: {}", entry.where, name)});
    }
  } else if (!(name.empty() &&
               text.empty())) {  // spreadsheets add columns without name and content
    return unknown_column(entry.where, name);
  }
  return {};
}

class Builder {
 public:
  Builder(const std::string& name, ManifestFormat format) : name_(name), format_(format) {}

  [[nodiscard]] ManifestEntry begin(std::size_t number) const {
    ManifestEntry entry;
    const char* unit = format_ == ManifestFormat::kJson ? "entry" : "line";
    entry.where = fmt::format("{}: {} {}", name_, unit, number);
    return entry;
  }
  [[nodiscard]] Status add(ManifestEntry entry) {
    if (entry.video.empty()) return error_at(entry.where, "names no video");
    if (entry.video.find('\0') != std::string::npos) return error_at(entry.where, "is not text");
    if (entries_.size() >= kMaxManifestEntries) {
      return error_at(name_,
                      fmt::format("lists more than {} clips: split it", kMaxManifestEntries));
    }
    entries_.push_back(std::move(entry));
    return {};
  }
  [[nodiscard]] std::vector<ManifestEntry> take() { return std::move(entries_); }

 private:
  const std::string& name_;
  ManifestFormat format_;
  std::vector<ManifestEntry> entries_;
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Calls `use(line, number)` for every line that is neither empty nor a comment.
template <typename Use>
Status each_line(std::string_view text, Use&& use) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    if (!line.empty() && line.front() != '#') RETURN_IF_ERROR(use(line, number));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

Status read_lines(std::string_view text, Builder& builder) {
  return each_line(text, [&](std::string_view line, std::size_t number) {
    ManifestEntry entry = builder.begin(number);
    entry.video = line;
    return builder.add(std::move(entry));
  });
}

Status read_csv(std::string_view text, const std::string& name, Builder& builder) {
  RETURN_IF_ERROR(config::check_utf8(text, name));
  auto reader = CsvReader::of_table(text, kVideo);
  std::vector<std::string> header;
  for (;;) {
    auto row = reader.next();
    const std::string where = fmt::format("{}: line {}", name, reader.line());
    if (!row.ok()) return row.status().prefixed(where);
    if (!*row) return {};
    std::vector<std::string> cells = std::move(**row);
    for (auto& cell : cells) cell = std::string(trimmed(cell));
    const auto is_blank = [](const std::string& cell) { return cell.empty(); };
    if (std::all_of(cells.begin(), cells.end(), is_blank))
      continue;  // as spreadsheets leave them at the end
    if (header.empty()) {
      if (cells.size() > kMaxColumns) return error_at(where, "has too many columns");
      if (std::none_of(cells.begin(), cells.end(),
                       [](const auto& c) { return is_one_of(c, kVideo); })) {
        return no_video_column(where, cells);
      }
      RETURN_IF_ERROR(check_columns(where, cells));
      header = std::move(cells);
      continue;
    }
    if (cells.size() != header.size()) {
      return error_at(where,
                      fmt::format("has {} cells, the header {}", cells.size(), header.size()));
    }
    ManifestEntry entry = builder.begin(static_cast<std::size_t>(reader.line()));
    for (std::size_t i = 0; i < cells.size(); ++i)
      RETURN_IF_ERROR(assign(entry, header[i], cells[i]));
    RETURN_IF_ERROR(builder.add(std::move(entry)));
  }
}

// Scalars as they would be written in a CSV cell.
bool scalar_text(const wire::Value& value, std::string& text) {
  if (const auto* string = value.get_if<std::string>()) {
    text = *string;
  } else if (const auto* whole = value.get_if<std::int64_t>()) {
    text = fmt::format("{}", *whole);
  } else if (const auto* positive = value.get_if<std::uint64_t>()) {
    text = fmt::format("{}", *positive);
  } else if (const auto* real = value.get_if<double>()) {
    text = fmt::format("{}", *real);
  } else if (const auto* truth = value.get_if<bool>()) {
    text = *truth ? "true" : "false";
  } else {
    return value.is_nil();
  }
  return true;
}

Status assign_json(ManifestEntry& entry, const std::string& key, const wire::Value& value) {
  std::string text;
  if (!scalar_text(value, text))
    return error_at(entry.where, fmt::format("{} must be one value", key));
  return assign(entry, key, text);
}

// A list where a setting may be given several times.
Status assign_list(ManifestEntry& entry, const std::string& key, const wire::Array& items) {
  const jobs::Setting* setting = jobs::find_setting(key);
  if (setting == nullptr || !setting->repeats)
    return error_at(entry.where, fmt::format("{} must be one value", key));
  for (const auto& item : items) RETURN_IF_ERROR(assign_json(entry, key, item));
  return {};
}

Status add_json(const wire::Value& item, std::size_t number, Builder& builder) {
  ManifestEntry entry = builder.begin(number);
  if (const auto* path = item.get_if<std::string>()) {
    entry.video = *path;
    return builder.add(std::move(entry));
  }
  const auto* members = item.get_if<wire::Map>();
  if (members == nullptr) return error_at(entry.where, "must be a path or an object with `video`");
  for (const auto& [key, value] : *members) {
    const auto* list = value.get_if<wire::Array>();
    RETURN_IF_ERROR(list != nullptr ? assign_list(entry, key, *list)
                                    : assign_json(entry, key, value));
  }
  return builder.add(std::move(entry));
}

Status read_json(std::string_view text, const std::string& name, Builder& builder) {
  wire::Limits limits;
  limits.bytes = kMaxManifestBytes;
  limits.array_size = kMaxManifestEntries;
  limits.map_size = kMaxColumns;
  limits.depth = 4;
  limits.values = kMaxManifestEntries * 8;
  RETURN_IF_ERROR(config::check_utf8(text, name));
  const auto document = json::parse(text, limits);
  if (!document.ok()) return document.status().prefixed(name);
  const auto* list = document->get_if<wire::Array>();
  if (list == nullptr) return error_at(name, "must be a JSON array of paths or objects");
  for (std::size_t i = 0; i < list->size(); ++i)
    RETURN_IF_ERROR(add_json((*list)[i], i + 1, builder));
  return {};
}

Status read_json_lines(std::string_view text, const std::string& name, Builder& builder) {
  wire::Limits limits;
  limits.bytes = 64 << 10;
  limits.map_size = kMaxColumns;
  limits.depth = 3;
  RETURN_IF_ERROR(config::check_utf8(text, name));
  return each_line(text, [&](std::string_view line, std::size_t number) -> Status {
    const auto item = json::parse(line, limits);
    if (!item.ok()) return item.status().prefixed(fmt::format("{}: line {}", name, number));
    return add_json(*item, number, builder);
  });
}

}  // namespace

bool manifest_format_of(std::string_view path, ManifestFormat& format) {
  std::string suffix = std::filesystem::path(path).extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (suffix == ".txt") {
    format = ManifestFormat::kLines;
  } else if (suffix == ".csv" || suffix == ".tsv") {
    format = ManifestFormat::kCsv;
  } else if (suffix == ".json") {
    format = ManifestFormat::kJson;
  } else if (suffix == ".jsonl") {
    format = ManifestFormat::kJsonLines;
  } else {
    return false;
  }
  return true;
}

Result<std::vector<ManifestEntry>> parse_manifest(std::string_view bytes, const std::string& name,
                                                  ManifestFormat format) {
  ASSIGN_OR_RETURN(const std::string text, config::list_text(bytes, name));
  Builder builder(name, format);
  switch (format) {
    case ManifestFormat::kLines:
      RETURN_IF_ERROR(read_lines(text, builder));
      break;
    case ManifestFormat::kCsv:
      RETURN_IF_ERROR(read_csv(text, name, builder));
      break;
    case ManifestFormat::kJson:
      RETURN_IF_ERROR(read_json(text, name, builder));
      break;
    case ManifestFormat::kJsonLines:
      RETURN_IF_ERROR(read_json_lines(text, name, builder));
      break;
  }
  return builder.take();
}

}  // namespace mimicfleet::coordinator
