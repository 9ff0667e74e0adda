#include "coordinator/client/lora_scaling.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "common/files/read_text.h"
#include "common/json/json.h"
#include "common/log.h"
#include "common/safetensors/header.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfigName = "adapter_config.json";
constexpr std::string_view kUsualStem = "adapter_model";  // the file that PEFT writes beside it
constexpr std::string_view kHeaderKey = "lora_adapter_metadata";  // of diffusers
constexpr std::size_t kMaxConfigBytes = 4 << 20;

Status refused(const std::string& where, const std::string& cause) {
  return {StatusCode::kBadInput, fmt::format("{}: {}", where, cause)};
}

// A LoRA's configuration, whose members have names that begin with `prefix`.
class AdapterConfig {
 public:
  AdapterConfig(wire::Value value, std::string prefix, std::string where)
      : value_(std::move(value)), prefix_(std::move(prefix)), where_(std::move(where)) {}

  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }

  [[nodiscard]] Result<double> scaling() const {
    RETURN_IF_ERROR(check_method());
    const auto alpha = number("lora_alpha");
    const auto rank = number("r");
    if (!alpha || !rank || *rank < 1)
      return refused(where_, "must say lora_alpha and r, r being 1 or more");
    return *alpha / (is_true("use_rslora") ? std::sqrt(*rank) : *rank);
  }

 private:
  [[nodiscard]] const wire::Value* find(std::string_view name) const {
    return value_.find(prefix_ + std::string(name));
  }
  [[nodiscard]] bool is_true(std::string_view name) const {
    const auto* value = find(name);
    const bool* flag = value == nullptr ? nullptr : value->get_if<bool>();
    return flag != nullptr && *flag;
  }
  [[nodiscard]] std::optional<double> number(std::string_view name) const {
    const auto* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (const auto* real = value->get_if<double>()) return *real;
    if (const auto* whole = value->get_if<std::uint64_t>()) return static_cast<double>(*whole);
    if (const auto* negative = value->get_if<std::int64_t>()) return static_cast<double>(*negative);
    return std::nullopt;
  }
  [[nodiscard]] Status check_method() const {
    const auto* type = find("peft_type");
    const auto* method = type == nullptr ? nullptr : type->get_if<std::string>();
    if (method != nullptr && *method != "LORA") {
      return refused(
          where_, fmt::format("peft_type {} is not supported, only LORA", log::printable(*method)));
    }
    if (is_true("use_dora"))
      return refused(where_, "use_dora is not supported: merge it into the UNet");
    for (const char* pattern : {"alpha_pattern", "rank_pattern"}) {
      const auto* value = find(pattern);
      const auto* modules = value == nullptr ? nullptr : value->get_if<wire::Map>();
      if (modules != nullptr && !modules->empty()) {
        return refused(
            where_, fmt::format("{} is not supported: save the LoRA with an alpha for each module, "
                                "as kohya's files have, or merge it into the UNet",
                                pattern));
      }
    }
    return {};
  }

  wire::Value value_;
  std::string prefix_;
  std::string where_;
};

bool has_alphas(const safetensors::Header& header) {
  return std::any_of(header.tensors.begin(), header.tensors.end(),
                     [](const auto& tensor) { return tensor.first.ends_with(".alpha"); });
}

bool is_of_peft(const safetensors::Header& header) {
  return std::any_of(header.tensors.begin(), header.tensors.end(), [](const auto& tensor) {
    return tensor.first.find(".lora_A.") != std::string::npos;
  });
}

Result<std::optional<AdapterConfig>> config_in_header(const std::string& path,
                                                      const safetensors::Header& header) {
  const auto text = header.metadata.find(kHeaderKey);
  if (text == header.metadata.end()) return std::optional<AdapterConfig>();
  const std::string where = fmt::format("{}: {} of its header", path, kHeaderKey);
  auto value = json::parse(text->second);
  if (!value.ok()) return value.status().prefixed(where);
  for (const char* prefix : {"unet.", ""}) {
    AdapterConfig config(*value, prefix, where);
    if (config.has("lora_alpha")) return std::optional(std::move(config));
  }
  return std::optional<AdapterConfig>();
}

Result<std::optional<AdapterConfig>> config_beside(const fs::path& path) {
  const std::string file = path.parent_path() / kConfigName;
  std::error_code error;
  if (!fs::exists(file, error)) return std::optional<AdapterConfig>();
  ASSIGN_OR_RETURN(const std::string text, read_text(file, kMaxConfigBytes));
  auto value = json::parse(text);
  if (!value.ok()) return value.status().prefixed(file);
  return std::optional(AdapterConfig(std::move(*value), "", file));
}

// Of a file that cannot be read as safetensors nothing is said: who opens it says what is wrong.
Result<std::optional<AdapterConfig>> find_config(const fs::path& path) {
  const auto header = safetensors::read_header(path);
  if (!header.ok()) {
    return path.stem() == kUsualStem ? config_beside(path) : std::optional<AdapterConfig>();
  }
  if (has_alphas(*header)) return std::optional<AdapterConfig>();
  ASSIGN_OR_RETURN(auto own, config_in_header(path, *header));
  if (own || !is_of_peft(*header)) return own;
  return config_beside(path);
}

}  // namespace

Result<double> lora_scaling(const std::string& path) {
  ASSIGN_OR_RETURN(const auto config, find_config(path));
  return config ? config->scaling() : Result<double>(1.0);
}

}  // namespace mimicfleet::coordinator
