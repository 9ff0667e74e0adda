#include "coordinator/config/settings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "common/config/nearest.h"
#include "common/log.h"
#include "jobs/model_notice.h"

namespace mimicfleet::coordinator {
namespace {

// The check's message names the flag; say also where the value came from.
Status with_source(const Status& failure, const ResolvedSettings& resolved) {
  for (const auto& setting : jobs::settings()) {
    const auto& source = resolved.provenance.at(std::string(setting.name));
    const std::string shown =
        setting.flag.empty() ? std::string(setting.name) : fmt::format("--{}", setting.flag);
    const bool named =
        failure.message().starts_with(shown + " ") || failure.message().starts_with(shown + ":");
    if (named && source != "flag" && source != "built-in") {
      return {failure.code(), fmt::format("{} (set by the {})", failure.message(), source)};
    }
  }
  return failure;
}

// Keeps a text; a list of one layer is not mixed with those of the layers before.
void keep(const SettingValue& value, const std::string& source, ResolvedSettings& resolved) {
  const std::string name(value.setting->name);
  auto& texts = resolved.texts[name];
  if (!value.setting->repeats || resolved.provenance[name] != source) texts.clear();
  texts.push_back(value.text);
}

Status apply(const SettingValue& value, const std::string& source, ResolvedSettings& resolved) {
  if (Status bad = value.setting->set(resolved.parameters, value.text); !bad.ok()) {
    return bad.prefixed(value.where);
  }
  if (value.setting->keeps_text) keep(value, source, resolved);
  resolved.provenance[std::string(value.setting->name)] = source;
  return {};
}

bool names_file(const ResolvedSettings& resolved, std::string_view setting) {
  const auto found = resolved.texts.find(setting);
  return found != resolved.texts.end() && found->second.back() != kNoFile;
}

// What distils steps away was trained for the lcm scheduler. A scheduler that only suits the
// models' own UNet (defaults.yaml, a preset) gives way, too.
void choose_scheduler(ResolvedSettings& resolved) {
  const auto skip = resolved.texts.find("skip_lcm_scheduler");
  if (skip != resolved.texts.end() && jobs::is_true(skip->second.back())) return;
  std::string& source = resolved.provenance["scheduler"];
  if (source != "built-in" && source != "defaults" && !source.starts_with("preset ")) return;
  for (const char* reason : {"loras", "unet_overlay"}) {
    if (!names_file(resolved, reason)) continue;
    resolved.parameters.scheduler = jobs::SchedulerKind::kLcm;
    source = reason;
    return;
  }
}

}  // namespace

Result<ResolvedSettings> resolve_settings(std::span<const SettingLayer> layers) {
  ResolvedSettings resolved;
  for (const auto& setting : jobs::settings())
    resolved.provenance[std::string(setting.name)] = "built-in";
  for (const auto& layer : layers) {
    for (const auto& value : layer.values) RETURN_IF_ERROR(apply(value, layer.source, resolved));
  }
  choose_scheduler(resolved);
  if (const Status bad = validate(resolved.parameters); !bad.ok())
    return with_source(bad, resolved);
  return resolved;
}

Result<SettingLayer> defaults_layer(const std::map<std::string, std::string>& defaults) {
  SettingLayer layer{"defaults", {}};
  for (const auto& [key, text] : defaults) {
    if (key == jobs::kNoticeKey) continue;
    const jobs::Setting* setting = jobs::find_setting(key);
    if (setting == nullptr) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("defaults.yaml: unknown key '{}'{}", log::printable(key),
                                config::suggestion(key, jobs::setting_names())));
    }
    layer.values.push_back({setting, text, fmt::format("defaults.yaml: {}", key)});
  }
  return layer;
}

}  // namespace mimicfleet::coordinator
