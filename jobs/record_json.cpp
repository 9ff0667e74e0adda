#include "jobs/record_json.h"

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include "common/json/json.h"

namespace mimicfleet::jobs {
namespace {

constexpr std::uint64_t kLargestExact = std::uint64_t{1} << 53;
constexpr std::string_view kTag = "tag";
constexpr std::string_view kSeed = "seed";

// Changes every value that is neither map nor array; `change` gets the name of the member that it
// is, or is in.
template <typename Change>
wire::Value changed(std::string_view name, const wire::Value& value, const Change& change) {
  if (const auto* array = value.get_if<wire::Array>()) {
    wire::Array out;
    for (const auto& element : *array) out.push_back(changed(name, element, change));
    return out;
  }
  if (const auto* map = value.get_if<wire::Map>()) {
    wire::Map out;
    for (const auto& [member, element] : *map)
      out.emplace_back(member, changed(member, element, change));
    return out;
  }
  return change(name, value);
}

wire::Value exact(std::string_view name, const wire::Value& value) {
  const auto* number = value.get_if<std::uint64_t>();
  if (number == nullptr) return value;
  if (name == kTag) return fmt::format("{:016x}", *number);
  return *number > kLargestExact ? wire::Value(fmt::format("{}", *number)) : value;
}

wire::Value number_again(std::string_view name, const wire::Value& value) {
  const auto* text = value.get_if<std::string>();
  if (text == nullptr || (name != kTag && name != kSeed)) return value;
  std::uint64_t number = 0;
  const char* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, number, name == kTag ? 16 : 10);
  return read.ec == std::errc() && read.ptr == end ? wire::Value(number) : value;
}

}  // namespace

wire::Value with_exact_numbers(const wire::Value& value) { return changed("", value, exact); }

std::string record_text(const OutputRecord& record) {
  return json::to_text(with_exact_numbers(wire::to_value(record)), 2) + "\n";
}

Result<OutputRecord> read_record(std::string_view text) {
  ASSIGN_OR_RETURN(const wire::Value value, json::parse(text));
  OutputRecord record;
  RETURN_IF_ERROR(wire::from_value(changed("", value, number_again), record));
  return record;
}

}  // namespace mimicfleet::jobs
