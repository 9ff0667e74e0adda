#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "common/json/json.h"
#include "common/log.h"
#include "worker/models/weights/safetensors.h"

namespace mimicfleet::weights {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are used as they lie in the file");

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::size_t kMaxNameBytes = 512;
constexpr std::size_t kMaxRank = 8;
constexpr wire::Limits kHeaderLimits = {.bytes = 100'000'000,
                                        .array_size = kMaxRank,
                                        .map_size = 1 << 14,
                                        .string_bytes = 1 << 20,
                                        .depth = 3,
                                        .values = 1 << 18};

Status bad(const BufferPtr& buffer, const std::string& cause) {
  return {StatusCode::kBadInput, buffer->origin + ": not a valid safetensors file: " + log::printable(cause) +
                                     "; fetch the file again"};
}

struct Entry {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// Sizes as the format has them: integers that are not negative and fit into 63 bits.
bool read_sizes(const wire::Value* value, std::vector<std::int64_t>* sizes) {
  const auto* array = value == nullptr ? nullptr : value->get_if<wire::Array>();
  if (array == nullptr) return false;
  for (const auto& item : *array) {
    const auto* size = item.get_if<std::uint64_t>();
    if (size == nullptr || *size > INT64_MAX) return false;
    sizes->push_back(static_cast<std::int64_t>(*size));
  }
  return true;
}

// {"dtype": "F16", "shape": [320, 4], "data_offsets": [0, 2560]}
Result<Entry> read_entry(const std::string& name, const wire::Value& value, const BufferPtr& buffer) {
  if (name.size() > kMaxNameBytes)
    return bad(buffer, "a name is longer than " + std::to_string(kMaxNameBytes));
  const auto* members = value.get_if<wire::Map>();
  if (members == nullptr || members->size() != 3)
    return bad(buffer, name + " has no dtype, shape and data_offsets");
  Entry entry;
  const wire::Value* type = value.find("dtype");
  const auto* type_name = type == nullptr ? nullptr : type->get_if<std::string>();
  if (type_name == nullptr) return bad(buffer, name + " has no dtype");
  const auto dtype = dtype_from(*type_name);
  if (!dtype) return bad(buffer, name + " has the unsupported type " + *type_name);
  entry.dtype = *dtype;
  if (!read_sizes(value.find("shape"), &entry.shape)) return bad(buffer, name + " has no valid shape");
  std::vector<std::int64_t> offsets;
  if (!read_sizes(value.find("data_offsets"), &offsets) || offsets.size() != 2) {
    return bad(buffer, name + " has no valid data_offsets");
  }
  entry.begin = static_cast<std::uint64_t>(offsets[0]);
  entry.end = static_cast<std::uint64_t>(offsets[1]);
  return entry;
}

Result<TensorView> view_of(const std::string& name, const Entry& entry, std::span<const std::uint8_t> data,
                           const BufferPtr& buffer) {
  const auto count = element_count(entry.shape);
  std::int64_t size = 0;
  if (!count || __builtin_mul_overflow(*count, static_cast<std::int64_t>(item_size(entry.dtype)), &size)) {
    return bad(buffer, name + " is too large");
  }
  if (entry.begin > entry.end || entry.end > data.size()) return bad(buffer, name + " lies outside the file");
  if (entry.end - entry.begin != static_cast<std::uint64_t>(size)) {
    return bad(buffer, name + " does not fit its shape");
  }
  return TensorView{entry.dtype, entry.shape, contiguous_strides(entry.shape),
                    data.subspan(entry.begin, entry.end - entry.begin), buffer};
}

Status read_metadata(const wire::Value& value, const BufferPtr& buffer, TensorSet& set) {
  const auto* members = value.get_if<wire::Map>();
  if (members == nullptr) return bad(buffer, "__metadata__ is no object");
  for (const auto& [name, text] : *members) {
    const auto* string = text.get_if<std::string>();
    if (string == nullptr) return bad(buffer, "__metadata__ holds something else than strings");
    set.metadata.emplace(name, *string);
  }
  return {};
}

Status check_no_gaps(std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges, std::uint64_t size,
                     const BufferPtr& buffer) {
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t end = 0;
  for (const auto& [from, to] : ranges) {
    if (from != end) return bad(buffer, "tensors overlap or leave gaps at byte " + std::to_string(end));
    end = to;
  }
  if (end != size) return bad(buffer, "it is longer or shorter than its tensors");
  return {};
}

}  // namespace

Result<TensorSet> parse_safetensors(const BufferPtr& buffer) {
  const std::span<const std::uint8_t> file = buffer->bytes;
  if (file.size() < kLengthBytes)
    return bad(buffer, "it is only " + std::to_string(file.size()) + " bytes long");
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kHeaderLimits.bytes || length > file.size() - kLengthBytes) {
    return bad(buffer, "its header would be " + std::to_string(length) + " bytes long");
  }
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  if (!header.starts_with('{')) return bad(buffer, "its header does not begin with {");
  const auto data = file.subspan(kLengthBytes + length);

  const auto document = json::parse(header, kHeaderLimits);
  if (!document.ok()) return bad(buffer, document.status().message());
  TensorSet set;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, value] : *document->get_if<wire::Map>()) {
    if (name == "__metadata__") {
      RETURN_IF_ERROR(read_metadata(value, buffer, set));
      continue;
    }
    ASSIGN_OR_RETURN(const Entry entry, read_entry(name, value, buffer));
    ASSIGN_OR_RETURN(TensorView view, view_of(name, entry, data, buffer));
    ranges.emplace_back(entry.begin, entry.end);
    set.tensors.emplace(name, std::move(view));
  }
  RETURN_IF_ERROR(check_no_gaps(std::move(ranges), data.size(), buffer));
  return set;
}

Result<TensorSet> open_safetensors(const std::string& path) {
  ASSIGN_OR_RETURN(const BufferPtr buffer, map_file(path));
  return parse_safetensors(buffer);
}

}  // namespace mimicfleet::weights
