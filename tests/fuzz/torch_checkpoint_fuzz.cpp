#include "common/weights/pickle.h"
#include "common/weights/torch_checkpoint.h"

// The first byte chooses: the whole archive, or the pickle inside it, which a random archive rarely
// reaches.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet::weights;
  if (size == 0) return 0;
  const std::span<const std::uint8_t> bytes(data + 1, size - 1);
  if (data[0] == 'p') {
    (void)pickle::parse(bytes, "fuzz").ok();
    return 0;
  }
  auto buffer = std::make_shared<Buffer>();
  buffer->origin = "fuzz";
  buffer->bytes = bytes;
  const auto set = parse_torch_checkpoint(buffer);
  if (!set.ok()) return 0;
  for (const auto& [name, tensor] : set->tensors) (void)has_unusable_values(tensor, true);
  return 0;
}
