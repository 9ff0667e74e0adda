#include "common/av/reading.h"

#include <algorithm>
#include <array>
#include <utility>

namespace mimicfleet::av {
namespace {

constexpr std::array<std::pair<Step, std::string_view>, 7> kSteps = {
    {{Step::kUpright, "upright.1"},
     {Step::kSquare, "square.1"},
     {Step::kDeep, "deep.1"},
     {Step::kWhite, "white.1"},
     {Step::kTones, "tones.1"},
     {Step::kProgressive, "progressive.1"},
     {Step::kTurned, "turned.1"}}};

}  // namespace

Reading Reading::viewer() {
  Reading all;
  for (const auto& [step, name] : kSteps) all.add(step);
  return all;
}

std::string Reading::text() const {
  std::string text;
  for (const auto& [step, name] : kSteps) {
    if (!has(step)) continue;
    if (!text.empty()) text += ' ';
    text += name;
  }
  return text;
}

std::optional<Reading> Reading::parse(std::string_view text) {
  Reading reading;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    const auto* const known = std::find_if(kSteps.begin(), kSteps.end(),
                                           [&](const auto& step) { return step.second == word; });
    if (known == kSteps.end()) return std::nullopt;
    reading.add(known->first);
  }
  return reading;
}

}  // namespace mimicfleet::av
