#include "coordinator/client/variants.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>

#include "common/config/nearest.h"
#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::size_t kLongestName = 100;
constexpr std::string_view kNameKey = "name";

Status wrong(const std::string& cause) { return {StatusCode::kInvalidArgument, cause}; }

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::string spelled(const Setting& setting) {
  return setting.flag.empty() ? std::string(setting.name) : setting.flag;
}

// A name for people that may be a folder's.
std::string folder_name(std::string_view text) {
  std::string name;
  for (const char c : text.substr(0, kLongestName)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                       std::string_view("=,.+-_").find(c) != std::string_view::npos;
    name += plain ? c : '-';
  }
  name.erase(0, std::min(name.find_first_not_of("._"), name.size()));
  return name;
}

// "steps=4,lcm-lora-path=lcm_lora"
std::string name_of(const std::vector<SettingValue>& values) {
  std::string name;
  for (const auto& value : values) {
    if (value.setting->is_path && value.text == kNoFile) continue;
    const std::string text =
        value.setting->is_path
            ? std::filesystem::path(value.text).lexically_normal().stem().string()
            : value.text;
    name += fmt::format("{}{}={}", name.empty() ? "" : ",", spelled(*value.setting), text);
  }
  return folder_name(name);
}

// One `setting=value`; a switch may stand alone.
Status read_part(std::string_view part, const std::string& where, Variant& variant) {
  const std::size_t equals = std::min(part.find('='), part.size());
  const std::string key(trimmed(part.substr(0, equals)));
  const bool alone = equals == part.size();
  const std::string text(alone ? "true" : trimmed(part.substr(equals + 1)));
  if (key == kNameKey && !alone) {
    variant.name = folder_name(text);
    return variant.name.empty()
               ? wrong(fmt::format("{}: '{}' is no name", where, log::printable(text)))
               : Status();
  }
  const Setting* setting = find_setting(key);
  if (setting == nullptr) {
    std::vector<std::string> known = setting_names();
    known.emplace_back(kNameKey);
    return wrong(fmt::format("{}: unknown setting '{}'{}", where, log::printable(key),
                             config::suggestion(key, known)));
  }
  if (alone && !setting->value.empty()) {
    return wrong(fmt::format("{}: '{}' has no value; write {}=…", where, log::printable(key), key));
  }
  variant.layer.values.push_back({setting, text, fmt::format("{}: {}", where, key)});
  return {};
}

Result<Variant> read_variant(std::string_view text) {
  const std::string where = fmt::format("--variant '{}'", log::printable(text));
  Variant variant;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view part = trimmed(text.substr(0, end));
    if (!part.empty()) RETURN_IF_ERROR(read_part(part, where, variant));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (variant.name.empty()) variant.name = name_of(variant.layer.values);
  if (variant.name.empty())
    return wrong(where + ": sets nothing; write such as 'steps=4, guidance-scale=1'");
  return variant;
}

Status check(const std::vector<Variant>& variants) {
  if (variants.size() > kMostVariants) {
    return wrong(
        fmt::format("{} variants are too many: at most {}", variants.size(), kMostVariants));
  }
  std::set<std::string> names;
  for (const auto& variant : variants) {
    if (!names.insert(variant.name).second) {
      return wrong(fmt::format("two variants are called '{}': leave one out, or give them a name=…",
                               variant.name));
    }
  }
  return {};
}

using Occurrences = std::map<const Setting*, std::vector<SettingValue>>;

Occurrences by_setting(std::span<const SettingValue> flags) {
  Occurrences occurrences;
  for (const auto& value : flags) occurrences[value.setting].push_back(value);
  return occurrences;
}

Result<Variants> from_texts(std::span<const SettingValue> flags,
                            std::span<const std::string> texts) {
  Variants result;
  if (texts.size() < 2)
    return wrong("one --variant has nothing to be compared with: give two or more");
  for (const auto& [setting, values] : by_setting(flags)) {
    if (values.size() > 1 && !setting->repeats) {
      return wrong(fmt::format(
          "--{} is given {} times beside --variant: write it into the variants, or once for all",
          spelled(*setting), values.size()));
    }
  }
  result.shared.assign(flags.begin(), flags.end());
  for (const auto& text : texts) {
    ASSIGN_OR_RETURN(Variant variant, read_variant(text));
    result.variants.push_back(std::move(variant));
  }
  return result;
}

Result<Variants> from_repeated(std::span<const SettingValue> flags) {
  const Occurrences occurrences = by_setting(flags);
  const auto most = std::max_element(
      occurrences.begin(), occurrences.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  if (most == occurrences.end() || most->second.size() < 2) {
    return wrong("nothing to compare: give a flag such as --steps twice, or --variant twice");
  }
  Variants result;
  result.variants.resize(most->second.size());
  std::set<const Setting*> dealt;
  for (const auto& value : flags) {
    const auto& values = occurrences.at(value.setting);
    if (!dealt.insert(value.setting).second) continue;
    if (values.size() == 1) {
      result.shared.push_back(values.front());
    } else if (values.size() == result.variants.size()) {
      for (std::size_t i = 0; i < values.size(); ++i)
        result.variants[i].layer.values.push_back(values[i]);
    } else {
      return wrong(fmt::format(
          "--{} is given {} times and --{} {} times: give a flag once for all variants, or once "
          "for each, or write --variant",
          spelled(*value.setting), values.size(), spelled(*most->first), most->second.size()));
    }
  }
  for (auto& variant : result.variants) variant.name = name_of(variant.layer.values);
  return result;
}

}  // namespace

Result<Variants> make_variants(std::span<const SettingValue> flags,
                               std::span<const std::string> texts) {
  ASSIGN_OR_RETURN(Variants result,
                   texts.empty() ? from_repeated(flags) : from_texts(flags, texts));
  RETURN_IF_ERROR(check(result.variants));
  return result;
}

}  // namespace mimicfleet::coordinator
