#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/json/json.h"

// What is accepted must be written and read again as the same value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet;
  const auto value = json::parse({reinterpret_cast<const char*>(data), size});
  if (!value.ok()) return 0;
  const auto again = json::parse(json::to_text(*value));
  if (!again.ok() || !(*again == *value)) std::abort();
  return 0;
}
