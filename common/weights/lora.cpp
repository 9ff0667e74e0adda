#include "common/weights/lora.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "common/config/nearest.h"
#include "common/log.h"
#include "common/safetensors/adapter_names.h"

namespace mimicfleet::weights {
namespace {

constexpr std::size_t kUnmatchedShown = 5;
constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kKohyaPrefix = "lora_unet_";
constexpr std::array<std::string_view, 2> kDottedPrefixes = {"base_model.model.", "unet."};

constexpr std::string_view kOtherLora =
    "take a LoRA that was made for Stable Video Diffusion's UNet";

enum class Role { kDown, kUp, kMid, kAlpha };

constexpr std::array<std::pair<std::string_view, Role>, 11> kRoles = {{
    {".lora_A", Role::kDown},
    {".lora_B", Role::kUp},
    {".lora_down", Role::kDown},
    {".lora_up", Role::kUp},
    {".lora_mid", Role::kMid},
    {".lora.down", Role::kDown},
    {".lora.up", Role::kUp},
    {".lora_linear_layer.down", Role::kDown},
    {".lora_linear_layer.up", Role::kUp},
    {"_lora.down", Role::kDown},
    {"_lora.up", Role::kUp},
}};

bool strip_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

bool strip_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

struct Key {
  std::string_view module;
  Role role;
};

std::optional<Key> strip_role(std::string_view text) {
  for (const auto& [suffix, role] : kRoles) {
    if (strip_suffix(text, suffix)) return Key{text, role};
  }
  return std::nullopt;
}

// "MODULE.lora_A.weight" -> MODULE, kDown. Also "MODULE.lora_A.default.weight" and
// "MODULE.lora.down.weight.alpha".
std::optional<Key> split(std::string_view name) {
  if (strip_suffix(name, ".alpha")) {
    strip_suffix(name, kWeight);
    const auto inner = strip_role(name);
    return Key{inner ? inner->module : name, Role::kAlpha};
  }
  if (!strip_suffix(name, kWeight)) return std::nullopt;
  if (const auto key = strip_role(name)) return key;
  const std::size_t adapter = name.rfind('.');
  if (adapter == std::string_view::npos) return std::nullopt;
  const auto key = strip_role(name.substr(0, adapter));
  const bool of_peft = key && (name.substr(0, adapter).ends_with(".lora_A") ||
                               name.substr(0, adapter).ends_with(".lora_B"));
  return of_peft ? key : std::nullopt;
}

std::string underscored(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}

// Attention processors have to_q_lora where the module is to_q, and to_out_lora where it is
// to_out.0.
std::string module_of_processor(std::string_view name) {
  constexpr std::string_view kProcessor = ".processor.";
  std::string module(name);
  if (const std::size_t at = module.find(kProcessor); at != std::string::npos) {
    module.replace(at, kProcessor.size(), ".");
  }
  if (module.ends_with(".to_out")) module += ".0";
  return module;
}

// The weights of a model by what LoRA files call their modules. Of a model that is not at hand
// every module has its own name.
class Modules {
 public:
  explicit Modules(const ParameterShapes* parameters) : parameters_(parameters) {
    if (parameters == nullptr) return;
    for (const auto& [name, shape] : *parameters) {
      std::string_view module = name;
      if (shape.size() < 2 || !strip_suffix(module, kWeight)) continue;
      dotted_.emplace(module, name);
      by_underscores_.emplace(underscored(module),
                              name);  // no two modules of a UNet differ by dots alone
      names_.emplace_back(module);
    }
  }

  // The parameter's name, or nothing.
  [[nodiscard]] std::optional<std::string> find(std::string_view module) const {
    if (strip_prefix(module, kKohyaPrefix)) return look_up(by_underscores_, std::string(module));
    for (const auto prefix : kDottedPrefixes) strip_prefix(module, prefix);
    return look_up(dotted_, module_of_processor(module));
  }

  // Null if the model is not at hand.
  [[nodiscard]] const std::vector<std::int64_t>* shape_of(const std::string& parameter) const {
    return parameters_ == nullptr ? nullptr : &parameters_->find(parameter)->second;
  }

  // " (nearest: NAME)", or nothing.
  [[nodiscard]] std::string nearest(std::string_view module) const {
    if (names_.empty()) return "";
    strip_prefix(module, kKohyaPrefix);
    for (const auto prefix : kDottedPrefixes) strip_prefix(module, prefix);
    return fmt::format(" (nearest: {})", config::closest(module, names_));
  }

 private:
  using Index = std::map<std::string, std::string, std::less<>>;
  [[nodiscard]] std::optional<std::string> look_up(const Index& index,
                                                   const std::string& name) const {
    if (parameters_ == nullptr) return name;
    const auto found = index.find(name);
    return found == index.end() ? std::nullopt : std::optional(found->second);
  }

  const ParameterShapes* parameters_;
  Index dotted_;
  Index by_underscores_;
  std::vector<std::string> names_;
};

Status bad(std::string_view origin, const std::string& cause) {
  return {StatusCode::kBadInput, fmt::format("{}: {}", origin, cause)};
}

// Of another method, part or model, as far as names tell.
Status check_names(const TensorSet& tensors, std::string_view origin) {
  std::vector<std::string_view> names;
  for (const auto& [name, view] : tensors.tensors) names.push_back(name);
  const std::string why = safetensors::why_no_lora(names);
  return why.empty() ? Status() : bad(origin, why);
}

Status unmatched(std::string_view origin, const std::vector<std::string>& keys,
                 const Modules& modules) {
  std::string text =
      fmt::format("is no LoRA of this UNet: {} of its keys match nothing", keys.size());
  for (std::size_t i = 0; i < std::min(keys.size(), kUnmatchedShown); ++i) {
    const auto key = split(keys[i]);
    text += fmt::format("{} {}{}", i == 0 ? ":" : ",", log::printable(keys[i]),
                        modules.nearest(key ? key->module : keys[i]));
  }
  return bad(origin, fmt::format("{}; {}", text, kOtherLora));
}

// The parts of one update while they come in.
struct Parts {
  std::array<const TensorView*, 4> by_role = {};

  [[nodiscard]] const TensorView*& of(Role role) { return by_role[static_cast<std::size_t>(role)]; }
};

// Dimensions without ones at the end: a 1x1 convolution is a linear layer.
std::span<const std::int64_t> significant(std::span<const std::int64_t> shape) {
  while (shape.size() > 1 && shape.back() == 1) shape = shape.first(shape.size() - 1);
  return shape;
}

bool is_matrix(const TensorView& tensor, std::int64_t rows, std::int64_t columns) {
  const auto shape = significant(tensor.shape);
  if (shape.size() == 1) return shape[0] == rows && columns == 1 && tensor.shape.size() >= 2;
  return shape.size() == 2 && shape[0] == rows && shape[1] == columns;
}

// [rows, rest of the weight's shape]
bool has_rest_of(const TensorView& tensor, std::int64_t rows,
                 std::span<const std::int64_t> weight) {
  std::vector<std::int64_t> expected(weight.begin(), weight.end());
  expected[0] = rows;
  const auto actual = significant(tensor.shape);
  const auto wanted = significant(expected);
  return std::equal(actual.begin(), actual.end(), wanted.begin(), wanted.end());
}

// Whether the parts make one update of something.
bool is_pair(const LoraUpdate& update) {
  return update.down.shape.size() >= 2 && update.rank() >= 1 && update.up.shape.size() >= 2 &&
         update.up.shape[1] == update.rank();
}

bool fits(const LoraUpdate& update, std::span<const std::int64_t> weight) {
  if (!is_pair(update)) return false;
  if (!is_matrix(update.up, weight[0], update.rank())) return false;
  if (!update.mid) return has_rest_of(update.down, update.rank(), weight);
  std::vector<std::int64_t> kernel(weight.begin(), weight.end());
  kernel[1] = update.rank();
  return is_matrix(update.down, update.rank(), weight[1]) &&
         has_rest_of(*update.mid, update.rank(), kernel);
}

bool is_float(const TensorView& tensor) {
  constexpr std::array kReal = {DType::kF64,  DType::kF32,    DType::kF16,
                                DType::kBF16, DType::kF8E4M3, DType::kF8E5M2};
  return std::find(kReal.begin(), kReal.end(), tensor.dtype) != kReal.end();
}

std::vector<const TensorView*> parts_of(const LoraUpdate& update) {
  std::vector<const TensorView*> parts = {&update.down, &update.up};
  if (update.mid) parts.push_back(&*update.mid);
  return parts;
}

// Numbers that are quantised otherwise mean nothing without their scales.
Status check_types(const LoraUpdate& update, std::string_view origin) {
  for (const TensorView* tensor : parts_of(update)) {
    if (is_float(*tensor)) continue;
    return bad(
        origin,
        fmt::format("{} is changed by numbers of the type {}, which cannot be added to weights; "
                    "save them as float16 or float32",
                    log::printable(update.parameter), to_string(tensor->dtype)));
  }
  return {};
}

Status check_values(const LoraUpdate& update, std::string_view origin) {
  for (const TensorView* tensor : parts_of(update)) {
    if (!has_unusable_values(*tensor, false)) continue;
    return bad(origin, update.parameter +
                           " is changed by NaN or infinite numbers; fetch the file again, or "
                           "take another LoRA");
  }
  return {};
}

// `weight` is null if the model is not at hand.
Result<LoraUpdate> make_update(const std::string& parameter, Parts& parts,
                               const std::vector<std::int64_t>* weight, std::string_view origin) {
  const std::string name = log::printable(parameter);
  if (parts.of(Role::kDown) == nullptr || parts.of(Role::kUp) == nullptr) {
    return bad(
        origin,
        fmt::format("has only half of what changes {}: its {} part is missing; fetch the file "
                    "again, or save both parts",
                    name, parts.of(Role::kDown) == nullptr ? "down (A)" : "up (B)"));
  }
  LoraUpdate update{parameter, *parts.of(Role::kDown), *parts.of(Role::kUp), std::nullopt,
                    std::nullopt};
  if (parts.of(Role::kMid) != nullptr) update.mid = *parts.of(Role::kMid);
  if (parts.of(Role::kAlpha) != nullptr) update.alpha = *parts.of(Role::kAlpha);
  if (update.alpha && element_count(update.alpha->shape) != 1) {
    return bad(origin, fmt::format("the alpha of {} is not one number; save the LoRA again", name));
  }
  const std::string shapes =
      fmt::format("{} and {}", shape_text(update.up.shape), shape_text(update.down.shape));
  if (weight == nullptr && !is_pair(update)) {
    return bad(
        origin,
        fmt::format("what changes {} are no two matrices that can be multiplied, but {}; fetch "
                    "the file again",
                    name, shapes));
  }
  if (weight != nullptr && !fits(update, *weight)) {
    return bad(origin, fmt::format("{} is {}, but its parts are {}: made for another model; {}",
                                   name, shape_text(*weight), shapes, kOtherLora));
  }
  RETURN_IF_ERROR(check_types(update, origin));
  return update;
}

// What belongs together, by parameter.
Result<std::map<std::string, Parts>> pair_parts(const TensorSet& tensors, const Modules& modules,
                                                std::string_view origin) {
  std::map<std::string, Parts> found;
  std::vector<std::string> strangers;
  for (const auto& [name, view] : tensors.tensors) {
    const auto key = split(name);
    const auto parameter = key ? modules.find(key->module) : std::nullopt;
    if (!parameter) {
      strangers.push_back(name);
      continue;
    }
    const TensorView*& part = found[*parameter].of(key->role);
    if (part != nullptr) {
      return bad(origin, fmt::format("changes {} twice; {} is the second: save it with one of them",
                                     log::printable(*parameter), log::printable(name)));
    }
    part = &view;
  }
  if (!strangers.empty()) return unmatched(origin, strangers, modules);
  return found;
}

Result<std::vector<LoraUpdate>> updates_of(const TensorSet& tensors,
                                           const ParameterShapes* parameters,
                                           std::string_view origin) {
  if (tensors.tensors.empty()) {
    return bad(origin, "holds no LoRA, but nothing at all; name the file that holds the weights");
  }
  RETURN_IF_ERROR(check_names(tensors, origin));
  const Modules modules(parameters);
  ASSIGN_OR_RETURN(auto found, pair_parts(tensors, modules, origin));
  std::vector<LoraUpdate> updates;
  for (auto& [parameter, parts] : found) {
    ASSIGN_OR_RETURN(LoraUpdate update,
                     make_update(parameter, parts, modules.shape_of(parameter), origin));
    updates.push_back(std::move(update));
  }
  return updates;
}

}  // namespace

Result<std::vector<LoraUpdate>> read_lora(const TensorSet& tensors,
                                          const ParameterShapes& parameters,
                                          std::string_view origin) {
  ASSIGN_OR_RETURN(auto updates, updates_of(tensors, &parameters, origin));
  for (const auto& update : updates) RETURN_IF_ERROR(check_values(update, origin));
  return updates;
}

Status check_lora(const TensorSet& tensors, const ParameterShapes* parameters,
                  std::string_view origin) {
  return updates_of(tensors, parameters, origin).status();
}

std::optional<std::string_view> whole_unet_prefix(const TensorSet& tensors) {
  constexpr std::array<std::string_view, 3> kEverywhere = {"conv_in.weight", "conv_out.weight",
                                                           "time_embedding.linear_1.weight"};
  for (const std::string_view prefix : {"", "unet."}) {
    const bool whole =
        std::all_of(kEverywhere.begin(), kEverywhere.end(), [&](std::string_view name) {
          return tensors.tensors.contains(std::string(prefix) + std::string(name));
        });
    if (whole) return prefix;
  }
  return std::nullopt;
}

bool looks_like_lora(const TensorSet& tensors) {
  return std::any_of(tensors.tensors.begin(), tensors.tensors.end(),
                     [](const auto& entry) { return split(entry.first).has_value(); });
}

}  // namespace mimicfleet::weights
