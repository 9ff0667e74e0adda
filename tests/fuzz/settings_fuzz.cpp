#include <cstdint>
#include <string_view>

#include "common/config/settings_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(mimicfleet::config::parse_settings(text, "fuzz"));
  return 0;
}
