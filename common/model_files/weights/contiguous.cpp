#include "common/model_files/weights/contiguous.h"

namespace mimicfleet::weights {

std::vector<std::uint8_t> contiguous_bytes(const TensorView& tensor) {
  if (tensor.contiguous()) return {tensor.bytes.begin(), tensor.bytes.end()};
  const std::size_t item = item_size(tensor.dtype);
  const auto count = static_cast<std::size_t>(element_count(tensor.shape).value());
  std::vector<std::uint8_t> bytes;
  bytes.reserve(count * item);
  std::vector<std::int64_t> place(tensor.shape.size(), 0);
  for (std::size_t i = 0; i < count; ++i) {
    std::int64_t offset = 0;
    for (std::size_t d = 0; d < place.size(); ++d) offset += place[d] * tensor.strides[d];
    const auto element = tensor.bytes.subspan(static_cast<std::size_t>(offset) * item, item);
    bytes.insert(bytes.end(), element.begin(), element.end());
    for (std::size_t d = place.size(); d-- > 0;) {
      if (++place[d] < tensor.shape[d]) break;
      place[d] = 0;
    }
  }
  return bytes;
}

}  // namespace mimicfleet::weights
