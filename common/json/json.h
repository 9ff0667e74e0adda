#pragma once

#include <string>
#include <string_view>

#include "common/wire/codec.h"

// The same structs that travel as MessagePack, as JSON for people and other programs.
namespace mimicfleet::json {

// `value` as JSON. Maps keep their order; bytes become hexadecimal text; NaN and infinity become
// null; invalid UTF-8 is replaced. `indent` < 0: one line without spaces; else that many spaces a
// level.
[[nodiscard]] std::string to_text(const wire::Value& value, int indent = -1);

// kBadInput with the position for anything but one JSON document within the limits; duplicate
// members are refused. Non-negative integers become unsigned, as wire::decode does.
[[nodiscard]] Result<wire::Value> parse(std::string_view text, const wire::Limits& limits = {});

template <typename T>
[[nodiscard]] std::string write(const T& source, int indent = 2) {
  return to_text(wire::to_value(source), indent) + "\n";
}

// Unknown members are ignored, missing ones keep their default (see wire::from_value).
template <typename T>
[[nodiscard]] Result<T> read(std::string_view text, const wire::Limits& limits = {}) {
  ASSIGN_OR_RETURN(const wire::Value value, parse(text, limits));
  T target;
  RETURN_IF_ERROR(wire::from_value(value, target));
  return target;
}

}  // namespace mimicfleet::json
