#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/status.h"

namespace mimicfleet {

// A SHA-256 value: the name of an artefact, input, output or model set.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  [[nodiscard]] std::string hex() const;  // 64 lower-case digits
  [[nodiscard]] static std::optional<Digest> from_hex(std::string_view hex);
  [[nodiscard]] bool is_zero() const { return *this == Digest{}; }

  friend auto operator<=>(const Digest&, const Digest&) = default;
};

// Incremental SHA-256 (OpenSSL EVP).
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  Hasher& update(std::string_view bytes);
  Hasher& update(std::span<const std::uint8_t> bytes);
  [[nodiscard]] Digest finish();  // the hasher may not be used afterwards

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

[[nodiscard]] Digest sha256(std::string_view bytes);

// SHA-256 of a file's content. kNotFound or kBadInput with the path and the cause.
[[nodiscard]] Result<Digest> sha256_file(const std::string& path);

// XXH3-64: guards our own records against bit rot, never names anything.
[[nodiscard]] std::uint64_t checksum64(std::string_view bytes);

}  // namespace mimicfleet

template <>
struct std::hash<mimicfleet::Digest> {
  std::size_t operator()(const mimicfleet::Digest& digest) const noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < sizeof(value); ++i) value = value << 8 | digest.bytes[i];
    return value;
  }
};
