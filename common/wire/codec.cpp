#include "common/wire/codec.h"

#include <algorithm>

namespace mimicfleet::wire::internal {

Status wrong_type(std::string_view wanted) {
  return {StatusCode::kBadInput, "expected " + std::string(wanted)};
}

Value id_value(std::uint64_t high, std::uint64_t low) {
  return Value(mimicfleet::internal::id_to_hex(high, low));
}

Status id_from_value(const Value& value, std::uint64_t& high, std::uint64_t& low) {
  const auto* hex = value.get_if<std::string>();
  if (hex == nullptr || !mimicfleet::internal::id_from_hex(*hex, high, low))
    return wrong_type("an id of 32 hex digits");
  return {};
}

Status signed_from_value(const Value& value, std::int64_t low, std::int64_t high,
                         std::int64_t& out) {
  if (const auto* number = value.get_if<std::int64_t>()) {
    out = *number;
  } else if (const auto* positive = value.get_if<std::uint64_t>();
             positive != nullptr &&
             *positive <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    out = static_cast<std::int64_t>(*positive);
  } else {
    return wrong_type("an integer");
  }
  if (out < low || out > high)
    return {StatusCode::kBadInput, std::to_string(out) + " is out of range"};
  return {};
}

Status unsigned_from_value(const Value& value, std::uint64_t high, std::uint64_t& out) {
  if (const auto* number = value.get_if<std::uint64_t>()) {
    out = *number;
  } else if (const auto* small = value.get_if<std::int64_t>(); small != nullptr && *small >= 0) {
    out = static_cast<std::uint64_t>(*small);
  } else {
    return wrong_type("an integer of 0 or more");
  }
  if (out > high) return {StatusCode::kBadInput, std::to_string(out) + " is out of range"};
  return {};
}

Value digest_value(const Digest& digest) { return Value(digest.hex()); }

Status digest_from_value(const Value& value, Digest& digest) {
  const auto* hex = value.get_if<std::string>();
  const auto parsed = hex == nullptr ? std::nullopt : Digest::from_hex(*hex);
  if (!parsed) return wrong_type("a digest of 64 hex digits");
  digest = *parsed;
  return {};
}

Value status_value(const Status& status) {
  Map map;
  map.emplace_back("code", Value(std::string(to_string(status.code()))));
  map.emplace_back("message", Value(status.message()));
  return Value(std::move(map));
}

Status status_from_value(const Value& value, Status& status) {
  const Value* code = value.find("code");
  const auto* name = code == nullptr ? nullptr : code->get_if<std::string>();
  const auto parsed = name == nullptr ? std::nullopt : status_code_from(*name);
  if (!parsed) return wrong_type("a status");
  if (*parsed == StatusCode::kOk) {
    status = Status();
    return {};
  }
  const Value* message = value.find("message");
  const auto* text = message == nullptr ? nullptr : message->get_if<std::string>();
  status = Status(*parsed, text == nullptr ? std::string() : *text);
  return {};
}

}  // namespace mimicfleet::wire::internal
