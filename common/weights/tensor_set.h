#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace mimicfleet::weights {

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kF8E4M3, kF8E5M2, kBool };

[[nodiscard]] std::size_t item_size(DType dtype);
[[nodiscard]] std::string_view to_string(DType dtype);  // as safetensors spells it: "F16"
[[nodiscard]] std::optional<DType> dtype_from(std::string_view safetensors_name);

// "[320, 4, 3, 3]"
[[nodiscard]] std::string shape_text(std::span<const std::int64_t> shape);

// The number of elements, or nothing if it does not fit into 63 bits or a dimension is negative.
[[nodiscard]] std::optional<std::int64_t> element_count(std::span<const std::int64_t> shape);

[[nodiscard]] std::vector<std::int64_t> contiguous_strides(std::span<const std::int64_t> shape);

// Bytes that stay valid and unchanged as long as the Buffer lives, and where they come from.
struct Buffer {
  std::string origin;  // a path, for messages
  std::span<const std::uint8_t> bytes;
  std::shared_ptr<const void> owner;
};
using BufferPtr = std::shared_ptr<const Buffer>;

// Maps a regular file read-only. The file must not shrink while the map lives.
[[nodiscard]] Result<BufferPtr> map_file(const std::string& path);
[[nodiscard]] Result<BufferPtr> map_file(int fd, const std::string& origin);

// A tensor inside a Buffer; the readers have checked that every element lies inside.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;    // in elements
  std::span<const std::uint8_t> bytes;  // from the first element to the end of the last
  BufferPtr buffer;

  [[nodiscard]] bool contiguous() const { return strides == contiguous_strides(shape); }
};

// Named tensors of one or several files, with the strings that the files carry beside them.
struct TensorSet {
  std::map<std::string, TensorView, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> metadata;

  // Those whose name starts with `prefix`, without it.
  [[nodiscard]] TensorSet with_prefix(std::string_view prefix) const;
};

// True if an element is NaN, infinite, or too large for a half-precision number when `for_half`.
// Reads each byte once; integers always pass.
[[nodiscard]] bool has_unusable_values(const TensorView& tensor, bool for_half);

}  // namespace mimicfleet::weights
