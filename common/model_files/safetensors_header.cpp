#include "common/model_files/safetensors_header.h"

#include <algorithm>
#include <utility>

#include "common/bytes.h"
#include "common/files/file_identity.h"
#include "common/files/io.h"
#include "common/json/json.h"
#include "common/log.h"

namespace mimicfleet::safetensors {
namespace {

constexpr std::size_t kMaxNameBytes = 512;
constexpr wire::Limits kLimits = {.bytes = kMaxHeaderBytes,
                                  .array_size = kMaxRank,
                                  .map_size = 1 << 14,
                                  .string_bytes = 1 << 20,
                                  .depth = 3,
                                  .values = 1 << 18};

Status bad(const std::string& cause) { return {StatusCode::kBadInput, cause}; }

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
Result<Entry> read_entry(const std::string& name, const wire::Value& value) {
  if (name.size() > kMaxNameBytes)
    return bad("a name is longer than " + std::to_string(kMaxNameBytes));
  const auto* members = value.get_if<wire::Map>();
  if (members == nullptr || members->size() != 3)
    return bad(name + " has no dtype, shape and data_offsets");
  Entry entry;
  const wire::Value* type = value.find("dtype");
  const auto* type_name = type == nullptr ? nullptr : type->get_if<std::string>();
  if (type_name == nullptr) return bad(name + " has no dtype");
  entry.dtype = *type_name;
  if (!read_sizes(value.find("shape"), &entry.shape)) return bad(name + " has no valid shape");
  std::vector<std::int64_t> offsets;
  if (!read_sizes(value.find("data_offsets"), &offsets) || offsets.size() != 2) {
    return bad(name + " has no valid data_offsets");
  }
  entry.begin = static_cast<std::uint64_t>(offsets[0]);
  entry.end = static_cast<std::uint64_t>(offsets[1]);
  return entry;
}

Status read_metadata(const wire::Value& value, Header& header) {
  const auto* members = value.get_if<wire::Map>();
  if (members == nullptr) return bad("__metadata__ is no object");
  for (const auto& [name, text] : *members) {
    const auto* string = text.get_if<std::string>();
    if (string == nullptr) return bad("__metadata__ holds something else than strings");
    header.metadata.emplace(name, *string);
  }
  return {};
}

Status check_places(const Header& header, std::uint64_t data_bytes) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, entry] : header.tensors) {
    if (entry.begin > entry.end || entry.end > data_bytes)
      return bad(name + " lies outside the file");
    ranges.emplace_back(entry.begin, entry.end);
  }
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t end = 0;
  for (const auto& [from, to] : ranges) {
    if (from != end) return bad("tensors overlap or leave gaps at byte " + std::to_string(end));
    end = to;
  }
  return end == data_bytes ? Status() : bad("it is longer or shorter than its tensors");
}

Result<std::string> read_exactly(int fd, std::uint64_t offset, std::uint64_t size,
                                 const std::string& path) {
  ASSIGN_OR_RETURN(std::string bytes, read_at(fd, offset, size, path, StatusCode::kBadInput));
  if (bytes.size() < size) return bad("it ends too early");
  return bytes;
}

Result<Header> read_from(int fd, std::uint64_t size, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string prefix, read_exactly(fd, 0, kLengthBytes, path));
  const std::uint64_t length = from_little_endian(prefix);
  if (length > kMaxHeaderBytes || length > size - kLengthBytes) {
    return bad("its header would be " + std::to_string(length) + " bytes long");
  }
  ASSIGN_OR_RETURN(const std::string json, read_exactly(fd, kLengthBytes, length, path));
  return parse_header(json, size - kLengthBytes - length);
}

}  // namespace

Result<Header> parse_header(std::string_view json, std::uint64_t data_bytes) {
  if (!json.starts_with('{')) return bad("its header does not begin with {");
  const auto document = json::parse(json, kLimits);
  if (!document.ok()) return document.status();
  Header header;
  header.data_offset = kLengthBytes + json.size();
  for (const auto& [name, value] : *document->get_if<wire::Map>()) {
    if (name == "__metadata__") {
      RETURN_IF_ERROR(read_metadata(value, header));
      continue;
    }
    ASSIGN_OR_RETURN(Entry entry, read_entry(name, value));
    header.tensors.emplace(name, std::move(entry));
  }
  RETURN_IF_ERROR(check_places(header, data_bytes));
  return header;
}

Result<Header> read_header(const std::string& path) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  ASSIGN_OR_RETURN(const FileIdentity identity, identity_of(fd.get(), path));
  auto header = read_from(fd.get(), identity.size, path);
  if (header.ok()) return header;
  return Status(header.status().code(), path + ": not a valid safetensors file: " +
                                            log::printable(header.status().message()));
}

}  // namespace mimicfleet::safetensors
