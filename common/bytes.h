#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

// Whole numbers as bytes of a file or message, whatever the order of this machine's own.
namespace mimicfleet {

inline void append_little_endian(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
}

inline void append_big_endian(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = bytes; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

// Of at most eight bytes: a string, or a span of std::uint8_t.
template <typename Bytes>
[[nodiscard]] constexpr std::uint64_t from_big_endian(const Bytes& bytes) {
  std::uint64_t value = 0;
  for (const auto byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

template <typename Bytes>
[[nodiscard]] constexpr std::uint64_t from_little_endian(const Bytes& bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  }
  return value;
}

}  // namespace mimicfleet
