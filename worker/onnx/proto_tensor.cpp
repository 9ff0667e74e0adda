#include "worker/onnx/proto_tensor.h"

#include <cstring>
#include <limits>
#include <utility>

namespace mimicfleet::onnx {
namespace {

using ::onnx::TensorProto;

template <typename To, typename Field>
std::string packed(const Field& field) {
  std::string bytes(static_cast<std::size_t>(field.size()) * sizeof(To), '\0');
  char* out = bytes.data();
  for (const auto value : field) {
    const To item = static_cast<To>(value);
    std::memcpy(out, &item, sizeof(To));
    out += sizeof(To);
  }
  return bytes;
}

// The typed fields that stand in for raw_data. Half-precision numbers travel as the bits of an
// int32.
std::string typed_data(const TensorProto& proto, DataType type) {
  switch (type) {
    case DataType::kFloat:
      return packed<float>(proto.float_data());
    case DataType::kDouble:
      return packed<double>(proto.double_data());
    case DataType::kInt64:
      return packed<std::int64_t>(proto.int64_data());
    case DataType::kInt32:
      return packed<std::int32_t>(proto.int32_data());
    case DataType::kHalf:
    case DataType::kInt16:
      return packed<std::uint16_t>(proto.int32_data());
    case DataType::kInt8:
    case DataType::kUint8:
    case DataType::kBool:
      return packed<std::uint8_t>(proto.int32_data());
  }
  return {};
}

// The tensor's size in bytes, or nothing if it does not fit into memory.
Result<std::uint64_t> byte_count(const TensorData& tensor) {
  std::uint64_t count = item_size(tensor.type);
  for (const std::int64_t dim : tensor.dims) {
    if (dim < 0) return Status(StatusCode::kBadInput, "has a negative dimension");
    if (dim != 0 &&
        count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / dim)) {
      return Status(StatusCode::kBadInput, "is larger than any memory");
    }
    count *= static_cast<std::uint64_t>(dim);
  }
  return count;
}

}  // namespace

Result<DataType> data_type_from(std::int64_t number) {
  switch (number) {
    case TensorProto::FLOAT:
      return DataType::kFloat;
    case TensorProto::DOUBLE:
      return DataType::kDouble;
    case TensorProto::FLOAT16:
      return DataType::kHalf;
    case TensorProto::INT64:
      return DataType::kInt64;
    case TensorProto::INT32:
      return DataType::kInt32;
    case TensorProto::INT16:
      return DataType::kInt16;
    case TensorProto::INT8:
      return DataType::kInt8;
    case TensorProto::UINT8:
      return DataType::kUint8;
    case TensorProto::BOOL:
      return DataType::kBool;
    default:
      break;
  }
  if (number <= TensorProto::UNDEFINED || number > TensorProto::DataType_MAX) {
    return Status(StatusCode::kBadInput, "has the unknown data type " + std::to_string(number));
  }
  return Status(StatusCode::kUnsupported,
                "has the data type " +
                    TensorProto::DataType_Name(static_cast<TensorProto::DataType>(number)) +
                    ", which is not implemented");
}

Result<TensorData> take_tensor(TensorProto& proto, int max_rank) {
  if (proto.data_location() == TensorProto::EXTERNAL || proto.external_data_size() > 0) {
    return Status(
        StatusCode::kUnsupported,
        "keeps its data in another file; export the model with all weights inside one file");
  }
  if (proto.has_segment()) return Status(StatusCode::kUnsupported, "is stored in segments");
  TensorData tensor;
  ASSIGN_OR_RETURN(tensor.type, data_type_from(proto.data_type()));
  if (proto.dims_size() > max_rank) {
    return Status(StatusCode::kBadInput,
                  "has " + std::to_string(proto.dims_size()) + " dimensions");
  }
  tensor.dims.assign(proto.dims().begin(), proto.dims().end());
  ASSIGN_OR_RETURN(const std::uint64_t expected, byte_count(tensor));
  if (proto.has_raw_data()) {
    tensor.bytes = std::move(*proto.mutable_raw_data());
  } else {
    tensor.bytes = typed_data(proto, tensor.type);
  }
  if (tensor.bytes.size() != expected) {
    return Status(StatusCode::kBadInput, "holds " + std::to_string(tensor.bytes.size()) +
                                             " bytes where its shape needs " +
                                             std::to_string(expected));
  }
  return tensor;
}

}  // namespace mimicfleet::onnx
