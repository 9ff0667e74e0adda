#include <limits>

#include <msgpack.hpp>

#include "common/wire/utf8.h"
#include "common/wire/value.h"

namespace mimicfleet::wire {
namespace {

using Packer = msgpack::packer<msgpack::sbuffer>;

void pack(Packer& out, const Value& value);

struct PackVisitor {
  Packer& out;

  void operator()(std::monostate) { out.pack_nil(); }
  void operator()(bool value) { value ? out.pack_true() : out.pack_false(); }
  void operator()(std::int64_t value) { out.pack_int64(value); }
  void operator()(std::uint64_t value) { out.pack_uint64(value); }
  void operator()(double value) { out.pack_double(value); }
  void operator()(const std::string& text) {
    out.pack_str(static_cast<std::uint32_t>(text.size()));
    out.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
  }
  void operator()(const Bytes& bytes) {
    out.pack_bin(static_cast<std::uint32_t>(bytes.data.size()));
    out.pack_bin_body(bytes.data.data(), static_cast<std::uint32_t>(bytes.data.size()));
  }
  void operator()(const Array& array) {
    out.pack_array(static_cast<std::uint32_t>(array.size()));
    for (const auto& element : array) pack(out, element);
  }
  void operator()(const Map& map) {
    out.pack_map(static_cast<std::uint32_t>(map.size()));
    for (const auto& [name, element] : map) {
      (*this)(name);
      pack(out, element);
    }
  }
};

void pack(Packer& out, const Value& value) { std::visit(PackVisitor{out}, value.variant()); }

Status refused(const char* why) {
  return {StatusCode::kBadInput, std::string("malformed message: ") + why};
}

Result<Value> convert(const msgpack::object& object, std::size_t& values_left);

Result<Value> convert_map(const msgpack::object_map& source, std::size_t& values_left) {
  Map map;
  map.reserve(source.size);
  for (std::uint32_t i = 0; i < source.size; ++i) {
    const auto& [key, element] = source.ptr[i];
    if (key.type != msgpack::type::STR) return refused("a map key is not text");
    std::string name(key.via.str.ptr, key.via.str.size);
    if (!is_utf8(name)) return refused("a map key is not UTF-8");
    for (const auto& existing : map) {
      if (existing.first == name) return refused("a map key appears twice");
    }
    ASSIGN_OR_RETURN(Value value, convert(element, values_left));
    map.emplace_back(std::move(name), std::move(value));
  }
  return Value(std::move(map));
}

Result<Value> convert(const msgpack::object& object, std::size_t& values_left) {
  if (values_left-- == 0) return refused("too many values");
  switch (object.type) {
    case msgpack::type::NIL:
      return Value();
    case msgpack::type::BOOLEAN:
      return Value(object.via.boolean);
    case msgpack::type::POSITIVE_INTEGER:
      return Value(static_cast<std::uint64_t>(object.via.u64));
    case msgpack::type::NEGATIVE_INTEGER:
      return Value(static_cast<std::int64_t>(object.via.i64));
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64:
      return Value(object.via.f64);
    case msgpack::type::STR: {
      std::string text(object.via.str.ptr, object.via.str.size);
      if (!is_utf8(text)) return refused("text is not UTF-8");
      return Value(std::move(text));
    }
    case msgpack::type::BIN:
      return Value(Bytes{std::string(object.via.bin.ptr, object.via.bin.size)});
    case msgpack::type::ARRAY: {
      Array array;
      array.reserve(object.via.array.size);
      for (std::uint32_t i = 0; i < object.via.array.size; ++i) {
        ASSIGN_OR_RETURN(Value element, convert(object.via.array.ptr[i], values_left));
        array.push_back(std::move(element));
      }
      return Value(std::move(array));
    }
    case msgpack::type::MAP:
      return convert_map(object.via.map, values_left);
    default:
      return refused("extension types are not used");
  }
}

}  // namespace

const Value* Value::find(std::string_view name) const {
  const auto* map = get_if<Map>();
  if (map == nullptr) return nullptr;
  for (const auto& [key, value] : *map) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string encode(const Value& value) {
  msgpack::sbuffer buffer;
  Packer packer(buffer);
  pack(packer, value);
  return {buffer.data(), buffer.size()};
}

Result<Value> decode(std::string_view bytes, const Limits& limits) {
  if (bytes.size() > limits.bytes) return refused("too long");
  // A container of n elements needs at least n bytes, so no header may promise more than there are
  // bytes.
  const std::size_t array = std::min(limits.array_size, bytes.size());
  const std::size_t map = std::min(limits.map_size, bytes.size());
  const std::size_t string = std::min(limits.string_bytes, bytes.size());
  const msgpack::unpack_limit unpack_limit(array, map, string, string, 0, limits.depth);
  try {
    std::size_t offset = 0;
    const auto handle =
        msgpack::unpack(bytes.data(), bytes.size(), offset, nullptr, nullptr, unpack_limit);
    if (offset != bytes.size()) return refused("bytes after its end");
    std::size_t values_left = limits.values;
    return convert(handle.get(), values_left);
  } catch (const std::exception& error) {  // msgpack's own and std::bad_alloc
    return refused(error.what());
  }
}

}  // namespace mimicfleet::wire
