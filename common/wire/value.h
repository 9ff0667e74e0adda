#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/status.h"

namespace mimicfleet::wire {

class Value;
using Array = std::vector<Value>;
using Map = std::vector<std::pair<std::string, Value>>;  // in the order it was written

// Bytes as opposed to text.
struct Bytes {
  std::string data;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};

// A MessagePack document in memory: what messages and stored records are made of.
class Value {
 public:
  using Variant = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double,
                               std::string, Bytes, Array, Map>;

  Value() = default;
  template <typename T>
  requires std::is_constructible_v<Variant, T> Value(T value)
      : variant_(std::move(value)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool is_nil() const { return std::holds_alternative<std::monostate>(variant_); }
  [[nodiscard]] const Variant& variant() const { return variant_; }
  template <typename T>
  [[nodiscard]] const T* get_if() const {
    return std::get_if<T>(&variant_);
  }
  // The member of a map, or null when this is no map or has none of that name.
  [[nodiscard]] const Value* find(std::string_view name) const;

  friend bool operator==(const Value&, const Value&) = default;

 private:
  Variant variant_;
};

// Bounds on what a peer may send; every container is checked before memory is taken for it.
struct Limits {
  std::size_t bytes = 4 << 20;
  std::size_t array_size = 1 << 17;
  std::size_t map_size = 1 << 10;
  std::size_t string_bytes = 1 << 20;
  std::size_t depth = 12;
  std::size_t values = 1 << 20;  // in the whole document
};

[[nodiscard]] std::string encode(const Value& value);

// kBadInput on anything but one whole document within the limits: trailing bytes, duplicate or
// non-text map keys, extension types and invalid UTF-8 in text are refused.
[[nodiscard]] Result<Value> decode(std::string_view bytes, const Limits& limits = {});

}  // namespace mimicfleet::wire
