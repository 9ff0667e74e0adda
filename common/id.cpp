#include "common/id.h"

#include <sys/random.h>

#include <array>
#include <charconv>

#include "common/check.h"

namespace mimicfleet::internal {

void random_bits(std::uint64_t& high, std::uint64_t& low) {
  std::array<std::uint64_t, 2> bits{};
  CHECK(::getrandom(bits.data(), sizeof(bits), 0) == sizeof(bits));
  high = bits[0];
  low = bits[1];
}

std::string id_to_hex(std::uint64_t high, std::uint64_t low) {
  std::string text;
  for (const std::uint64_t half : {high, low}) {
    for (int shift = 60; shift >= 0; shift -= 4)
      text.push_back("0123456789abcdef"[half >> shift & 15]);
  }
  return text;
}

bool id_from_hex(std::string_view hex, std::uint64_t& high, std::uint64_t& low) {
  if (hex.size() != 32) return false;
  const char* middle = hex.data() + 16;
  const char* end = hex.data() + 32;
  return std::from_chars(hex.data(), middle, high, 16).ptr == middle &&
         std::from_chars(middle, end, low, 16).ptr == end;
}

}  // namespace mimicfleet::internal
