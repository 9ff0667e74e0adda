#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "worker/formats/keypoints_bytes.h"

// What is accepted must be written and read again as the same key points.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet::formats;
  const auto keypoints = keypoints_from_bytes({reinterpret_cast<const char*>(data), size});
  if (!keypoints.ok()) return 0;
  const std::string bytes = keypoints_to_bytes(*keypoints);
  const auto again = keypoints_from_bytes(bytes);
  if (!again.ok() || keypoints_to_bytes(*again) != bytes) std::abort();
  return 0;
}
