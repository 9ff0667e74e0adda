#include <cstddef>
#include <cstdint>
#include <string_view>

#include "coordinator/config/sentences.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)mimicfleet::coordinator::parse_sentences(text, "fuzz.csv").ok();
  return 0;
}
