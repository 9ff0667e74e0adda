// Metadata of a foreign image: whatever they say, it is one of the eight orientations, and a name
// that can be printed.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "common/av/child/color_profile.h"
#include "common/av/child/exif.h"
#include "common/av/child/orientation.h"

namespace {

using namespace mimicfleet::av::child;

void check(std::optional<int> orientation) {
  if (orientation && (*orientation < 1 || *orientation > 8)) std::abort();
  const Orientation turned = orientation_of_exif(orientation.value_or(1));
  if (turned.rotation % 90 != 0 || turned.rotation < 0 || turned.rotation > 270) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(exif_orientation({data, size}));
  check(raw_profile_orientation(text));
  check(xmp_orientation(text));
  const std::string name = other_than_srgb({data, size});
  if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f; }))
    std::abort();
  return 0;
}
