#include <cstddef>
#include <cstdint>
#include <string_view>

#include "coordinator/client/saved_latents.h"

// The header of a file of latents as a client reads it; the first two bytes say how many bytes
// follow it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet;
  if (size < 2) return 0;
  const std::uint64_t data_bytes = data[0] | data[1] << 8;
  const std::string_view json(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto header = safetensors::parse_header(json, data_bytes);
  if (!header.ok()) return 0;
  const auto file = coordinator::describe_latents(*header);
  if (file.ok()) {
    (void)coordinator::latents_differ(*file, {}, {});
    (void)coordinator::latents_made_with(*file, {}, {});
  }
  return 0;
}
