#include "common/config/byte_size.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::config {
namespace {

constexpr std::string_view kUnits = "KMGT";
constexpr double kLargest = 1e18;

}  // namespace

Result<std::uint64_t> parse_byte_size(std::string_view text) {
  const Status refused(StatusCode::kInvalidArgument,
                       fmt::format("'{}' is no size: write a number of bytes, such as 500M or 20G",
                                   log::printable(text)));
  double number = 0;
  const char* const end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc()) return refused;
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (unit.ends_with('B') || unit.ends_with('b')) unit.remove_suffix(1);
  if (unit.size() > 1) return refused;
  if (unit.size() == 1) {
    const char upper = static_cast<char>(unit[0] & ~0x20);
    const std::size_t power = kUnits.find(upper);
    if (power == std::string_view::npos) return refused;
    number *= std::pow(1000.0, static_cast<double>(power + 1));
  }
  if (!(number >= 1 && number < kLargest)) return refused;
  return static_cast<std::uint64_t>(std::llround(number));
}

}  // namespace mimicfleet::config
