#include "tests/worker/onnx/formula_weights.h"

#include <sstream>
#include <stdexcept>

#include <onnx/onnx_pb.h>

namespace mimicfleet::onnx {

std::vector<float> formula(std::size_t count, std::uint64_t seed, double low, double high) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t x = i + seed * 0x9E3779B97F4A7C15;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    const double unit = static_cast<double>((x ^ (x >> 31)) >> 40) / (1 << 24);
    values[i] = static_cast<float>(low + (high - low) * unit);
  }
  return values;
}

std::string with_formula_weights(std::string_view model) {
  ::onnx::ModelProto proto;
  if (!proto.ParseFromArray(model.data(), static_cast<int>(model.size())))
    throw std::runtime_error("no model");
  for (auto& tensor : *proto.mutable_graph()->mutable_initializer()) {
    std::istringstream words(tensor.doc_string());
    std::string kind;
    std::uint64_t seed = 0;
    double low = 0;
    double high = 0;
    if (!(words >> kind >> seed >> low >> high) || kind != "formula") continue;
    std::size_t count = 1;
    for (const std::int64_t dim : tensor.dims()) count *= static_cast<std::size_t>(dim);
    const auto values = formula(count, seed, low, high);
    tensor.set_raw_data(values.data(), values.size() * sizeof(float));
  }
  return proto.SerializeAsString();
}

}  // namespace mimicfleet::onnx
