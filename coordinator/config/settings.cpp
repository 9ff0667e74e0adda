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

using jobs::Parameters;

template <typename T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

Status refused(std::string_view text, std::string_view wanted) {
  return {StatusCode::kInvalidArgument,
          fmt::format("'{}' is not {}", log::printable(text), wanted)};
}

// Spreadsheets of many countries write 1,5.
Status not_a_number(std::string_view text, std::string_view wanted = "a number") {
  std::string point(text);
  std::replace(point.begin(), point.end(), ',', '.');
  if (point == text || !number<double>(point)) return refused(text, wanted);
  return refused(
      text, fmt::format("{}: write {}, with a decimal point instead of the comma", wanted, point));
}

template <auto member>
Status set_whole(Parameters& parameters, std::string_view text) {
  using T = std::remove_reference_t<decltype(parameters.*member)>;
  const auto value = number<T>(text);
  if (!value)
    return refused(text, std::is_signed_v<T> ? "a whole number" : "a whole number of 0 or more");
  parameters.*member = *value;
  return {};
}

// A constant of the lcm scheduler.
template <auto member>
Status set_lcm(Parameters& parameters, std::string_view text) {
  auto& target = parameters.lcm.*member;
  using T = std::remove_reference_t<decltype(target)>;
  const auto value = number<T>(text);
  if (!value) return std::is_integral_v<T> ? refused(text, "a whole number") : not_a_number(text);
  target = *value;
  return {};
}

template <auto member>
Status set_real(Parameters& parameters, std::string_view text) {
  const auto value = number<double>(text);
  if (!value) return not_a_number(text);
  parameters.*member = *value;
  return {};
}

constexpr const char* choices(jobs::SchedulerKind) { return "euler or lcm"; }
constexpr const char* choices(jobs::Retarget) { return "graft or rescale"; }
constexpr const char* choices(jobs::Precision) { return "auto, fp32, bf16 or fp16"; }
constexpr const char* choices(jobs::DropReference) { return "none, first or each"; }
constexpr const char* choices(jobs::InterpMode) { return "linear or slerp"; }
constexpr const char* choices(jobs::Compat) { return "viewer or original"; }

template <auto member>
Status set_named(Parameters& parameters, std::string_view text) {
  auto& target = parameters.*member;
  using E = std::remove_reference_t<decltype(target)>;
  const std::optional<E> value = enum_from(text, static_cast<E*>(nullptr));
  if (!value) return refused(text, choices(target));
  target = *value;
  return {};
}

Status set_resolution(Parameters& parameters, std::string_view text) {
  if (const auto side = number<std::int32_t>(text)) {
    parameters.resolution = *side;
    parameters.width = parameters.height = 0;
    return {};
  }
  const std::size_t by = text.find('x');
  const auto width = number<std::int32_t>(text.substr(0, by));
  const auto height =
      by == std::string_view::npos ? std::nullopt : number<std::int32_t>(text.substr(by + 1));
  if (!width || !height || *width == 0 || *height == 0) {
    return refused(text, "a number of pixels such as 576, nor a size such as 576x1024");
  }
  parameters.width = *width;
  parameters.height = *height;
  return {};
}

Status set_guidance_interval(Parameters& parameters, std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto begin = number<double>(text.substr(0, colon));
  const auto end =
      colon == std::string_view::npos ? std::nullopt : number<double>(text.substr(colon + 1));
  if (!begin || !end) return refused(text, "two shares of the steps such as 0.2:0.8");
  parameters.guidance_interval = {*begin, *end};
  return {};
}

Status set_fps(Parameters& parameters, std::string_view text) {
  if (text == "source") {
    parameters.fps = 0;
    return {};
  }
  const auto value = number<double>(text);
  if (!value || !(*value > 0)) return not_a_number(text, "a number above 0, nor 'source'");
  parameters.fps = *value;
  return {};
}

Status check_path(Parameters& /*parameters*/, std::string_view text) {
  return text.empty() || text.find('\0') != std::string_view::npos ? refused(text, "a path")
                                                                   : Status();
}

Status check_file_name(Parameters& /*parameters*/, std::string_view text) {
  const bool plain =
      !text.empty() && text.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
  return plain ? Status() : refused(text, "the name of a file in the LoRA's folder");
}

Status check_real(Parameters& /*parameters*/, std::string_view text) {
  return number<double>(text) ? Status() : not_a_number(text);
}

std::string lower(std::string_view text) {
  std::string low(text);
  std::transform(low.begin(), low.end(), low.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return low;
}

bool is_true(std::string_view text) { return lower(text) == "true"; }

Status check_switch(Parameters& /*parameters*/, std::string_view text) {
  return is_true(text) || lower(text) == "false" ? Status() : refused(text, "true or false");
}

template <auto member>
Status set_switch(Parameters& parameters, std::string_view text) {
  RETURN_IF_ERROR(check_switch(parameters, text));
  parameters.*member = is_true(text);
  return {};
}

Status set_clip_denoised(Parameters& parameters, std::string_view text) {
  RETURN_IF_ERROR(check_switch(parameters, text));
  parameters.lcm.clip_denoised = is_true(text);
  return {};
}

using Setter = Status (*)(Parameters&, std::string_view);

// The flag is the name with dashes; `others` are spellings that mean the same.
Setting make(std::string_view name, Setter set, std::string_view value, std::string_view help,
             std::vector<std::string_view> others = {}) {
  std::string flag(name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return {name, std::move(flag), std::move(others), value, help, set};
}

Setting with_flag(std::string_view flag, Setting setting) {
  setting.others.push_back(setting.name);
  setting.flag = flag;
  return setting;
}

Setting only_in_files(Setting setting) {
  setting.flag.clear();
  return setting;
}

Setting kept(Setting setting) {
  setting.keeps_text = true;
  return setting;
}

Setting kept_list(Setting setting) {
  setting.repeats = true;
  return kept(std::move(setting));
}

Setting kept_path(Setting setting) {
  setting.is_path = true;
  return kept(std::move(setting));
}

Setting of_scripts(Setting setting) {
  setting.of_scripts = true;
  return setting;
}

std::vector<Setting> lcm_settings() {
  using L = jobs::LcmConstants;
  return {
      of_scripts(make("lcm_num_train_timesteps", set_lcm<&L::train_timesteps>, "N",
                      "lcm: time steps that the model was distilled for, and the most --steps")),
      of_scripts(make("scheduler_sigma_min", set_lcm<&L::sigma_min>, "X", "lcm: least noise")),
      of_scripts(
          make("scheduler_sigma_max", set_lcm<&L::sigma_max>, "X", "lcm: noise of the first step")),
      of_scripts(
          make("scheduler_sigma_data", set_lcm<&L::sigma_data>, "X", "lcm: deviation of the data")),
      of_scripts(make("scheduler_s_noise", set_lcm<&L::s_noise>, "X",
                      "lcm: factor of the noise between steps")),
      of_scripts(make("scheduler_rho", set_lcm<&L::rho>, "X", "lcm: how noise decreases")),
      of_scripts(
          make("scheduler_clip_denoised", set_clip_denoised, "", "lcm: clip latents to -1 … 1")),
  };
}

std::vector<Setting> basic_settings() {
  using P = Parameters;
  return {
      make("steps", set_whole<&P::steps>, "N", "denoising steps",
           {"num_inference_steps", "lcm_steps"}),
      make("scheduler", set_named<&P::scheduler>, "euler|lcm", "noise scheduler"),
      make("guidance_scale", set_real<&P::guidance_scale>, "X",
           "guidance; 1 or less: one UNet pass instead of two", {"lcm_cfg"}),
      make("guidance_interval", set_guidance_interval, "A:B",
           "share of the steps that are guided, such as 0.2:0.8; the others run one UNet pass; "
           "default 0:1"),
      make("resolution", set_resolution, "N|WxH",
           "pixels of the short side (the long one by 9:16), or a size"),
      with_flag("num-frames", make("tile_frames", set_whole<&P::tile_frames>, "N",
                                   "frames that the UNet sees at once")),
      with_flag("frames-overlap", make("tile_overlap", set_whole<&P::tile_overlap>, "N",
                                       "frames that neighbouring tiles share")),
      make("sample_stride", set_whole<&P::sample_stride>, "N",
           "every how many frames of the motion video are used"),
      make("max_pose_frames", set_whole<&P::max_pose_frames>, "N",
           "use at most so many frames, reference included; 0: all"),
      make("fps", set_fps, "N|source", "frames a second of the output"),
      make("motion_fps", set_whole<&P::motion_fps>, "N", "frames a second that the model is told"),
      make("crf", set_whole<&P::crf>, "N", "H.264 quality, 0 (lossless) to 51"),
      make("seed", set_whole<&P::seed>, "N", "of the noise"),
      make("noise_aug_strength", set_real<&P::noise_aug_strength>, "X",
           "noise added to the reference image"),
      make("decode_chunk_size", set_whole<&P::decode_chunk_size>, "N",
           "frames that the VAE decodes at once"),
      with_flag(
          "drop-reference-frames",
          make("drop_reference", set_named<&P::drop_reference>, "none|first|each",
               "reference frames that are left out: of a film none, its first or each clip's")),
      make("interp_frames", set_whole<&P::interp_frames>, "N",
           "frames put in between two clips of a film"),
      make("interp_mode", set_named<&P::interp_mode>, "linear|slerp",
           "how these, or a cross-fade, are made"),
      make("crossfade_frames", set_whole<&P::crossfade_frames>, "N",
           "frames in which two clips of a film overlap"),
      make("retarget", set_named<&P::retarget>, "graft|rescale",
           "how poses are fitted to the reference body"),
      make("compat", set_named<&P::compat>, "viewer|original",
           "read inputs as a viewer shows them (mirrored, HDR, EXIF, …), or as the original does"),
      make("precision", set_named<&P::precision>, "auto|fp32|bf16|fp16",
           "of the computation; auto: fp32 on a CPU"),
      make("fp8", set_switch<&P::fp8>, "",
           "linear layers of the UNet in 8-bit floating point: faster, less exact, on GPUs that "
           "can"),
      with_flag("lcm-lora-path",
                kept_list(kept_path(make("loras", check_path, "FILE|DIR",
                                         "LoRA to fuse into the UNet; repeat it for several",
                                         {"lora"})))),
      kept_list(make("lcm_weight_name", check_file_name, "NAME",
                     "the LoRA's file, if its path is a folder")),
      kept_list(make("lcm_lora_scale", check_real, "X", "how much of the LoRA is added; default 1",
                     {"lora_scale"})),
      kept(make("skip_lcm_scheduler", check_switch, "",
                "keep the scheduler although there is a LoRA")),
      kept_path(make("unet_overlay", check_path, "FILE",
                     "a whole UNet, such as AnimateLCM-SVD-xt, in place of the checkpoint's")),
      only_in_files(make("pose_canvas", set_whole<&P::pose_canvas>, "N",
                         "short side of the canvas that poses are drawn on")),
  };
}

std::vector<Setting> make_settings() {
  std::vector<Setting> all = basic_settings();
  for (auto& setting : lcm_settings()) all.push_back(std::move(setting));
  return all;
}

std::string underscored(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

// The check's message names the flag; say also where the value came from.
Status with_source(const Status& failure, const ResolvedSettings& resolved) {
  for (const auto& setting : settings()) {
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
  if (skip != resolved.texts.end() && is_true(skip->second.back())) return;
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

std::span<const Setting> settings() {
  static const auto* const table = new std::vector<Setting>(make_settings());
  return *table;
}

const Setting* find_setting(std::string_view name) {
  const std::string wanted = underscored(name);
  for (const auto& setting : settings()) {
    if (wanted == setting.name || (!setting.flag.empty() && wanted == underscored(setting.flag)))
      return &setting;
    if (std::find(setting.others.begin(), setting.others.end(), wanted) != setting.others.end())
      return &setting;
  }
  return nullptr;
}

std::vector<std::string> setting_names() {
  std::vector<std::string> names;
  for (const auto& setting : settings()) {
    names.push_back(setting.flag.empty() ? std::string(setting.name) : underscored(setting.flag));
    names.insert(names.end(), setting.others.begin(), setting.others.end());
  }
  return names;
}

Result<ResolvedSettings> resolve_settings(std::span<const SettingLayer> layers) {
  ResolvedSettings resolved;
  for (const auto& setting : settings())
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
    const Setting* setting = find_setting(key);
    if (setting == nullptr) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("defaults.yaml: unknown key '{}'{}", log::printable(key),
                                config::suggestion(key, setting_names())));
    }
    layer.values.push_back({setting, text, fmt::format("defaults.yaml: {}", key)});
  }
  return layer;
}

}  // namespace mimicfleet::coordinator
