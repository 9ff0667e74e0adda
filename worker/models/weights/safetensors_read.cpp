#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/log.h"
#include "worker/models/weights/safetensors.h"

namespace mimicfleet::weights {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are used as they lie in the file");

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::size_t kMaxTensors = 100'000;
constexpr std::size_t kMaxNameBytes = 512;
constexpr std::size_t kMaxMetadataEntries = 1'000;
constexpr std::size_t kMaxRank = 8;

struct Entry {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::uint64_t> offsets;
  bool has_dtype = false;
  bool has_shape = false;
  bool has_offsets = false;
};

// Reads the header by events, so that a hostile one never becomes a tree in memory. Every handler returns
// false, after noting the cause, for what the format does not allow at this place.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::map<std::string, Entry, std::less<>> entries;
  std::map<std::string, std::string, std::less<>> metadata;
  std::string cause;

  bool null() override { return fail("null where the format has none"); }
  bool boolean(bool) override { return fail("true or false where the format has none"); }
  bool number_integer(number_integer_t) override { return fail("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return fail("a number that is no integer"); }
  bool binary(binary_t&) override { return fail("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      if (entry_->shape.size() == kMaxRank) return fail(name_ + " has too many dimensions");
      if (value > INT64_MAX) return fail(name_ + " has a dimension that is too large");
      entry_->shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (place_ == Place::kOffsets) {
      if (entry_->offsets.size() == 2) return fail(name_ + " has more than two offsets");
      entry_->offsets.push_back(value);
      return true;
    }
    return fail("a number where the format has none");
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      metadata[key_] = std::move(value);
      return true;
    }
    if (place_ == Place::kEntry && key_ == "dtype") {
      entry_->dtype = std::move(value);
      return true;
    }
    return fail("a string where the format has none");
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) return go(Place::kTop);
    if (place_ == Place::kTop && name_ == "__metadata__") return go(Place::kMetadata);
    if (place_ == Place::kTop) return go(Place::kEntry);
    return fail("an object where the format has none");
  }

  bool end_object() override { return go(place_ == Place::kTop ? Place::kEnd : Place::kTop); }

  bool start_array(std::size_t) override {
    if (place_ == Place::kEntry && key_ == "shape") return go(Place::kShape);
    if (place_ == Place::kEntry && key_ == "data_offsets") return go(Place::kOffsets);
    return fail("an array where the format has none");
  }

  bool end_array() override { return go(Place::kEntry); }

  bool key(string_t& value) override {
    if (value.size() > kMaxNameBytes) return fail("a name longer than " + std::to_string(kMaxNameBytes));
    if (place_ == Place::kTop) return tensor_name(value);
    key_ = value;
    if (place_ == Place::kMetadata) {
      if (metadata.size() == kMaxMetadataEntries) return fail("too many metadata entries");
      return !metadata.contains(key_) || fail("the metadata name " + key_ + " twice");
    }
    bool* seen = key_ == "dtype"          ? &entry_->has_dtype
                 : key_ == "shape"        ? &entry_->has_shape
                 : key_ == "data_offsets" ? &entry_->has_offsets
                                          : nullptr;
    if (seen == nullptr) return fail("the unknown key " + key_ + " at " + name_);
    return !std::exchange(*seen, true) || fail(key_ + " of " + name_ + " twice");
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    return fail("no valid JSON at byte " + std::to_string(kLengthBytes + position));
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kEntry, kShape, kOffsets, kEnd };

  bool tensor_name(const std::string& name) {
    name_ = name;
    if (name == "__metadata__") {
      return !std::exchange(has_metadata_, true) || fail("__metadata__ twice");
    }
    if (entries.size() == kMaxTensors) return fail("too many tensors");
    const auto [at, added] = entries.try_emplace(name);
    entry_ = &at->second;
    return added || fail("the tensor " + name + " twice");
  }

  bool go(Place place) {
    place_ = place;
    return true;
  }

  bool fail(std::string text) {
    if (cause.empty()) cause = std::move(text);
    return false;
  }

  Place place_ = Place::kStart;
  std::string name_;  // the tensor being read
  std::string key_;   // the member of it, or of the metadata
  Entry* entry_ = nullptr;
  bool has_metadata_ = false;
};

Status bad(const BufferPtr& buffer, const std::string& cause) {
  return {StatusCode::kBadInput, buffer->origin + ": not a valid safetensors file: " + log::printable(cause) +
                                     "; fetch the file again"};
}

// The tensor's bytes, if type, shape and offsets fit each other and the data.
Result<TensorView> view_of(const std::string& name, const Entry& entry, std::span<const std::uint8_t> data,
                           const BufferPtr& buffer) {
  if (!entry.has_dtype || !entry.has_shape || entry.offsets.size() != 2) {
    return bad(buffer, name + " lacks dtype, shape or data_offsets");
  }
  const auto dtype = dtype_from(entry.dtype);
  if (!dtype) return bad(buffer, name + " has the unsupported type " + entry.dtype);
  const auto count = element_count(entry.shape);
  std::int64_t size = 0;
  if (!count || __builtin_mul_overflow(*count, static_cast<std::int64_t>(item_size(*dtype)), &size)) {
    return bad(buffer, name + " is too large");
  }
  const std::uint64_t begin = entry.offsets[0];
  const std::uint64_t end = entry.offsets[1];
  if (begin > end || end > data.size()) return bad(buffer, name + " lies outside the file");
  if (end - begin != static_cast<std::uint64_t>(size)) return bad(buffer, name + " does not fit its shape");
  return TensorView{*dtype, entry.shape, contiguous_strides(entry.shape), data.subspan(begin, end - begin),
                    buffer};
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
  if (length > kMaxHeaderBytes || length > file.size() - kLengthBytes) {
    return bad(buffer, "its header would be " + std::to_string(length) + " bytes long");
  }
  const auto header = file.subspan(kLengthBytes, length);
  if (header.empty() || header.front() != '{') return bad(buffer, "its header does not begin with {");
  const auto data = file.subspan(kLengthBytes + length);

  HeaderReader reader;
  if (!nlohmann::json::sax_parse(header.begin(), header.end(), &reader)) return bad(buffer, reader.cause);

  TensorSet set;
  set.metadata = std::move(reader.metadata);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, entry] : reader.entries) {
    ASSIGN_OR_RETURN(TensorView view, view_of(name, entry, data, buffer));
    ranges.emplace_back(entry.offsets[0], entry.offsets[1]);
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
