#include "worker/formats/array_bytes.h"

#include <charconv>
#include <memory>

#include <fmt/format.h>

namespace mimicfleet::formats {

Result<weights::TensorSet> parse_arrays(std::string bytes, const std::string& origin) {
  const auto owner = std::make_shared<const std::string>(std::move(bytes));
  auto buffer = std::make_shared<weights::Buffer>();
  buffer->origin = origin;
  buffer->bytes = {reinterpret_cast<const std::uint8_t*>(owner->data()), owner->size()};
  buffer->owner = owner;
  return weights::parse_safetensors(buffer);
}

Result<weights::TensorView> array_of(const weights::TensorSet& set, const std::string& name,
                                     weights::DType dtype, std::size_t dimensions) {
  const auto found = set.tensors.find(name);
  if (found != set.tensors.end() && found->second.dtype == dtype &&
      found->second.shape.size() == dimensions) {
    return found->second;
  }
  return Status(StatusCode::kBadInput,
                fmt::format("it has no tensor '{}' of type {} with {} dimensions", name,
                            to_string(dtype), dimensions));
}

Result<std::int64_t> integer_of(const weights::TensorSet& set, const std::string& name,
                                std::int64_t limit) {
  const auto found = set.metadata.find(name);
  std::int64_t value = -1;
  if (found != set.metadata.end()) {
    const char* const end = found->second.data() + found->second.size();
    const auto [rest, error] = std::from_chars(found->second.data(), end, value);
    if (error != std::errc() || rest != end) value = -1;
  }
  if (value >= 0 && value <= limit) return value;
  return Status(StatusCode::kBadInput,
                fmt::format("its '{}' is no number of 0 to {}", name, limit));
}

}  // namespace mimicfleet::formats
