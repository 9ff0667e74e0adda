#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

// One table for each enum: its values and their names. A namespace with such enums has, beside each
// of them,
//
//   enum class Retarget { kGraft, kRescale };
//   constexpr EnumNames<Retarget, 2> enum_names(Retarget) {
//     return {{{Retarget::kGraft, "graft"}, {Retarget::kRescale, "rescale"}}};
//   }
//
// and once `using mimicfleet::to_string;`, so that to_string() is found beside them.
namespace mimicfleet {

// The first name of a value is the one that is written; all are read.
template <typename Enum, std::size_t size>
using EnumNames = std::array<std::pair<Enum, std::string_view>, size>;

template <typename Enum>
concept NamedEnum = std::is_enum_v<Enum> && requires {
  enum_names(Enum{});
};

// "" of a value without a name.
template <NamedEnum Enum>
[[nodiscard]] constexpr std::string_view to_string(Enum value) {
  for (const auto& [candidate, name] : enum_names(Enum{})) {
    if (candidate == value) return name;
  }
  return "";
}

// Names in a table are in lower case; `name` may be in any.
template <NamedEnum Enum>
[[nodiscard]] constexpr std::optional<Enum> enum_from(std::string_view name) {
  const auto same = [](char letter, char wanted) {
    return (letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter) == wanted;
  };
  for (const auto& [value, candidate] : enum_names(Enum{})) {
    if (std::equal(name.begin(), name.end(), candidate.begin(), candidate.end(), same))
      return value;
  }
  return std::nullopt;
}

// What to choose from: "viewer or original"; "auto, fp32, bf16 or fp16". Each value once.
template <NamedEnum Enum>
[[nodiscard]] std::string choices() {
  constexpr auto kNames = enum_names(Enum{});
  std::string text;
  std::string_view last;
  for (const auto& [value, name] : kNames) {
    if (to_string(value) != name) continue;
    if (!last.empty()) text.append(text.empty() ? "" : ", ").append(last);
    last = name;
  }
  return text.append(text.empty() ? "" : " or ").append(last);
}

}  // namespace mimicfleet
