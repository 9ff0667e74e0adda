#include "coordinator/config/run_config.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/config/nearest.h"
#include "common/config/yaml.h"
#include "common/files/read_text.h"
#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

using config::YamlNode;

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr config::YamlLimits kLimits = {.bytes = kMaxBytes, .depth = 6, .nodes = 100'000};

// Where in the file a key that is no setting belongs.
std::string_view home_of(std::string_view key) {
  if (key == "ref_image_path" || key == "ref_video_path")
    return "in test_case (`- ref_image_path: …`)";
  if (key == "video_folder") return "in batch";
  if (key == "base_model_path" || key == "ckpt_path") return "at the top";
  return "";
}

// Reads one map of the file: named text members, then settings, and nothing else.
class MapReader {
 public:
  MapReader(const std::string& path, const YamlNode& node, std::string place)
      : path_(path), node_(node), place_(std::move(place)) {}

  MapReader& text(const std::string& key, std::string& target) {
    known_.push_back(key);
    texts_.emplace_back(key, &target);
    return *this;
  }
  MapReader& nested(const std::string& key) {
    known_.push_back(key);
    nested_.push_back(key);
    return *this;
  }

  // Without `values` no settings are accepted.
  [[nodiscard]] Status read(std::vector<SettingValue>* values) {
    if (node_.kind == YamlNode::Kind::kNull) return {};
    if (node_.kind != YamlNode::Kind::kMap)
      return error(node_, "expected `key: value` lines" + place_);
    for (const auto& [key, value] : node_.members) RETURN_IF_ERROR(member(key, value, values));
    return {};
  }

 private:
  [[nodiscard]] Status error(const YamlNode& at, const std::string& cause) const {
    return {StatusCode::kInvalidArgument, fmt::format("{}: line {}: {}", path_, at.line, cause)};
  }

  [[nodiscard]] Status member(const std::string& key, const YamlNode& value,
                              std::vector<SettingValue>* values) const {
    for (const auto& name : nested_) {
      if (name == key) return {};
    }
    for (const auto& [name, target] : texts_) {
      if (name != key) continue;
      if (value.kind == YamlNode::Kind::kNull) return {};
      if (value.kind != YamlNode::Kind::kScalar)
        return error(value, fmt::format("{} must be one text", key));
      *target = value.scalar;
      return {};
    }
    const Setting* setting = values == nullptr ? nullptr : find_setting(key);
    if (setting == nullptr) return unknown(key, value, values != nullptr);
    if (value.kind == YamlNode::Kind::kNull) return {};
    if (setting->repeats && value.kind == YamlNode::Kind::kSequence) {
      for (const auto& item : value.items) RETURN_IF_ERROR(add(*setting, key, item, *values));
      return {};
    }
    return add(*setting, key, value, *values);
  }

  [[nodiscard]] Status add(const Setting& setting, const std::string& key, const YamlNode& value,
                           std::vector<SettingValue>& values) const {
    if (value.kind != YamlNode::Kind::kScalar)
      return error(value, fmt::format("{} must be one value", key));
    values.push_back(
        {&setting, value.scalar, fmt::format("{}: line {}: {}", path_, value.line, key)});
    return {};
  }

  [[nodiscard]] Status unknown(const std::string& key, const YamlNode& value,
                               bool settings_allowed) const {
    if (const std::string_view home = home_of(key); !home.empty()) {
      return error(value, fmt::format("key '{}' does not belong{}: it stands {}", key,
                                      place_.empty() ? " at the top" : place_, home));
    }
    std::vector<std::string> candidates = known_;
    if (settings_allowed) {
      for (auto& name : setting_names()) candidates.push_back(std::move(name));
    }
    return error(value, fmt::format("unknown key '{}'{}{}", log::printable(key), place_,
                                    config::suggestion(key, candidates)));
  }

  const std::string& path_;
  const YamlNode& node_;
  std::string place_;
  std::vector<std::string> known_;
  std::vector<std::string> nested_;
  std::vector<std::pair<std::string, std::string*>> texts_;
};

Status read_cases(const std::string& path, const YamlNode& list,
                  std::vector<RunConfig::Case>& cases) {
  if (list.kind == YamlNode::Kind::kNull) return {};
  if (list.kind != YamlNode::Kind::kSequence) {
    return {StatusCode::kInvalidArgument,
            fmt::format("{}: line {}: test_case must be a list (`- ref_video_path: …`)", path,
                        list.line)};
  }
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    auto& next = cases.emplace_back();
    MapReader reader(path, list.items[i], fmt::format(" in test_case[{}]", i));
    reader.text("ref_video_path", next.video).text("ref_image_path", next.reference);
    RETURN_IF_ERROR(reader.read(&next.values));
  }
  return {};
}

}  // namespace

SettingLayer RunConfig::layer(std::size_t index) const {
  SettingLayer layer{"config", values};
  if (index >= cases.size()) return layer;
  const auto& own = cases[index].values;
  const auto is_set_again = [&](const SettingValue& value) {
    return std::any_of(own.begin(), own.end(),
                       [&](const SettingValue& other) { return other.setting == value.setting; });
  };
  std::erase_if(layer.values, is_set_again);
  layer.values.insert(layer.values.end(), own.begin(), own.end());
  return layer;
}

Result<RunConfig> parse_run_config(std::string_view text, const std::string& path) {
  ASSIGN_OR_RETURN(const YamlNode document, config::parse_yaml(text, path, kLimits));
  RunConfig run;
  run.path = path;
  MapReader top(path, document, "");
  top.text("base_model_path", run.base_model_path).text("ckpt_path", run.ckpt_path);
  RETURN_IF_ERROR(top.nested("batch").nested("test_case").read(&run.values));
  if (const YamlNode* batch = document.find("batch")) {
    MapReader reader(path, *batch, " in batch");
    RETURN_IF_ERROR(reader.text("video_folder", run.video_folder).read(nullptr));
  }
  if (const YamlNode* list = document.find("test_case"))
    RETURN_IF_ERROR(read_cases(path, *list, run.cases));
  return run;
}

Result<RunConfig> read_run_config(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_text(path, kMaxBytes));
  return parse_run_config(text, path);
}

}  // namespace mimicfleet::coordinator
