#include <cstdint>
#include <string_view>
#include <vector>

#include "coordinator/config/run_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet::coordinator;
  const auto run = parse_run_config({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (run.ok()) static_cast<void>(resolve_settings(std::vector{run->layer(0)}));
  return 0;
}
