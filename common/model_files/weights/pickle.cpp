#include "common/model_files/weights/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "common/bytes.h"
#include "common/log.h"

// Operations: CPython's Lib/pickletools.py; the allowed ones: torch/_weights_only_unpickler.py.
namespace mimicfleet::weights::pickle {
namespace {

constexpr std::size_t kMaxBytes = 64 << 20;
constexpr std::size_t kMaxValues = 1 << 20;
constexpr std::size_t kMaxTextBytes = 1 << 16;
constexpr std::size_t kMaxRank = 8;
constexpr std::uint8_t kNewestProtocol = 5;

constexpr std::array<std::pair<std::string_view, DType>, 10> kStorages = {{
    {"torch DoubleStorage", DType::kF64},
    {"torch FloatStorage", DType::kF32},
    {"torch HalfStorage", DType::kF16},
    {"torch BFloat16Storage", DType::kBF16},
    {"torch LongStorage", DType::kI64},
    {"torch IntStorage", DType::kI32},
    {"torch ShortStorage", DType::kI16},
    {"torch CharStorage", DType::kI8},
    {"torch ByteStorage", DType::kU8},
    {"torch BoolStorage", DType::kBool},
}};
// Storages of types that have no class of their own: bytes, and the type is said by the tensor.
constexpr std::array<std::pair<std::string_view, DType>, 2> kUntypedStorages = {{
    {"torch.storage UntypedStorage", DType::kU8},
    {"torch UntypedStorage", DType::kU8},
}};
constexpr std::array<std::pair<std::string_view, DType>, 2> kTypes = {{
    {"torch float8_e4m3fn", DType::kF8E4M3},
    {"torch float8_e5m2", DType::kF8E5M2},
}};
constexpr std::string_view kRebuildTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kRebuildUntyped = "torch._utils _rebuild_tensor_v3";
constexpr std::string_view kOrderedDict = "collections OrderedDict";

template <std::size_t count>
std::optional<DType> find_type(const std::array<std::pair<std::string_view, DType>, count>& table,
                               std::string_view global) {
  for (const auto& [name, dtype] : table) {
    if (name == global) return dtype;
  }
  return std::nullopt;
}

std::optional<DType> storage_type(std::string_view global) {
  const auto typed = find_type(kStorages, global);
  return typed ? typed : find_type(kUntypedStorages, global);
}

bool is_allowed(std::string_view global) {
  return global == kRebuildTensor || global == kRebuildUntyped || global == kOrderedDict ||
         storage_type(global) || find_type(kTypes, global);
}

class Machine {
 public:
  Machine(std::span<const std::uint8_t> bytes, const std::string& origin)
      : rest_(bytes.first(std::min(bytes.size(), kMaxBytes))), origin_(origin) {}

  [[nodiscard]] std::size_t unread() const { return rest_.size(); }

  Result<Document> run() {
    while (!stopped_) {
      std::uint8_t operation = 0;
      if (!take(&operation) || !execute(operation)) return refused();
    }
    if (stack_.size() != 1 || !marks_.empty()) {
      fail("values are left over");
      return refused();
    }
    return Document{std::move(values_), stack_.back()};
  }

 private:
  using Operation = bool (Machine::*)();
  struct AllowedOperation {
    std::uint8_t code;
    Operation run;
  };

  // The allow list, with CPython's names. Every operation returns false, after noting the cause, if
  // the bytes do not allow it.
  static std::span<const AllowedOperation> allowed_operations() {
    static constexpr AllowedOperation kAllowed[] = {
        {0x80, &Machine::protocol},                          // PROTO
        {'.', &Machine::stop},                               // STOP
        {'(', &Machine::mark},                               // MARK
        {'N', &Machine::none},                               // NONE
        {0x88, &Machine::boolean<true>},                     // NEWTRUE
        {0x89, &Machine::boolean<false>},                    // NEWFALSE
        {'J', &Machine::number<std::int32_t>},               // BININT
        {'K', &Machine::number<std::uint8_t>},               // BININT1
        {'M', &Machine::number<std::uint16_t>},              // BININT2
        {0x8a, &Machine::long1},                             // LONG1
        {'G', &Machine::binary_float},                       // BINFLOAT
        {'X', &Machine::text<std::uint32_t>},                // BINUNICODE
        {0x8c, &Machine::text<std::uint8_t>},                // SHORT_BINUNICODE
        {'U', &Machine::text<std::uint8_t>},                 // SHORT_BINSTRING
        {'c', &Machine::global},                             // GLOBAL
        {0x93, &Machine::stack_global},                      // STACK_GLOBAL
        {'}', &Machine::empty<Kind::kDict>},                 // EMPTY_DICT
        {']', &Machine::empty<Kind::kSequence>},             // EMPTY_LIST
        {')', &Machine::empty<Kind::kSequence>},             // EMPTY_TUPLE
        {'t', &Machine::tuple_from_mark},                    // TUPLE
        {0x85, &Machine::tuple<1>},                          // TUPLE1
        {0x86, &Machine::tuple<2>},                          // TUPLE2
        {0x87, &Machine::tuple<3>},                          // TUPLE3
        {'a', &Machine::append<1, Kind::kSequence>},         // APPEND
        {'e', &Machine::append_from_mark<Kind::kSequence>},  // APPENDS
        {'s', &Machine::append<2, Kind::kDict>},             // SETITEM
        {'u', &Machine::append_from_mark<Kind::kDict>},      // SETITEMS
        {'q', &Machine::put<std::uint8_t>},                  // BINPUT
        {'r', &Machine::put<std::uint32_t>},                 // LONG_BINPUT
        {0x94, &Machine::memoize},                           // MEMOIZE
        {0x95, &Machine::frame},                             // FRAME
        {'h', &Machine::get<std::uint8_t>},                  // BINGET
        {'j', &Machine::get<std::uint32_t>},                 // LONG_BINGET
        {'Q', &Machine::persistent_id},                      // BINPERSID
        {'R', &Machine::reduce},                             // REDUCE
        {0x81, &Machine::reduce},                            // NEWOBJ
        {'b', &Machine::build},                              // BUILD
    };
    return kAllowed;
  }

  bool execute(std::uint8_t code) {
    for (const auto& allowed : allowed_operations()) {
      if (allowed.code == code) return (this->*allowed.run)();
    }
    constexpr std::string_view kHex = "0123456789abcdef";
    return fail(
        std::string("the operation 0x") + kHex[code >> 4] + kHex[code & 15] + " is not allowed",
        "save it with torch.save's default protocol");
  }

  bool stop() { return stopped_ = true; }

  bool mark() {
    marks_.push_back(stack_.size());
    return true;
  }

  bool none() { return push(Kind::kNone); }

  template <bool value>
  bool boolean() {
    return push_integer(Kind::kBool, value ? 1 : 0);
  }

  template <Kind kind>
  bool empty() {
    return push(kind);
  }

  bool protocol() {
    std::uint8_t version = 0;
    if (!take(&version)) return false;
    return version <= kNewestProtocol ||
           fail("its pickle protocol " + std::to_string(version) + " is too new",
                "save it with torch.save's default protocol");
  }

  template <typename T>
  bool number() {
    T value = 0;
    return take(&value) && push_integer(Kind::kInt, value);
  }

  bool long1() {
    std::uint8_t size = 0;
    if (!take(&size)) return false;
    if (size > 8) return fail("an integer is longer than 64 bits");
    std::span<const std::uint8_t> bytes;
    if (!take_bytes(size, &bytes)) return false;
    std::uint64_t value = size > 0 && bytes.back() >= 0x80 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | bytes[i];
    return push_integer(Kind::kInt, static_cast<std::int64_t>(value));
  }

  bool binary_float() {
    std::span<const std::uint8_t> bytes;
    if (!take_bytes(8, &bytes)) return false;
    if (!push(Kind::kFloat)) return false;
    values_.back().number = std::bit_cast<double>(from_big_endian(bytes));
    return true;
  }

  template <typename Length>
  bool text() {
    Length length = 0;
    std::span<const std::uint8_t> bytes;
    if (!take(&length)) return false;
    if (length > kMaxTextBytes) return fail("a string is too long");
    if (!take_bytes(length, &bytes) || !push(Kind::kString)) return false;
    values_.back().text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return true;
  }

  bool global() {
    std::string module;
    std::string name;
    return take_line(&module) && take_line(&name) && push_global(module, name);
  }

  // From protocol 4 on the names are values.
  bool stack_global() {
    std::vector<ValueId> names;
    if (!pop(2, &names)) return false;
    const Value& module = values_[names[0]];
    const Value& name = values_[names[1]];
    if (module.kind != Kind::kString || name.kind != Kind::kString)
      return fail("a name is no text");
    return push_global(module.text, name.text);
  }

  bool push_global(const std::string& module, const std::string& name) {
    std::string global = module + " " + name;
    if (!is_allowed(global)) {
      return fail("it wants " + module + "." + name +
                      ", which no state dict needs and which is not run here",
                  "save only the tensors, as safetensors");
    }
    if (!push(Kind::kGlobal)) return false;
    values_.back().text = std::move(global);
    return true;
  }

  // Takes what lies above the last mark off the stack.
  bool pop_mark(std::vector<ValueId>* items) {
    if (marks_.empty()) return fail("a mark is missing");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    items->assign(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return true;
  }

  bool pop(std::size_t count, std::vector<ValueId>* items) {
    const std::size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() - floor < count) return fail("a value is missing");
    items->assign(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return true;
  }

  bool tuple_from_mark() {
    std::vector<ValueId> items;
    return pop_mark(&items) && push_items(std::move(items));
  }

  template <std::size_t count>
  bool tuple() {
    std::vector<ValueId> items;
    return pop(count, &items) && push_items(std::move(items));
  }

  bool push_items(std::vector<ValueId> items) {
    if (!push(Kind::kSequence)) return false;
    values_.back().items = std::move(items);
    return true;
  }

  bool append_items(const std::vector<ValueId>& items, Kind container) {
    const std::size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= floor || values_[stack_.back()].kind != container)
      return fail("no container to fill");
    if (container == Kind::kDict && items.size() % 2 != 0) return fail("a key has no value");
    auto& target = values_[stack_.back()].items;
    target.insert(target.end(), items.begin(), items.end());
    return true;
  }

  template <std::size_t count, Kind container>
  bool append() {
    std::vector<ValueId> items;
    return pop(count, &items) && append_items(items, container);
  }

  template <Kind container>
  bool append_from_mark() {
    std::vector<ValueId> items;
    return pop_mark(&items) && append_items(items, container);
  }

  template <typename Index>
  bool put() {
    Index index = 0;
    if (!take(&index)) return false;
    return remember(index);
  }

  // CPython counts what is remembered so, too.
  bool memoize() { return remember(static_cast<std::uint32_t>(memo_.size())); }

  bool remember(std::uint32_t index) {
    if (stack_.empty()) return fail("nothing to remember");
    if (memo_.size() == kMaxValues) return fail("it has too many values");
    memo_[index] = stack_.back();
    return true;
  }

  // The length of what follows, for those who read piece by piece.
  bool frame() {
    std::span<const std::uint8_t> length;
    return take_bytes(sizeof(std::uint64_t), &length);
  }

  template <typename Index>
  bool get() {
    Index index = 0;
    if (!take(&index)) return false;
    const auto at = memo_.find(index);
    if (at == memo_.end()) return fail("nothing is remembered there");
    if (stack_.size() == kMaxValues) return fail("it has too many values");
    stack_.push_back(at->second);
    return true;
  }

  // ('storage', torch.HalfStorage, '17', 'cpu', number of elements), before torch 1.6 also None, or
  // a view's place in a larger storage
  bool persistent_id() {
    std::vector<ValueId> top;
    if (!pop(1, &top)) return false;
    const auto& id = values_[top[0]].items;
    if (id.size() == 6 && values_[id[5]].kind != Kind::kNone) {
      return fail("it has a storage that is a view of another", "save it with a newer torch");
    }
    if (id.size() < 5 || id.size() > 6 || values_[id[0]].text != "storage" ||
        values_[id[1]].kind != Kind::kGlobal || values_[id[2]].kind != Kind::kString ||
        values_[id[4]].kind != Kind::kInt) {
      return fail("a reference to a storage is damaged");
    }
    const auto dtype = storage_type(values_[id[1]].text);
    if (!dtype) return fail("a storage has no type");
    auto storage = std::make_unique<TensorRef>();
    storage->dtype = *dtype;
    storage->storage_key = values_[id[2]].text;
    storage->storage_elements = values_[id[4]].integer;
    if (!push(Kind::kStorage)) return false;
    values_.back().tensor = std::move(storage);
    return true;
  }

  bool reduce() {
    std::vector<ValueId> call;
    if (!pop(2, &call)) return false;
    const Value& function = values_[call[0]];
    const std::vector<ValueId> arguments = values_[call[1]].items;
    if (function.kind != Kind::kGlobal || values_[call[1]].kind != Kind::kSequence) {
      return fail("it calls something that is no function");
    }
    if (function.text == kOrderedDict) {
      return arguments.empty() ? push(Kind::kDict) : fail("an OrderedDict has arguments");
    }
    if (function.text == kRebuildTensor) return rebuild_tensor(arguments);
    if (function.text == kRebuildUntyped) return rebuild_untyped(arguments);
    return fail("it calls a storage");
  }

  // (storage, offset, shape, strides, requires_grad, hooks[, metadata])
  bool rebuild_tensor(const std::vector<ValueId>& arguments) {
    if (arguments.size() < 6 || arguments.size() > 7 ||
        values_[arguments[0]].kind != Kind::kStorage || values_[arguments[1]].kind != Kind::kInt) {
      return fail("a tensor's arguments are damaged");
    }
    auto tensor = std::make_unique<TensorRef>(*values_[arguments[0]].tensor);
    tensor->offset = values_[arguments[1]].integer;
    if (!integers(arguments[2], &tensor->shape) || !integers(arguments[3], &tensor->strides))
      return false;
    if (tensor->shape.size() != tensor->strides.size())
      return fail("a tensor's strides do not fit its shape");
    if (!push(Kind::kTensor)) return false;
    values_.back().tensor = std::move(tensor);
    return true;
  }

  // (storage, offset, shape, strides, requires_grad, hooks, type[, metadata])
  bool rebuild_untyped(std::vector<ValueId> arguments) {
    if (arguments.size() < 7 || arguments.size() > 8)
      return fail("a tensor's arguments are damaged");
    const auto type = find_type(kTypes, values_[arguments[6]].text);
    if (!type || values_[arguments[6]].kind != Kind::kGlobal)
      return fail("a tensor has a type that is not read");
    arguments.resize(6);
    if (!rebuild_tensor(arguments)) return false;
    TensorRef& tensor = *values_.back().tensor;
    if (tensor.dtype != DType::kU8) return fail("a tensor's arguments are damaged");
    tensor.dtype = *type;  // of one byte, as its storage
    return true;
  }

  bool integers(ValueId id, std::vector<std::int64_t>* out) {
    const Value& sequence = values_[id];
    if (sequence.kind != Kind::kSequence || sequence.items.size() > kMaxRank)
      return fail("a shape is damaged");
    for (const ValueId item : sequence.items) {
      if (values_[item].kind != Kind::kInt) return fail("a shape is damaged");
      out->push_back(values_[item].integer);
    }
    return true;
  }

  // State that Python attaches to an OrderedDict (`_metadata` of a state dict): not needed.
  bool build() {
    std::vector<ValueId> state;
    if (!pop(1, &state)) return false;
    const bool on_dict = !stack_.empty() && values_[stack_.back()].kind == Kind::kDict;
    return on_dict || fail("it sets the state of an object that is no dictionary");
  }

  bool push(Kind kind) {
    if (values_.size() == kMaxValues || stack_.size() == kMaxValues)
      return fail("it has too many values");
    stack_.push_back(static_cast<ValueId>(values_.size()));
    values_.emplace_back().kind = kind;
    return true;
  }

  bool push_integer(Kind kind, std::int64_t value) {
    if (!push(kind)) return false;
    values_.back().integer = value;
    return true;
  }

  template <typename T>
  bool take(T* value) {
    std::span<const std::uint8_t> bytes;
    if (!take_bytes(sizeof(T), &bytes)) return false;
    std::memcpy(value, bytes.data(), sizeof(T));
    return true;
  }

  bool take_bytes(std::size_t count, std::span<const std::uint8_t>* bytes) {
    if (rest_.size() < count) return fail("it is cut off");
    *bytes = rest_.first(count);
    rest_ = rest_.subspan(count);
    return true;
  }

  bool take_line(std::string* line) {
    const auto end = std::find(rest_.begin(), rest_.end(), '\n');
    const auto length = static_cast<std::size_t>(end - rest_.begin());
    if (end == rest_.end() || length > kMaxTextBytes) return fail("a name does not end");
    line->assign(rest_.begin(), end);
    rest_ = rest_.subspan(length + 1);
    return true;
  }

  bool fail(std::string cause, std::string_view remedy = "fetch the file again") {
    cause_ = std::move(cause);
    remedy_ = remedy;
    return false;
  }

  Status refused() const {
    return {StatusCode::kBadInput,
            fmt::format("{}: not a checkpoint that can be read safely: {}; {}", origin_,
                        log::printable(cause_), remedy_)};
  }

  std::span<const std::uint8_t> rest_;
  const std::string& origin_;
  std::vector<Value> values_;
  std::vector<ValueId> stack_;
  std::vector<std::size_t> marks_;  // heights of the stack
  std::unordered_map<std::uint32_t, ValueId> memo_;
  std::string cause_;
  std::string_view remedy_;
  bool stopped_ = false;
};

}  // namespace

Result<Document> parse(std::span<const std::uint8_t> bytes, const std::string& origin) {
  return parse_first(bytes, origin);
}

Result<Document> parse_first(std::span<const std::uint8_t>& bytes, const std::string& origin) {
  const std::size_t seen = std::min(bytes.size(), kMaxBytes);
  Machine machine(bytes, origin);
  auto document = machine.run();
  bytes = bytes.subspan(seen - machine.unread());
  return document;
}

}  // namespace mimicfleet::weights::pickle
