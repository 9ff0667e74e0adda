#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "worker/cache/entry.h"

// Bytes are accepted only if they are what the encoder makes of their payload.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const cache::EntryName name{cache::EntryKind::kKeypoints, sha256("fuzz"), "numerics"};
  const auto entry = cache::decode_entry(name, bytes);
  if (entry.ok() && cache::encode_entry(name, *entry) != bytes) std::abort();
  const std::string encoded = cache::encode_entry(name, {bytes, 1.5});
  const auto decoded = cache::decode_entry(name, encoded);
  if (!decoded.ok() || decoded->payload != bytes || decoded->made_seconds != 1.5) std::abort();
  const auto parsed = cache::EntryName::from_bytes(bytes);
  if (parsed && parsed->bytes() != bytes) std::abort();
  return 0;
}
