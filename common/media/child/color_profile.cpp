#include "common/media/child/color_profile.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>

#include "common/bytes.h"

namespace mimicfleet::media::child {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kTags = 128;  // where their list begins
constexpr std::size_t kTagBytes = 12;
constexpr std::uint32_t kMaxTags = 100;
constexpr std::size_t kMaxNameBytes = 64;
constexpr double kNearPrimaries = 0.015;
constexpr double kNearCurve = 0.02;
constexpr double kMiddleOfSrgb = 0.214;  // of its curve: what half the code shines

// Numbers and names of an ICC profile (ICC.1). What lies past its end is 0.
class Icc {
 public:
  explicit Icc(Bytes bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint32_t number(std::size_t offset, std::size_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) return 0;
    return static_cast<std::uint32_t>(from_big_endian(bytes_.subspan(offset, size)));
  }
  [[nodiscard]] double fixed(std::size_t offset) const {
    return static_cast<double>(static_cast<std::int32_t>(number(offset, 4))) / 65536;
  }
  [[nodiscard]] bool has(std::size_t offset, std::string_view four) const {
    return number(offset, 4) == from_big_endian(four);
  }
  // Where it lies; nothing if it is not there.
  [[nodiscard]] std::optional<std::size_t> tag(std::string_view name) const {
    const std::uint32_t count = std::min(number(kTags, 4), kMaxTags);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::size_t entry = kTags + 4 + i * kTagBytes;
      if (has(entry, name)) return number(entry + 4, 4);
    }
    return std::nullopt;
  }
  // The printable characters of UTF-16 or ASCII.
  [[nodiscard]] std::string text(std::size_t offset, std::size_t bytes, std::size_t step) const {
    std::string out;
    const std::size_t end = std::min(bytes, step * kMaxNameBytes);
    for (std::size_t at = 0; at < end; at += step) {
      const std::uint32_t c = number(offset + at, step);
      if (c >= 0x20 && c < 0x7f) out += static_cast<char>(c);
    }
    return out;
  }

 private:
  Bytes bytes_;
};

std::string name_of(const Icc& icc) {
  const auto at = icc.tag("desc");
  if (!at) return "";
  if (icc.has(*at, "desc")) return icc.text(*at + 12, icc.number(*at + 8, 4), 1);
  if (!icc.has(*at, "mluc") || icc.number(*at + 8, 4) == 0) return "";
  return icc.text(*at + icc.number(*at + 24, 4), icc.number(*at + 20, 4),
                  2);  // in its first language
}

// What half the code shines.
std::optional<double> middle_of_curve(const Icc& icc, std::string_view tag) {
  const auto at = icc.tag(tag);
  if (!at) return std::nullopt;
  if (icc.has(*at, "curv")) {
    const std::uint32_t points = icc.number(*at + 8, 4);
    if (points == 0) return 0.5;
    if (points == 1) return std::pow(0.5, icc.number(*at + 12, 2) / 256.0);
    return icc.number(*at + 12 + std::size_t{2} * ((points - 1) / 2), 2) / 65535.0;
  }
  if (!icc.has(*at, "para")) return std::nullopt;
  const std::uint32_t kind = icc.number(*at + 8, 2);
  const auto parameter = [&](std::size_t index) { return icc.fixed(*at + 12 + 4 * index); };
  if (kind == 0) return std::pow(0.5, parameter(0));
  const double above = kind == 2 ? parameter(3) : kind == 4 ? parameter(5) : 0;
  return std::pow(std::max(0.5 * parameter(1) + parameter(2), 0.0), parameter(0)) + above;
}

bool has_curve_of_srgb(const Icc& icc, std::string_view tag) {
  const auto middle = middle_of_curve(icc, tag);
  return !middle || std::abs(*middle - kMiddleOfSrgb) < kNearCurve;
}

// Nothing if the profile has no primaries.
std::optional<bool> has_primaries_of_srgb(const Icc& icc) {
  struct Primary {
    std::string_view tag;
    std::array<double, 3> xyz;
  };
  constexpr std::array<Primary, 3> kSrgb = {{{"rXYZ", {0.4360, 0.2225, 0.0139}},
                                             {"gXYZ", {0.3851, 0.7169, 0.0971}},
                                             {"bXYZ", {0.1431, 0.0606, 0.7141}}}};
  for (const Primary& primary : kSrgb) {
    const auto at = icc.tag(primary.tag);
    if (!at) return std::nullopt;
    for (std::size_t i = 0; i < primary.xyz.size(); ++i) {
      if (std::abs(icc.fixed(*at + 8 + 4 * i) - primary.xyz[i]) > kNearPrimaries) return false;
    }
  }
  return true;
}

bool is_like_srgb(const Icc& icc, const std::string& name) {
  constexpr std::size_t kColorSpace = 16;
  if (icc.has(kColorSpace, "GRAY")) return has_curve_of_srgb(icc, "kTRC");
  if (!icc.has(kColorSpace, "RGB ")) return false;
  const auto primaries = has_primaries_of_srgb(icc);
  if (!primaries) return name.find("sRGB") != std::string::npos;
  return *primaries && has_curve_of_srgb(icc, "gTRC");
}

}  // namespace

std::string other_than_srgb(Bytes profile) {
  constexpr std::size_t kSignature = 36;
  const Icc icc(profile);
  if (!icc.has(kSignature, "acsp")) return "";
  std::string name = name_of(icc);
  if (is_like_srgb(icc, name)) return "";
  return name.empty() ? "without a name" : name;
}

}  // namespace mimicfleet::media::child
