#include "worker/models/nn/scope.h"

#include <utility>

#include <ATen/ops/empty.h>

#include "common/check.h"

namespace mimicfleet::nn {

Scope Scope::operator/(std::string_view name) const {
  Scope child = *this;
  child.prefix_ += name;
  child.prefix_ += '.';
  return child;
}

Scope Scope::of_type(at::ScalarType type) const {
  Scope other = *this;
  other.options_ = options_.dtype(type);
  return other;
}

at::Tensor Scope::parameter(std::string_view name, std::vector<std::int64_t> shape,
                            at::MemoryFormat format) const {
  at::Tensor tensor = empty(shape, format);
  add(name, std::move(shape), tensor);
  return tensor;
}

at::Tensor Scope::host_parameter(std::string_view name, std::vector<std::int64_t> shape) const {
  at::Tensor tensor =
      block(shape, at::TensorOptions().dtype(at::kFloat), at::MemoryFormat::Contiguous);
  add(name, std::move(shape), tensor);
  return tensor;
}

void Scope::bind(std::string_view name, const at::Tensor& memory) const {
  add(name, memory.sizes().vec(), memory);
}

at::Tensor Scope::empty(const std::vector<std::int64_t>& shape, at::MemoryFormat format) const {
  return block(shape, options_, format);
}

at::Tensor Scope::block(const std::vector<std::int64_t>& shape, at::TensorOptions options,
                        at::MemoryFormat format) const {
  if (memory_ == nullptr) return at::empty(shape, options, format);
  if (memory_->next == memory_->blocks.size())
    memory_->blocks.push_back(at::empty(shape, options, format));
  const at::Tensor& block = memory_->blocks[memory_->next++];
  CHECK(block.sizes() == at::IntArrayRef(shape));  // the same modules ask in the same order
  return block;
}

void Scope::unread(std::string_view name, std::vector<std::int64_t> shape) const {
  add(name, std::move(shape), at::Tensor());
}

void Scope::add(std::string_view name, std::vector<std::int64_t> shape, at::Tensor tensor) const {
  list_->push_back({prefix_ + std::string(name), std::move(shape), std::move(tensor)});
}

}  // namespace mimicfleet::nn
