#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/weights/tensor_set.h"

namespace mimicfleet::weights::pickle {

// A tensor as torch.save describes it: a window of a storage that lies beside the pickle under
// `storage_key`.
struct TensorRef {
  DType dtype = DType::kF32;
  std::string storage_key;
  std::int64_t storage_elements = 0;
  std::int64_t offset = 0;  // in elements
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
};

enum class Kind {
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kSequence,
  kDict,
  kTensor,
  kGlobal,
  kStorage
};

// An index into Document::values.
using ValueId = std::uint32_t;

struct Value {
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;           // kBool, kInt
  double number = 0;                  // kFloat
  std::string text;                   // kString; kGlobal: "module name"
  std::vector<ValueId> items;         // kSequence; kDict: key, value, key, value…
  std::unique_ptr<TensorRef> tensor;  // kTensor, kStorage
};

// Values may refer to each other in circles: whoever walks them bounds the depth.
struct Document {
  std::vector<Value> values;
  ValueId root = 0;
};

// Reads the pickle of a torch.save archive without running anything: only the operations that state
// dicts need, and only the globals torch._utils._rebuild_tensor_v2 and _v3,
// collections.OrderedDict, torch.*Storage and the names of float8 types. Anything else is kBadInput
// and named. `origin` is for messages.
[[nodiscard]] Result<Document> parse(std::span<const std::uint8_t> bytes,
                                     const std::string& origin);

// The same of the pickle that `bytes` begin with; they become what follows it.
[[nodiscard]] Result<Document> parse_first(std::span<const std::uint8_t>& bytes,
                                           const std::string& origin);

}  // namespace mimicfleet::weights::pickle
