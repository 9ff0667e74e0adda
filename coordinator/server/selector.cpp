#include "coordinator/server/selector.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

Result<JobSelector> parse_selector(std::string_view text, std::uint64_t newest) {
  if (text == "all") return JobSelector{0, newest, true};
  if (text == "last") return JobSelector{newest, newest, false};
  const std::size_t dash = text.find('-');
  const auto first = number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1));
  if (!first || !last || *first > *last) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("'{}' selects no jobs: give a number, a range such as 2-5, `last` or `all`",
                    log::printable(text)));
  }
  return JobSelector{*first, *last, false};
}

}  // namespace mimicfleet::coordinator
