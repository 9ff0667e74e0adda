#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "common/enum_names.h"

// How tables of facts about an enum's values are read: an array of rows, each with the value, its
// name and what there is to say of it.
namespace mimicfleet::jobs {

// What enum_names() of the enum gives. `value` is the row's member that has it.
template <typename Enum, typename Facts, std::size_t size>
[[nodiscard]] constexpr EnumNames<Enum, size> names_of(const std::array<Facts, size>& table,
                                                       Enum Facts::*value) {
  EnumNames<Enum, size> names{};
  for (std::size_t i = 0; i < size; ++i) names[i] = {table[i].*value, table[i].name};
  return names;
}

// Null: a name of another version.
template <typename Facts, std::size_t size>
[[nodiscard]] constexpr const Facts* find_row(const std::array<Facts, size>& table,
                                              std::string_view name) {
  for (const Facts& facts : table) {
    if (facts.name == name) return &facts;
  }
  return nullptr;
}

}  // namespace mimicfleet::jobs
