#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace onnx {
class ModelProto;
}

namespace mimicfleet::onnx {

// Builds the bytes of small models. The schema's headers stay in the source: LibTorch carries
// another protobuf's.
class ModelBuilder {
 public:
  explicit ModelBuilder(int opset = 11);
  ModelBuilder(const ModelBuilder& other);
  ModelBuilder& operator=(const ModelBuilder& other) = delete;
  ~ModelBuilder();

  static constexpr int kFloat = 1;  // TensorProto.DataType
  static constexpr int kInt64 = 7;

  // dims: -1 is a free dimension.
  ModelBuilder& input(const std::string& name, const std::vector<std::int64_t>& dims,
                      int type = kFloat);
  ModelBuilder& output(const std::string& name);
  ModelBuilder& floats(const std::string& name, const std::vector<std::int64_t>& dims,
                       const std::vector<float>& values);
  ModelBuilder& ints(const std::string& name, const std::vector<std::int64_t>& values);
  ModelBuilder& node(const std::string& op, const std::vector<std::string>& inputs,
                     const std::vector<std::string>& outputs);

  // Attributes of the node added last.
  ModelBuilder& integer(const std::string& name, std::int64_t value);
  ModelBuilder& number(const std::string& name, float value);
  ModelBuilder& integers(const std::string& name, const std::vector<std::int64_t>& values);
  ModelBuilder& numbers(const std::string& name, const std::vector<float>& values);

  [[nodiscard]] ::onnx::ModelProto& proto() { return *model_; }
  [[nodiscard]] std::string bytes() const;

 private:
  std::unique_ptr<::onnx::ModelProto> model_;
};

}  // namespace mimicfleet::onnx
