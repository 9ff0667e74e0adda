#include "jobs/settings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "common/json/json.h"
#include "common/log.h"
#include "common/wire/codec.h"

namespace mimicfleet::jobs {
namespace {

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

std::string lower(std::string_view text) {
  std::string low(text);
  std::transform(low.begin(), low.end(), low.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return low;
}

// The value that a text says, by the type of the member that takes it.
Status read(std::string_view text, bool& target) {
  target = is_true(text);
  return target || lower(text) == "false" ? Status() : refused(text, "true or false");
}

Status read(std::string_view text, GuidanceInterval& target) {
  const std::size_t colon = text.find(':');
  const auto begin = number<double>(text.substr(0, colon));
  const auto end =
      colon == std::string_view::npos ? std::nullopt : number<double>(text.substr(colon + 1));
  if (!begin || !end) return refused(text, "two shares of the steps such as 0.2:0.8");
  target = {*begin, *end};
  return {};
}

template <typename T>
Status read(std::string_view text, T& target) {
  if constexpr (std::is_enum_v<T>) {
    const auto value = enum_from<T>(text);
    if (!value) return refused(text, choices<T>());
    target = *value;
  } else if constexpr (std::is_integral_v<T>) {
    const auto value = number<T>(text);
    if (!value)
      return refused(text, std::is_signed_v<T> ? "a whole number" : "a whole number of 0 or more");
    target = *value;
  } else {
    const auto value = number<double>(text);
    if (!value) return not_a_number(text);
    target = *value;
  }
  return {};
}

// `object.*first.*next…`
template <auto first, auto... next>
constexpr auto& member_of(auto& object) {
  if constexpr (sizeof...(next) == 0) {
    return object.*first;
  } else {
    return member_of<next...>(object.*first);
  }
}

template <auto... path>
Status set_member(Parameters& parameters, std::string_view text) {
  return read(text, member_of<path...>(parameters));
}

template <auto... path>
std::optional<double> number_of(const Parameters& parameters) {
  const auto& value = member_of<path...>(parameters);
  if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(value)>>) {
    return static_cast<double>(value);
  } else {
    return value;
  }
}

template <auto... path>
void copy_member(const Parameters& from, Parameters& to) {
  member_of<path...>(to) = member_of<path...>(from);
}

// What has a text of its own is that text.
template <auto... path>
wire::Value value_of(const Parameters& parameters) {
  const auto& value = member_of<path...>(parameters);
  if constexpr (requires { to_string(value); }) {
    return wire::Value(std::string(to_string(value)));
  } else {
    return wire::to_value(value);
  }
}

template <auto... path>
bool has_default(const Parameters& parameters) {
  static const Parameters defaults;
  return member_of<path...>(parameters) == member_of<path...>(defaults);
}

template <auto... path>
void add_to_key(KeyBuilder& key, std::string_view name, const Parameters& parameters) {
  const auto& value = member_of<path...>(parameters);
  using T = std::remove_cvref_t<decltype(value)>;
  if constexpr (std::is_enum_v<T>) {
    key.add(name, to_string(value));
  } else if constexpr (std::is_integral_v<T>) {
    key.add(name, static_cast<std::int64_t>(value));
  } else if constexpr (std::is_same_v<T, double>) {
    key.add(name, value);
  } else {
    key.add(name, value.value());
  }
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

Status check_switch(Parameters& /*parameters*/, std::string_view text) {
  bool value = false;
  return read(text, value);
}

using Setter = Status (*)(Parameters&, std::string_view);

// Makes a row. The flag is the name with dashes unless another is given.
class Row {
 public:
  Row(std::string_view name, Setter set, std::string_view value, std::string_view help) {
    std::string flag(name);
    std::replace(flag.begin(), flag.end(), '_', '-');
    row_ = {name, std::move(flag), {}, value, help, set};
  }

  Row& flag(std::string_view flag) {
    row_.others.push_back(row_.name);
    row_.flag = flag;
    return *this;
  }
  Row& only_in_files() {
    row_.flag.clear();
    return *this;
  }
  Row& also(std::string_view other) {
    row_.others.push_back(other);
    return *this;
  }
  // For a row of a member.
  Row& between(double least, double most) {
    row_.number = number_;
    row_.least = least;
    row_.most = most;
    return *this;
  }
  Row& kept() {
    row_.keeps_text = true;
    return *this;
  }
  Row& kept_list() {
    row_.repeats = true;
    return kept();
  }
  Row& file_path() {
    row_.is_path = true;
    return *this;
  }
  Row& of_scripts() {
    row_.of_scripts = true;
    return *this;
  }
  Row& of_decode() {
    row_.of_decode = true;
    return *this;
  }
  Row& column(std::string_view heading, std::string_view joined_by = {}) {
    row_.column = heading;
    row_.joined_by = joined_by;
    return *this;
  }
  // For a row of a member that takes further words.
  Row& read_by(Setter set) {
    row_.set = set;
    return *this;
  }
  // Older programs do not know it; it determines latents. For a row of a member.
  Row& newer_of_latents() {
    row_.is_newer = true;
    row_.add_to_latents_key = add_to_key_;
    return *this;
  }
  operator Setting() const { return row_; }

 protected:
  Setting row_;
  decltype(Setting::number) number_ = nullptr;
  decltype(Setting::add_to_latents_key) add_to_key_ = nullptr;
};

// Of a member of Parameters, or of a member of such a member.
template <auto... path>
class Member : public Row {
 public:
  Member(std::string_view name, std::string_view value, std::string_view help)
      : Row(name, set_member<path...>, value, help) {
    using T = std::remove_cvref_t<decltype(member_of<path...>(std::declval<Parameters&>()))>;
    constexpr bool is_number = std::is_arithmetic_v<T> || std::is_same_v<T, std::optional<double>>;
    if constexpr (is_number && !std::is_same_v<T, bool>) number_ = number_of<path...>;
    if constexpr (is_number || std::is_enum_v<T>) add_to_key_ = add_to_key<path...>;
    row_.copy = copy_member<path...>;
    row_.value_in = value_of<path...>;
    row_.is_default = has_default<path...>;
  }
};

using P = Parameters;
using L = LcmConstants;

// How latents are sampled.
std::vector<Setting> of_sampling() {
  return {
      Member<&P::steps>("steps", "N", "denoising steps, with lcm at most 40")
          .between(1, 1000)
          .column("STEPS")
          .also("num_inference_steps")
          .also("lcm_steps"),
      Member<&P::scheduler>("scheduler", "euler|lcm", "noise scheduler; with a LoRA or overlay lcm")
          .column("SCHEDULER"),
      Member<&P::guidance_scale>(
          "guidance_scale", "X",
          "classifier-free guidance; 1 or less: one UNet pass instead of two")
          .between(0, 100)
          .column("GUIDANCE")
          .also("lcm_cfg"),
      Member<&P::min_guidance_scale>(
          "min_guidance_scale", "X",
          "guidance of the first frame, from where it rises to --guidance-scale; "
          "default: the same in all frames")
          .between(0, 100)
          .newer_of_latents(),
      Member<&P::guidance_interval>(
          "guidance_interval", "A:B",
          "share of the steps with guidance, such as 0.2:0.8; the others run one UNet pass; "
          "default 0:1")
          .column("GUIDANCE", " in "),
      Row("resolution", set_resolution, "N|WxH",
          "pixels of the short side (the long one by 9:16), or a size"),
      Member<&P::tile_frames>("tile_frames", "N", "frames that the UNet sees at once")
          .between(2, 1024)
          .flag("num-frames"),
      Member<&P::tile_overlap>("tile_overlap", "N", "frames that neighbouring tiles share")
          .flag("frames-overlap"),
  };
}

// Frames: those that are read and those that are made.
std::vector<Setting> of_frames() {
  return {
      Member<&P::sample_stride>("sample_stride", "N", "use every N-th frame of the driving video")
          .between(1, 1000),
      Member<&P::max_pose_frames>("max_pose_frames", "N",
                                  "maximum number of frames, reference included; 0: all")
          .between(0, 100000),
      Member<&P::fps>("fps", "N|source", "frame rate of the output").read_by(set_fps).of_decode(),
      Member<&P::motion_fps>("motion_fps", "N", "fps conditioning of the model").between(1, 240),
      Member<&P::motion_bucket_id>("motion_bucket_id", "N",
                                   "motion conditioning of the model: more moves more")
          .between(0, 255)
          .newer_of_latents(),
      Member<&P::crf>("crf", "N", "H.264 quality, 0 (lossless) to 51").between(0, 51).of_decode(),
      Member<&P::seed>("seed", "N", "random seed"),
      Member<&P::noise_aug_strength>("noise_aug_strength", "X",
                                     "noise added to the reference image")
          .between(0, 10),
      Member<&P::decode_chunk_size>("decode_chunk_size", "N", "frames that the VAE decodes at once")
          .between(1, 1024)
          .of_decode(),
      Member<&P::drop_reference>("drop_reference", "none|first|each",
                                 "reference frames left out of a concatenated video: none, its "
                                 "first, or the first of each clip")
          .flag("drop-reference-frames")
          .of_decode(),
  };
}

// Of videos joined from the latents of several clips.
std::vector<Setting> of_joining() {
  return {
      Member<&P::interp_frames>("interp_frames", "N",
                                "frames interpolated between two clips of a concatenated video")
          .between(0, 1000)
          .of_decode(),
      Member<&P::interp_mode>("interp_mode", "linear|slerp",
                              "how interpolated and cross-faded frames are made")
          .of_decode(),
      Member<&P::crossfade_frames>(
          "crossfade_frames", "N",
          "frames over which two clips of a concatenated video are cross-faded")
          .between(0, 1000)
          .of_decode(),
  };
}

// How poses are made, and how all is computed.
std::vector<Setting> of_computation() {
  return {
      Member<&P::retarget>("retarget", "graft|rescale",
                           "how poses are fitted to the reference body"),
      Member<&P::compat>(
          "compat", "viewer|original",
          "read inputs as a viewer shows them (mirrored, HDR, EXIF, …), or as the original does"),
      Member<&P::precision>("precision", "auto|fp32|bf16|fp16",
                            "number format of the computation; auto: fp32 on a CPU, fp16 on a GPU"),
      Member<&P::fp8>("fp8", "",
                      "linear layers of the UNet in 8-bit floating point: faster, less exact, on "
                      "GPUs that can"),
      Member<&P::pose_canvas>("pose_canvas", "N",
                              "short side of the canvas that poses are drawn on")
          .between(64, 4320)
          .only_in_files(),
  };
}

// What changes the UNet.
std::vector<Setting> of_adaptation() {
  return {
      Row("loras", check_path, "FILE|DIR", "LoRA to fuse into the UNet; repeat it for several")
          .kept_list()
          .file_path()
          .also("lora")
          .flag("lcm-lora-path"),
      Row("lcm_weight_name", check_file_name, "NAME", "the LoRA's file, if its path is a folder")
          .kept_list(),
      Row("lcm_lora_scale", check_real, "X", "strength of the LoRA; default 1")
          .kept_list()
          .also("lora_scale"),
      Row("skip_lcm_scheduler", check_switch, "", "keep the scheduler although there is a LoRA")
          .kept(),
      Row("unet_overlay", check_path, "FILE",
          "a whole UNet, such as AnimateLCM-SVD-xt, in place of the checkpoint's")
          .kept()
          .file_path(),
  };
}

// Constants of the lcm scheduler.
std::vector<Setting> of_lcm() {
  return {
      Member<&P::lcm, &L::train_timesteps>(
          "lcm_num_train_timesteps", "N",
          "lcm: time steps that the model was distilled for, and the most --steps")
          .between(2, 1000)
          .of_scripts(),
      Member<&P::lcm, &L::sigma_min>("scheduler_sigma_min", "X", "lcm: least noise")
          .between(1e-6, 1e6)
          .of_scripts(),
      Member<&P::lcm, &L::sigma_max>("scheduler_sigma_max", "X", "lcm: noise of the first step")
          .of_scripts(),
      Member<&P::lcm, &L::sigma_data>("scheduler_sigma_data", "X", "lcm: deviation of the data")
          .between(1e-6, 1e6)
          .of_scripts(),
      Member<&P::lcm, &L::s_noise>("scheduler_s_noise", "X",
                                   "lcm: factor of the noise between steps")
          .between(0, 100)
          .of_scripts(),
      Member<&P::lcm, &L::rho>("scheduler_rho", "X", "lcm: how noise decreases")
          .between(0.1, 1000)
          .of_scripts(),
      Member<&P::lcm, &L::clip_denoised>("scheduler_clip_denoised", "",
                                         "lcm: clip latents to -1 … 1")
          .of_scripts(),
  };
}

std::vector<Setting> make_settings() {
  std::vector<Setting> all;
  for (auto* group : {of_sampling, of_frames, of_joining, of_computation, of_adaptation, of_lcm}) {
    for (auto& setting : group()) all.push_back(std::move(setting));
  }
  return all;
}

std::string underscored(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

}  // namespace

std::string Setting::shown() const {
  return flag.empty() ? std::string(name) : fmt::format("--{}", flag);
}

std::string Setting::default_text() const {
  static const wire::Value built_in = wire::to_value(Parameters());
  const wire::Value* member = built_in.find(name);
  const bool is_plain = member != nullptr && !member->is_nil() &&
                        member->get_if<wire::Map>() == nullptr &&
                        member->get_if<wire::Array>() == nullptr;
  if (keeps_text || !is_plain) return "";
  const auto* word = member->get_if<std::string>();
  return word != nullptr ? *word : json::to_text(*member);
}

std::string Setting::text(const Parameters& parameters) const {
  const wire::Value now = value_in(parameters);
  if (const auto* word = now.get_if<std::string>()) return *word;
  if (const auto* real = now.get_if<double>()) return fmt::format("{}", *real);
  return json::to_text(now);
}

bool is_true(std::string_view text) { return lower(text) == "true"; }

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

}  // namespace mimicfleet::jobs
