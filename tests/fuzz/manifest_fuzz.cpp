#include <cstdint>
#include <string_view>

#include "coordinator/config/manifest.h"

// The first byte chooses the format.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  using mimicfleet::coordinator::ManifestFormat;
  const auto format = static_cast<ManifestFormat>(data[0] % 4);
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  static_cast<void>(mimicfleet::coordinator::parse_manifest(text, "fuzz", format));
  return 0;
}
