#include "common/weights/torch_checkpoint.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "common/log.h"
#include "common/weights/pickle.h"
#include "common/weights/zip.h"

namespace mimicfleet::weights {
namespace {

constexpr std::string_view kPickleName = "/data.pkl";
// torch/serialization.py, _legacy_save: the pickle of MAGIC_NUMBER, behind its protocol and, from
// protocol 4 on, the length of a frame.
constexpr std::string_view kOldMagic = "\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.";
constexpr std::size_t kProtocolBytes = 2;
constexpr std::size_t kFrameBytes = 9;
constexpr std::uint8_t kFrame = 0x95;
constexpr std::int64_t kOldProtocol = 1001;
constexpr std::string_view kOldFolder = "before 1.6";  // in which a Flattener finds the storages
constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxItems = 200'000;
constexpr std::size_t kMaxNameBytes = 512;
constexpr std::size_t kMaxTextBytes = 64 << 20;  // of all names and strings together

// Walks the dictionaries of a pickle and turns what they hold into tensors and strings.
class Flattener {
 public:
  Flattener(const BufferPtr& buffer, const pickle::Document& document, const ZipEntries& entries,
            std::string folder)
      : buffer_(buffer), document_(document), entries_(entries), folder_(std::move(folder)) {}

  Result<TensorSet> run() {
    const pickle::Value& root = document_.values[document_.root];
    if (root.kind != pickle::Kind::kDict) return bad("it holds no dictionary of tensors");
    RETURN_IF_ERROR(walk(root, "", 0));
    return std::move(set_);
  }

 private:
  Status bad(const std::string& cause) const {
    return {StatusCode::kBadInput,
            buffer_->origin + ": not a checkpoint that can be read: " + log::printable(cause) +
                "; fetch the file again, or save its weights as safetensors"};
  }

  Status walk(const pickle::Value& dict, const std::string& prefix, int depth) {
    if (depth == kMaxDepth) return bad("its dictionaries are nested too deeply");
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      // One dictionary may hold another many times over, so the walk itself is what needs a bound.
      if (++items_ > kMaxItems) return bad("it has too many items");
      const pickle::Value& key = document_.values[dict.items[i]];
      if (key.kind != pickle::Kind::kString && key.kind != pickle::Kind::kInt)
        return bad("a key is no name");
      const std::string name =
          prefix + (key.kind == pickle::Kind::kString ? key.text : std::to_string(key.integer));
      if (name.size() > kMaxNameBytes) return bad("a name is too long");
      RETURN_IF_ERROR(add(name, document_.values[dict.items[i + 1]], depth));
    }
    return {};
  }

  Status add(const std::string& name, const pickle::Value& value, int depth) {
    switch (value.kind) {
      case pickle::Kind::kDict:
        return walk(value, name + ".", depth + 1);
      case pickle::Kind::kTensor:
        return add_tensor(name, *value.tensor);
      case pickle::Kind::kString:
        return add_text(name, value.text);
      case pickle::Kind::kInt:
        return add_text(name, std::to_string(value.integer));
      case pickle::Kind::kBool:
        return add_text(name, value.integer != 0 ? "true" : "false");
      case pickle::Kind::kFloat:
        return add_text(name, std::to_string(value.number));
      default:
        return {};
    }
  }

  Status added(const std::string& name, std::size_t text_bytes, bool is_new) {
    text_bytes_ += name.size() + text_bytes;
    if (text_bytes_ > kMaxTextBytes) return bad("its names and strings are too long");
    return is_new ? Status() : bad("the name " + name + " is there twice");
  }

  Status add_text(const std::string& name, const std::string& text) {
    return added(name, text.size(), set_.metadata.try_emplace(name, text).second);
  }

  Status add_tensor(const std::string& name, const pickle::TensorRef& ref) {
    const auto entry = entries_.find(folder_ + "/data/" + ref.storage_key);
    if (entry == entries_.end()) return bad("the storage of " + name + " is missing");
    const auto item = static_cast<std::int64_t>(item_size(ref.dtype));
    const auto elements = static_cast<std::int64_t>(entry->second.size()) / item;
    if (ref.storage_elements != elements ||
        elements * item != static_cast<std::int64_t>(entry->second.size())) {
      return bad("the storage of " + name + " has another size than announced");
    }
    const auto count = element_count(ref.shape);
    if (!count || ref.offset < 0 || ref.offset > elements)
      return bad(name + " lies outside its storage");
    std::int64_t last = 0;  // the furthest element, from the first
    for (std::size_t i = 0; i < ref.shape.size(); ++i) {
      std::int64_t reach = 0;
      if (ref.strides[i] < 0 ||
          __builtin_mul_overflow(ref.strides[i], std::max<std::int64_t>(ref.shape[i], 1) - 1,
                                 &reach) ||
          __builtin_add_overflow(last, reach, &last)) {
        return bad(name + " has impossible strides");
      }
    }
    const std::int64_t extent = *count == 0 ? 0 : last < elements ? last + 1 : elements + 1;
    if (extent > elements - ref.offset) return bad(name + " reaches beyond its storage");
    TensorView view{ref.dtype, ref.shape, ref.strides,
                    entry->second.subspan(static_cast<std::size_t>(ref.offset * item),
                                          static_cast<std::size_t>(extent * item)),
                    buffer_};
    return added(name, 0, set_.tensors.try_emplace(name, std::move(view)).second);
  }

  BufferPtr buffer_;
  const pickle::Document& document_;
  const ZipEntries& entries_;
  std::string folder_;  // in the archive
  std::size_t items_ = 0;
  std::size_t text_bytes_ = 0;
  TensorSet set_;
};

// What stands before the tensors' own pickle: protocol, and a description of the machine.
Status skip_preamble(std::span<const std::uint8_t>& bytes, const std::string& origin) {
  ASSIGN_OR_RETURN(const pickle::Document protocol, pickle::parse_first(bytes, origin));
  const pickle::Value& version = protocol.values[protocol.root];
  ASSIGN_OR_RETURN(const pickle::Document machine, pickle::parse_first(bytes, origin));
  const pickle::Value& description = machine.values[machine.root];
  bool is_little = false;
  for (std::size_t i = 0; i + 1 < description.items.size(); i += 2) {
    const bool is_order = machine.values[description.items[i]].text == "little_endian";
    if (is_order) is_little = machine.values[description.items[i + 1]].integer != 0;
  }
  if (version.integer == kOldProtocol && is_little) return {};
  return {
      StatusCode::kUnsupported,
      origin + ": written by a torch or machine that is too different; save it with a newer torch"};
}

// The storages lie in the order of `keys`, each after its number of elements.
Result<ZipEntries> read_storages(std::span<const std::uint8_t> bytes, const pickle::Document& keys,
                                 const std::map<std::string, DType>& types,
                                 const std::string& origin) {
  const auto bad = [&](const std::string& cause) {
    return Status(StatusCode::kBadInput, origin + ": not a checkpoint that can be read: " + cause +
                                             "; fetch the file again");
  };
  ZipEntries storages;
  for (const pickle::ValueId item : keys.values[keys.root].items) {
    const auto type = types.find(keys.values[item].text);
    if (type == types.end()) return bad("it has a storage of which no tensor is made");
    std::int64_t elements = 0;
    std::int64_t size = 0;
    if (bytes.size() < sizeof(elements)) return bad("it is cut off");
    std::memcpy(&elements, bytes.data(), sizeof(elements));
    bytes = bytes.subspan(sizeof(elements));
    if (elements < 0 ||
        __builtin_mul_overflow(elements, static_cast<std::int64_t>(item_size(type->second)),
                               &size) ||
        static_cast<std::uint64_t>(size) > bytes.size()) {
      return bad("it is cut off");
    }
    const std::string name = std::string(kOldFolder) + "/data/" + type->first;
    if (!storages.emplace(name, bytes.first(static_cast<std::size_t>(size))).second) {
      return bad("it has a storage twice");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  return storages;
}

// How long the first pickle is if it is that of the magic number.
std::optional<std::size_t> old_magic_bytes(std::span<const std::uint8_t> bytes) {
  if (bytes.size() <= kProtocolBytes || bytes[0] != 0x80) return std::nullopt;
  const std::size_t at =
      bytes[kProtocolBytes] == kFrame ? kProtocolBytes + kFrameBytes : kProtocolBytes;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (at > text.size() || !text.substr(at).starts_with(kOldMagic)) return std::nullopt;
  return at + kOldMagic.size();
}

Result<TensorSet> parse_old_checkpoint(const BufferPtr& buffer) {
  std::span<const std::uint8_t> bytes = buffer->bytes.subspan(*old_magic_bytes(buffer->bytes));
  RETURN_IF_ERROR(skip_preamble(bytes, buffer->origin));
  ASSIGN_OR_RETURN(const pickle::Document document, pickle::parse_first(bytes, buffer->origin));
  ASSIGN_OR_RETURN(const pickle::Document keys, pickle::parse_first(bytes, buffer->origin));
  std::map<std::string, DType> types;
  for (const pickle::Value& value : document.values) {
    if (value.kind == pickle::Kind::kStorage)
      types.emplace(value.tensor->storage_key, value.tensor->dtype);
  }
  ASSIGN_OR_RETURN(const ZipEntries storages, read_storages(bytes, keys, types, buffer->origin));
  return Flattener(buffer, document, storages, std::string(kOldFolder)).run();
}

}  // namespace

bool looks_like_old_checkpoint(std::span<const std::uint8_t> bytes) {
  return old_magic_bytes(bytes).has_value();
}

Result<TensorSet> parse_torch_checkpoint(const BufferPtr& buffer, Sums sums) {
  if (looks_like_old_checkpoint(buffer->bytes)) return parse_old_checkpoint(buffer);
  if (!looks_like_zip(buffer->bytes)) {
    return Status(StatusCode::kUnsupported, buffer->origin +
                                                ": not what torch.save writes; load it with "
                                                "torch.load(…, weights_only=True) and save it "
                                                "again");
  }
  ASSIGN_OR_RETURN(const ZipEntries entries, read_stored_zip(buffer, sums));
  std::string folder;
  for (const auto& [name, bytes] : entries) {
    if (name.ends_with(kPickleName)) folder = name.substr(0, name.size() - kPickleName.size());
  }
  const auto document_entry = entries.find(folder + std::string(kPickleName));
  if (folder.empty() || document_entry == entries.end()) {
    return Status(StatusCode::kBadInput, buffer->origin +
                                             ": is a ZIP archive that torch.save did not write; "
                                             "unpack it and name the file in it");
  }
  if (entries.contains(folder + "/constants.pkl")) {
    return Status(StatusCode::kUnsupported, buffer->origin +
                                                ": a TorchScript program, which is code and is not "
                                                "run; a state dict is expected");
  }
  if (const auto order = entries.find(folder + "/byteorder");
      order != entries.end() &&
      std::string(order->second.begin(), order->second.end()) != "little") {
    return Status(StatusCode::kUnsupported, buffer->origin +
                                                ": written on a big-endian machine; save the "
                                                "weights as safetensors");
  }
  ASSIGN_OR_RETURN(const pickle::Document document,
                   pickle::parse(document_entry->second, buffer->origin));
  return Flattener(buffer, document, entries, folder).run();
}

Result<TensorSet> open_torch_checkpoint(const std::string& path, Sums sums) {
  ASSIGN_OR_RETURN(const BufferPtr buffer, map_file(path));
  return parse_torch_checkpoint(buffer, sums);
}

}  // namespace mimicfleet::weights
