#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace mimicfleet {

// A random 128-bit identifier; the tag keeps ids of different things apart at compile time.
template <typename Tag>
struct Id {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  [[nodiscard]] bool is_nil() const { return high == 0 && low == 0; }
  friend auto operator<=>(const Id&, const Id&) = default;
};

namespace internal {
void random_bits(std::uint64_t& high, std::uint64_t& low);
std::string id_to_hex(std::uint64_t high, std::uint64_t low);
bool id_from_hex(std::string_view hex, std::uint64_t& high, std::uint64_t& low);
}  // namespace internal

template <typename IdType>
[[nodiscard]] IdType new_id() {
  IdType id;
  internal::random_bits(id.high, id.low);
  return id;
}

template <typename Tag>
[[nodiscard]] std::string to_string(const Id<Tag>& id) {
  return internal::id_to_hex(id.high, id.low);  // 32 lower-case digits
}

template <typename IdType>
[[nodiscard]] std::optional<IdType> id_from(std::string_view hex) {
  IdType id;
  if (!internal::id_from_hex(hex, id.high, id.low)) return std::nullopt;
  return id;
}

using JobId = Id<struct JobTag>;
using WorkerId = Id<struct WorkerTag>;    // one incarnation of a worker process
using RequestId = Id<struct RequestTag>;  // pairs a reply with its request

}  // namespace mimicfleet

template <typename Tag>
struct std::hash<mimicfleet::Id<Tag>> {
  std::size_t operator()(const mimicfleet::Id<Tag>& id) const noexcept { return id.high ^ id.low; }
};
