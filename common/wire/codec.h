#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/digest.h"
#include "common/id.h"
#include "common/wire/value.h"

// Structs to wire values and back. A struct takes part by listing its fields once:
//
//   struct Lease {
//     TaskId task;
//     std::uint32_t attempt = 0;
//     template <typename Self, typename Fields>
//     static void fields(Self& self, Fields& field) {
//       field("task", self.task);
//       field("attempt", self.attempt);
//     }
//   };
//
// A struct becomes a map. On reading, unknown members are ignored and missing ones keep the
// struct's default, so that a peer of another minor version works; a member of the wrong type is an
// error that names its path. An enum takes part by `std::string_view to_string(E)` and
// `std::optional<E> enum_from(std::string_view, E*)`.
namespace mimicfleet::wire {

template <typename T>
[[nodiscard]] Value to_value(const T& source);

template <typename T>
[[nodiscard]] Status from_value(const Value& value, T& target);

template <typename T>
[[nodiscard]] std::string encode_struct(const T& source) {
  return encode(to_value(source));
}

template <typename T>
[[nodiscard]] Result<T> decode_struct(std::string_view bytes, const Limits& limits = {}) {
  ASSIGN_OR_RETURN(const Value value, decode(bytes, limits));
  T target;
  RETURN_IF_ERROR(from_value(value, target));
  return target;
}

namespace internal {

struct AnyField {
  template <typename T>
  void operator()(std::string_view, T&) {}
};
template <typename T>
concept Struct = requires(T& object, AnyField& field) {
  T::fields(object, field);
};

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsMap : std::false_type {};
template <typename T>
struct IsMap<std::map<std::string, T>> : std::true_type {};
template <typename T>
struct IsId : std::false_type {};
template <typename T>
struct IsId<Id<T>> : std::true_type {};

[[nodiscard]] Status wrong_type(std::string_view wanted);
[[nodiscard]] Value id_value(std::uint64_t high, std::uint64_t low);
[[nodiscard]] Status id_from_value(const Value& value, std::uint64_t& high, std::uint64_t& low);
[[nodiscard]] Status signed_from_value(const Value& value, std::int64_t low, std::int64_t high,
                                       std::int64_t& out);
[[nodiscard]] Status unsigned_from_value(const Value& value, std::uint64_t high,
                                         std::uint64_t& out);
[[nodiscard]] Value digest_value(const Digest& digest);
[[nodiscard]] Status digest_from_value(const Value& value, Digest& digest);
[[nodiscard]] Value status_value(const Status& status);
[[nodiscard]] Status status_from_value(const Value& value, Status& status);

struct FieldWriter {
  Map map;
  template <typename T>
  void operator()(std::string_view name, const T& member) {
    map.emplace_back(std::string(name), to_value(member));
  }
};

struct FieldReader {
  const Value& source;
  Status status;
  template <typename T>
  void operator()(std::string_view name, T& member) {
    if (!status.ok()) return;
    if (const Value* value = source.find(name)) {
      if (Status failure = from_value(*value, member); !failure.ok())
        status = failure.prefixed(name);
    }
  }
};

template <typename T>
Status integer_from_value(const Value& value, T& target) {
  if constexpr (std::is_signed_v<T>) {
    std::int64_t number = 0;
    RETURN_IF_ERROR(signed_from_value(value, std::numeric_limits<T>::min(),
                                      std::numeric_limits<T>::max(), number));
    target = static_cast<T>(number);
  } else {
    std::uint64_t number = 0;
    RETURN_IF_ERROR(unsigned_from_value(value, std::numeric_limits<T>::max(), number));
    target = static_cast<T>(number);
  }
  return {};
}

template <typename T>
Status vector_from_value(const Value& value, T& target) {
  const auto* array = value.get_if<Array>();
  if (array == nullptr) return wrong_type("an array");
  target.clear();
  target.reserve(array->size());
  for (std::size_t i = 0; i < array->size(); ++i) {
    typename T::value_type element{};
    if (Status failure = from_value((*array)[i], element); !failure.ok()) {
      return failure.prefixed("[" + std::to_string(i) + "]");
    }
    target.push_back(std::move(element));
  }
  return {};
}

template <typename T>
Status map_from_value(const Value& value, T& target) {
  const auto* map = value.get_if<Map>();
  if (map == nullptr) return wrong_type("a map");
  target.clear();
  for (const auto& [name, element] : *map) {
    if (Status failure = from_value(element, target[name]); !failure.ok())
      return failure.prefixed(name);
  }
  return {};
}

}  // namespace internal

template <typename T>
Value to_value(const T& source) {
  using namespace internal;
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string> ||
                std::is_same_v<T, double> || std::is_same_v<T, Bytes>) {
    return Value(source);
  } else if constexpr (std::is_same_v<T, Value>) {
    return source;
  } else if constexpr (std::is_enum_v<T>) {
    return Value(std::string(to_string(source)));
  } else if constexpr (std::is_signed_v<T> && std::is_integral_v<T>) {
    return Value(static_cast<std::int64_t>(source));
  } else if constexpr (std::is_integral_v<T>) {
    return Value(static_cast<std::uint64_t>(source));
  } else if constexpr (std::is_same_v<T, Digest>) {
    return digest_value(source);
  } else if constexpr (std::is_same_v<T, Status>) {
    return status_value(source);
  } else if constexpr (IsId<T>::value) {
    return id_value(source.high, source.low);
  } else if constexpr (IsOptional<T>::value) {
    return source ? to_value(*source) : Value();
  } else if constexpr (IsVector<T>::value) {
    Array array;
    array.reserve(source.size());
    for (const auto& element : source) array.push_back(to_value(element));
    return Value(std::move(array));
  } else if constexpr (IsMap<T>::value) {
    Map map;
    for (const auto& [name, element] : source) map.emplace_back(name, to_value(element));
    return Value(std::move(map));
  } else {
    static_assert(Struct<const T>, "T lists no fields");
    FieldWriter writer;
    T::fields(source, writer);
    return Value(std::move(writer.map));
  }
}

template <typename T>
Status from_value(const Value& value, T& target) {
  using namespace internal;
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string> ||
                std::is_same_v<T, Bytes>) {
    const T* held = value.get_if<T>();
    if (held == nullptr) return wrong_type(std::is_same_v<T, bool> ? "a truth value" : "text");
    target = *held;
    return {};
  } else if constexpr (std::is_same_v<T, double>) {
    if (const auto* number = value.get_if<double>()) {
      target = *number;
      return {};
    }
    std::int64_t number = 0;
    RETURN_IF_ERROR(signed_from_value(value, -(1LL << 53), 1LL << 53, number));
    target = static_cast<double>(number);
    return {};
  } else if constexpr (std::is_same_v<T, Value>) {
    target = value;
    return {};
  } else if constexpr (std::is_enum_v<T>) {
    const auto* name = value.get_if<std::string>();
    if (name == nullptr) return wrong_type("text");
    const std::optional<T> parsed = enum_from(*name, static_cast<T*>(nullptr));
    if (!parsed) return {StatusCode::kBadInput, "unknown name '" + *name + "'"};
    target = *parsed;
    return {};
  } else if constexpr (std::is_integral_v<T>) {
    return integer_from_value(value, target);
  } else if constexpr (std::is_same_v<T, Digest>) {
    return digest_from_value(value, target);
  } else if constexpr (std::is_same_v<T, Status>) {
    return status_from_value(value, target);
  } else if constexpr (IsId<T>::value) {
    return id_from_value(value, target.high, target.low);
  } else if constexpr (IsOptional<T>::value) {
    if (value.is_nil()) {
      target.reset();
      return {};
    }
    return from_value(value, target.emplace());
  } else if constexpr (IsVector<T>::value) {
    return vector_from_value(value, target);
  } else if constexpr (IsMap<T>::value) {
    return map_from_value(value, target);
  } else {
    static_assert(Struct<T>, "T lists no fields");
    if (value.get_if<Map>() == nullptr) return wrong_type("a map");
    FieldReader reader{value, {}};
    T::fields(target, reader);
    return reader.status;
  }
}

}  // namespace mimicfleet::wire
