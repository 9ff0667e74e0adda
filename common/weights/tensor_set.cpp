#include "common/weights/tensor_set.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "common/files/io.h"

namespace mimicfleet::weights {
namespace {

struct DTypeRow {
  DType dtype;
  std::string_view name;
  std::size_t size;
};
constexpr std::array<DTypeRow, 12> kDTypes = {{{DType::kF64, "F64", 8},
                                               {DType::kF32, "F32", 4},
                                               {DType::kF16, "F16", 2},
                                               {DType::kBF16, "BF16", 2},
                                               {DType::kI64, "I64", 8},
                                               {DType::kI32, "I32", 4},
                                               {DType::kI16, "I16", 2},
                                               {DType::kI8, "I8", 1},
                                               {DType::kU8, "U8", 1},
                                               {DType::kF8E4M3, "F8_E4M3", 1},
                                               {DType::kF8E5M2, "F8_E5M2", 1},
                                               {DType::kBool, "BOOL", 1}}};

const DTypeRow& row(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)]; }

// Whether any element, its sign bit off, has at least the bits of `limit`: floating-point numbers
// sort like their bits, and infinity and NaN are above all others. Blocks of constant size so that
// compilers vectorise it.
template <typename Bits>
bool any_at_least(std::span<const std::uint8_t> bytes, Bits limit) {
  constexpr std::size_t kBlock = 1024;
  constexpr Bits kMagnitude = std::numeric_limits<Bits>::max() >> 1;
  const std::size_t count = bytes.size() / sizeof(Bits);
  std::array<Bits, kBlock> block;
  for (std::size_t at = 0; at < count; at += kBlock) {
    const std::size_t length = std::min(kBlock, count - at);
    if (length < kBlock) block.fill(0);
    std::memcpy(block.data(), bytes.data() + at * sizeof(Bits), length * sizeof(Bits));
    Bits largest = 0;
    for (const Bits bits : block) {
      const Bits magnitude = bits & kMagnitude;
      largest = magnitude > largest ? magnitude : largest;
    }
    if (largest >= limit) return true;
  }
  return false;
}

}  // namespace

std::size_t item_size(DType dtype) { return row(dtype).size; }
std::string_view to_string(DType dtype) { return row(dtype).name; }

std::optional<DType> dtype_from(std::string_view safetensors_name) {
  for (const auto& candidate : kDTypes) {
    if (candidate.name == safetensors_name) return candidate.dtype;
  }
  return std::nullopt;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t dimension : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(dimension);
  }
  return text + "]";
}

std::optional<std::int64_t> element_count(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  bool empty = false;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    if (dimension == 0) empty = true;
    if (dimension > 0 && __builtin_mul_overflow(count, dimension, &count)) return std::nullopt;
  }
  return empty ? 0 : count;
}

std::vector<std::int64_t> contiguous_strides(std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * std::max<std::int64_t>(shape[i], 1);
  }
  return strides;
}

Result<BufferPtr> map_file(const std::string& path) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  return map_file(fd.get(), path);
}

Result<BufferPtr> map_file(int fd, const std::string& origin) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return file_error(origin, "cannot be examined", errno);
  auto buffer = std::make_shared<Buffer>();
  buffer->origin = origin;
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0) return BufferPtr(std::move(buffer));
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address == MAP_FAILED) return file_error(origin, "cannot be mapped", errno);
  buffer->bytes = {static_cast<const std::uint8_t*>(address), size};
  buffer->owner = std::shared_ptr<const void>(
      address, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); });
  return BufferPtr(std::move(buffer));
}

TensorSet TensorSet::with_prefix(std::string_view prefix) const {
  TensorSet result;
  result.metadata = metadata;
  for (auto at = tensors.lower_bound(prefix); at != tensors.end() && at->first.starts_with(prefix);
       ++at) {
    result.tensors.emplace(at->first.substr(prefix.size()), at->second);
  }
  return result;
}

bool has_unusable_values(const TensorView& tensor, bool for_half) {
  switch (tensor.dtype) {
    case DType::kF64:  // 65520, which rounds to infinity in half precision; or infinity
      return any_at_least<std::uint64_t>(tensor.bytes,
                                         for_half ? 0x40EFFE0000000000U : 0x7FF0000000000000U);
    case DType::kF32:
      return any_at_least<std::uint32_t>(tensor.bytes, for_half ? 0x477FF000U : 0x7F800000U);
    case DType::kBF16:
      return any_at_least<std::uint16_t>(tensor.bytes, for_half ? 0x4780U : 0x7F80U);
    case DType::kF16:
      return any_at_least<std::uint16_t>(tensor.bytes, 0x7C00U);
    case DType::kF8E4M3:  // has no infinity, and one NaN
      return any_at_least<std::uint8_t>(tensor.bytes, 0x7FU);
    case DType::kF8E5M2:
      return any_at_least<std::uint8_t>(tensor.bytes, 0x7CU);
    default:
      return false;
  }
}

}  // namespace mimicfleet::weights
