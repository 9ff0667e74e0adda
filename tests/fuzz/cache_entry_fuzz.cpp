#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "worker/cache/entry.h"

// Bytes are accepted only if they are what the encoder makes of their payload.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Digest key = sha256("fuzz");
  const auto payload = cache::decode_entry(cache::EntryKind::kKeypoints, key, bytes);
  if (payload.ok() && cache::encode_entry(cache::EntryKind::kKeypoints, key, *payload) != bytes) std::abort();
  const std::string encoded = cache::encode_entry(cache::EntryKind::kKeypoints, key, bytes);
  const auto decoded = cache::decode_entry(cache::EntryKind::kKeypoints, key, encoded);
  if (!decoded.ok() || *decoded != bytes) std::abort();
  return 0;
}
