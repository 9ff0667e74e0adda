#include <bit>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "common/safetensors/header.h"
#include "common/weights/safetensors.h"

namespace mimicfleet::weights {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are used as they lie in the file");

Status bad(const BufferPtr& buffer, const std::string& cause) {
  return {StatusCode::kBadInput, buffer->origin + ": not a valid safetensors file: " +
                                     log::printable(cause) + "; fetch the file again"};
}

Result<TensorView> view_of(const std::string& name, const safetensors::Entry& entry,
                           std::span<const std::uint8_t> data, const BufferPtr& buffer) {
  const auto dtype = dtype_from(entry.dtype);
  if (!dtype) {
    return Status(
        StatusCode::kBadInput,
        fmt::format("{}: {} is of the type {}, which is not read; save it as float16 or float32",
                    buffer->origin, log::printable(name), log::printable(entry.dtype)));
  }
  const auto count = element_count(entry.shape);
  std::int64_t size = 0;
  if (!count ||
      __builtin_mul_overflow(*count, static_cast<std::int64_t>(item_size(*dtype)), &size)) {
    return bad(buffer, name + " is too large");
  }
  if (entry.end - entry.begin != static_cast<std::uint64_t>(size)) {
    return bad(buffer, name + " does not fit its shape");
  }
  return TensorView{*dtype, entry.shape, contiguous_strides(entry.shape),
                    data.subspan(entry.begin, entry.end - entry.begin), buffer};
}

}  // namespace

Result<TensorSet> parse_safetensors(const BufferPtr& buffer) {
  const std::span<const std::uint8_t> file = buffer->bytes;
  if (file.size() < safetensors::kLengthBytes)
    return bad(buffer, "it is only " + std::to_string(file.size()) + " bytes long");
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), safetensors::kLengthBytes);
  if (length > safetensors::kMaxHeaderBytes || length > file.size() - safetensors::kLengthBytes) {
    return bad(buffer, "its header would be " + std::to_string(length) + " bytes long");
  }
  const std::string_view json(
      reinterpret_cast<const char*>(file.data()) + safetensors::kLengthBytes, length);
  const auto data = file.subspan(safetensors::kLengthBytes + length);
  auto header = safetensors::parse_header(json, data.size());
  if (!header.ok()) return bad(buffer, header.status().message());
  TensorSet set;
  set.metadata = std::move(header->metadata);
  for (const auto& [name, entry] : header->tensors) {
    ASSIGN_OR_RETURN(TensorView view, view_of(name, entry, data, buffer));
    set.tensors.emplace(name, std::move(view));
  }
  return set;
}

Result<TensorSet> open_safetensors(const std::string& path) {
  ASSIGN_OR_RETURN(const BufferPtr buffer, map_file(path));
  return parse_safetensors(buffer);
}

}  // namespace mimicfleet::weights
