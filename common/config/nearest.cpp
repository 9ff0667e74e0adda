#include "common/config/nearest.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace mimicfleet::config {
namespace {

constexpr std::size_t kLongestName = 192;
constexpr std::size_t kShortestStart = 4;
constexpr std::size_t kShortList = 8;

std::string folded(std::string_view name) {
  std::string text(name);
  for (char& c : text)
    c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

struct Candidate {
  std::string name;
  std::size_t distance = 0;
};

// A name that another one starts with is one step away from it.
std::optional<Candidate> find_closest(std::string_view name,
                                      std::span<const std::string> candidates) {
  const std::string wanted = folded(name.substr(0, kLongestName));
  std::optional<Candidate> best;
  for (const auto& candidate : candidates) {
    const std::string known = folded(candidate);
    const bool starts = wanted.size() >= kShortestStart && known.starts_with(wanted);
    const std::size_t distance = starts ? 1 : edit_distance(wanted, known);
    if (!best || distance < best->distance) best = Candidate{candidate, distance};
  }
  return best;
}

}  // namespace

std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates) {
  const auto best = find_closest(name, candidates);
  if (!best || best->distance > std::max<std::size_t>(1, name.size() / 3) ||
      name.size() > kLongestName) {
    return std::nullopt;
  }
  return best->name;
}

std::string closest(std::string_view name, std::span<const std::string> candidates) {
  return find_closest(name, candidates).value().name;
}

std::string suggestion(std::string_view name, std::span<const std::string> candidates) {
  if (const auto near = nearest(name, candidates))
    return fmt::format("; did you mean '{}'?", *near);
  if (candidates.size() <= kShortList)
    return fmt::format("; known are {}", fmt::join(candidates, ", "));
  return fmt::format("; the nearest known one is '{}'", closest(name, candidates));
}

}  // namespace mimicfleet::config
