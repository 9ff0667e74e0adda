#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/TensorOptions.h>

namespace mimicfleet::nn {

// One tensor of a model: its name in checkpoints, its shape there, and the memory that the loader
// fills.
struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  at::Tensor tensor;  // undefined: the checkpoint has to hold it, but no equation here reads it
};

using ParameterList = std::vector<Parameter>;

// The memory of a model's parameters, block by block in the order in which its modules ask for it.
// A model that is made again with the same blocks shares them.
struct Memory {
  std::vector<at::Tensor> blocks;
  std::size_t next = 0;
};

// Where a module finds its parameters. Modules are plain values that take a Scope first and keep
// tensors from it; names on the path to a parameter, joined by dots, are its key in the checkpoint:
//   Conv2d conv1{scope / "conv1", 320, 640, 3}   has   conv1.weight, conv1.bias
// The tensors are allocated here and filled later (nn/load.h). With options on the meta device
// nothing is allocated, which is how names and shapes of the full-size models are tested.
class Scope {
 public:
  // `memory` keeps what is allocated, or gives what it has; null: neither.
  Scope(ParameterList& list, at::TensorOptions options, Memory* memory = nullptr)
      : list_(&list), options_(options), memory_(memory) {}

  [[nodiscard]] Scope operator/(std::string_view name) const;
  [[nodiscard]] at::ScalarType type() const { return options_.dtype().toScalarType(); }

  // The same place for parameters of another type.
  [[nodiscard]] Scope of_type(at::ScalarType type) const;

  [[nodiscard]] Scope operator/(int index) const { return *this / std::to_string(index); }

  [[nodiscard]] at::Tensor parameter(std::string_view name, std::vector<std::int64_t> shape,
                                     at::MemoryFormat format = at::MemoryFormat::Contiguous) const;

  // A few float32 numbers that stay on the CPU, where reading them does not wait for a device.
  [[nodiscard]] at::Tensor host_parameter(std::string_view name,
                                          std::vector<std::int64_t> shape) const;

  // A parameter whose memory is (part of) a tensor that the module has made by `empty`.
  void bind(std::string_view name, const at::Tensor& memory) const;
  [[nodiscard]] at::Tensor empty(const std::vector<std::int64_t>& shape,
                                 at::MemoryFormat format = at::MemoryFormat::Contiguous) const;

  // A parameter that has to be in the checkpoint, although no equation here reads it.
  void unread(std::string_view name, std::vector<std::int64_t> shape) const;

 private:
  void add(std::string_view name, std::vector<std::int64_t> shape, at::Tensor tensor) const;
  [[nodiscard]] at::Tensor block(const std::vector<std::int64_t>& shape, at::TensorOptions options,
                                 at::MemoryFormat format) const;

  ParameterList* list_;
  at::TensorOptions options_;
  Memory* memory_;
  std::string prefix_;  // ends in a dot unless empty
};

}  // namespace mimicfleet::nn
