#include "worker/models/nn/model_config.h"

#include <fmt/format.h>

#include "common/files/read_text.h"
#include "common/json/json.h"
#include "common/log.h"

namespace mimicfleet::nn {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;

// Numbers as config files mix them: 1, 1.0.
bool as_number(const wire::Value& value, double* number) {
  if (const auto* u = value.get_if<std::uint64_t>()) return *number = static_cast<double>(*u), true;
  if (const auto* i = value.get_if<std::int64_t>()) return *number = static_cast<double>(*i), true;
  if (const auto* d = value.get_if<double>()) return *number = *d, true;
  return false;
}

bool as_integer(const wire::Value& value, std::int64_t min, std::int64_t max,
                std::int64_t* integer) {
  const auto* u = value.get_if<std::uint64_t>();
  if (u == nullptr || *u > INT64_MAX) return false;
  *integer = static_cast<std::int64_t>(*u);
  return *integer >= min && *integer <= max;
}

}  // namespace

Result<ModelConfig> ModelConfig::read(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_text(path, kMaxBytes));
  auto document = json::parse(text);
  if (!document.ok()) return document.status().prefixed(path);
  if (document->get_if<wire::Map>() == nullptr) {
    return Status(StatusCode::kBadInput, path + ": not a model's configuration: no JSON object");
  }
  return ModelConfig(path, std::move(*document));
}

Status ModelConfig::unsupported(std::string_view key, std::string_view possible) const {
  const wire::Value* value = document_.find(key);
  const std::string now =
      value == nullptr ? "missing" : log::printable(json::to_text(*value).substr(0, 100));
  return {StatusCode::kUnsupported,
          fmt::format("{}: {} is {}; supported: {}", path_, key, now, possible)};
}

Result<std::int64_t> ModelConfig::integer(std::string_view key, std::int64_t min,
                                          std::int64_t max) const {
  const wire::Value* value = document_.find(key);
  std::int64_t integer = 0;
  if (value != nullptr && as_integer(*value, min, max, &integer)) return integer;
  return unsupported(key, fmt::format("an integer from {} to {}", min, max));
}

Result<double> ModelConfig::number(std::string_view key, double min, double max) const {
  const wire::Value* value = document_.find(key);
  double number = 0;
  if (value != nullptr && as_number(*value, &number) && number >= min && number <= max)
    return number;
  return unsupported(key, fmt::format("a number from {} to {}", min, max));
}

Result<std::vector<std::int64_t>> ModelConfig::integers(std::string_view key, std::size_t size,
                                                        std::int64_t min, std::int64_t max) const {
  const wire::Value* value = document_.find(key);
  const auto complaint = fmt::format("{} integers from {} to {}", size, min, max);
  if (value == nullptr) return unsupported(key, complaint);
  std::int64_t integer = 0;
  if (as_integer(*value, min, max, &integer)) return std::vector<std::int64_t>(size, integer);
  const auto* array = value->get_if<wire::Array>();
  if (array == nullptr || array->size() != size) return unsupported(key, complaint);
  std::vector<std::int64_t> integers;
  for (const auto& item : *array) {
    if (!as_integer(item, min, max, &integer)) return unsupported(key, complaint);
    integers.push_back(integer);
  }
  return integers;
}

Result<std::vector<std::string>> ModelConfig::strings(std::string_view key) const {
  const wire::Value* value = document_.find(key);
  const auto* array = value == nullptr ? nullptr : value->get_if<wire::Array>();
  if (array == nullptr) return unsupported(key, "a list of strings");
  std::vector<std::string> strings;
  for (const auto& item : *array) {
    const auto* string = item.get_if<std::string>();
    if (string == nullptr) return unsupported(key, "a list of strings");
    strings.push_back(*string);
  }
  return strings;
}

Result<bool> ModelConfig::flag(std::string_view key, bool otherwise) const {
  const wire::Value* value = document_.find(key);
  if (value == nullptr) return otherwise;
  const auto* flag = value->get_if<bool>();
  if (flag == nullptr) return unsupported(key, "true or false");
  return *flag;
}

Result<std::string> ModelConfig::text(std::string_view key) const {
  const wire::Value* value = document_.find(key);
  const auto* string = value == nullptr ? nullptr : value->get_if<std::string>();
  if (string == nullptr) return unsupported(key, "a string");
  return *string;
}

Status ModelConfig::expect(std::string_view key, const wire::Value& only) const {
  const wire::Value* value = document_.find(key);
  if (value == nullptr || *value == only) return {};
  return unsupported(key, "only " + json::to_text(only));
}

}  // namespace mimicfleet::nn
