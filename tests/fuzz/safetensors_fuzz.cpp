#include "common/model_files/weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet::weights;
  auto buffer = std::make_shared<Buffer>();
  buffer->origin = "fuzz";
  buffer->bytes = {data, size};
  const auto set = parse_safetensors(buffer);
  if (!set.ok()) return 0;
  for (const auto& [name, tensor] : set->tensors) (void)has_unusable_values(tensor, true);
  return 0;
}
