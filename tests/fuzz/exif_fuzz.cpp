// EXIF metadata of a foreign image: whatever they say, it is one of the eight orientations.
#include <cstdint>
#include <cstdlib>

#include "common/av/child/exif.h"
#include "common/av/child/orientation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet::av::child;
  const int orientation = exif_orientation({data, size});
  if (orientation < 1 || orientation > 8) std::abort();
  const Orientation turned = orientation_of_exif(orientation);
  if (turned.rotation % 90 != 0 || turned.rotation < 0 || turned.rotation > 270) std::abort();
  return 0;
}
