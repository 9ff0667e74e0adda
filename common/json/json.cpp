#include "common/json/json.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace mimicfleet::json {
namespace {

using Document = nlohmann::ordered_json;

Document to_document(const wire::Value& value);

struct WriteVisitor {
  Document operator()(std::monostate) const { return nullptr; }
  Document operator()(bool value) const { return value; }
  Document operator()(std::int64_t value) const { return value; }
  Document operator()(std::uint64_t value) const { return value; }
  Document operator()(double value) const {
    return std::isfinite(value) ? Document(value) : Document(nullptr);
  }
  Document operator()(const std::string& text) const { return text; }
  Document operator()(const wire::Bytes& bytes) const {
    std::string hex;
    for (const char byte : bytes.data)
      hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return hex;
  }
  Document operator()(const wire::Array& array) const {
    Document out = Document::array();
    for (const auto& element : array) out.push_back(to_document(element));
    return out;
  }
  Document operator()(const wire::Map& map) const {
    Document out = Document::object();
    for (const auto& [name, element] : map) out[name] = to_document(element);
    return out;
  }
};

Document to_document(const wire::Value& value) {
  return std::visit(WriteVisitor{}, value.variant());
}

// Builds the value while the text is read, so that no limit is passed before it is noticed.
class Reader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Reader(const wire::Limits& limits) : limits_(limits) {}

  [[nodiscard]] Status status() const { return status_; }
  [[nodiscard]] wire::Value take() { return std::move(root_); }

  bool null() override { return add(wire::Value()); }
  bool boolean(bool value) override { return add(wire::Value(value)); }
  // -0 as well is the number that is written as 0.
  bool number_integer(number_integer_t value) override {
    return add(value < 0 ? wire::Value(std::int64_t{value})
                         : wire::Value(static_cast<std::uint64_t>(value)));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add(wire::Value(std::uint64_t{value}));
  }
  bool number_float(number_float_t value, const string_t&) override {
    return add(wire::Value(value));
  }
  bool string(string_t& value) override {
    return fits(value.size(), limits_.string_bytes, "text is too long") &&
           add(wire::Value(std::move(value)));
  }
  bool binary(binary_t&) override { return refuse("binary data"); }

  bool start_object(std::size_t) override { return open(false); }
  bool start_array(std::size_t) override { return open(true); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (!fits(name.size(), limits_.string_bytes, "a name is too long")) return false;
    for (const auto& [existing, value] : open_.back().map) {
      if (existing == name) return refuse(fmt::format("member '{}' appears twice", name));
    }
    open_.back().name = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    return refuse(error.what());
  }

 private:
  struct Container {
    bool is_array;
    std::string name;  // of the member being read
    wire::Array array;
    wire::Map map;
  };

  bool refuse(const std::string& why) {
    status_ = Status(StatusCode::kBadInput, "malformed JSON: " + why);
    return false;
  }
  bool fits(std::size_t size, std::size_t limit, const char* otherwise) {
    return size <= limit || refuse(otherwise);
  }

  bool open(bool is_array) {
    if (!fits(open_.size() + 1, limits_.depth, "it is nested too deeply")) return false;
    open_.push_back({is_array, {}, {}, {}});
    return true;
  }

  bool close() {
    Container done = std::move(open_.back());
    open_.pop_back();
    return add(done.is_array ? wire::Value(std::move(done.array))
                             : wire::Value(std::move(done.map)));
  }

  bool add(wire::Value value) {
    if (!fits(++values_, limits_.values, "it has too many values")) return false;
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Container& parent = open_.back();
    if (parent.is_array) {
      parent.array.push_back(std::move(value));
      return fits(parent.array.size(), limits_.array_size, "an array is too long");
    }
    parent.map.emplace_back(std::move(parent.name), std::move(value));
    return fits(parent.map.size(), limits_.map_size, "an object has too many members");
  }

  wire::Limits limits_;
  std::vector<Container> open_;
  wire::Value root_;
  std::size_t values_ = 0;
  Status status_;
};

}  // namespace

std::string to_text(const wire::Value& value, int indent) {
  return to_document(value).dump(indent, ' ', false, Document::error_handler_t::replace);
}

Result<wire::Value> parse(std::string_view text, const wire::Limits& limits) {
  if (text.size() > limits.bytes)
    return Status(StatusCode::kBadInput, "malformed JSON: it is too long");
  Reader reader(limits);
  try {
    if (nlohmann::json::sax_parse(text, &reader)) return reader.take();
  } catch (const std::exception& error) {
    return Status(StatusCode::kBadInput, std::string("malformed JSON: ") + error.what());
  }
  return reader.status();
}

}  // namespace mimicfleet::json
