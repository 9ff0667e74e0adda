#include "worker/models/nn/scope.h"

#include <utility>

#include <ATen/ops/empty.h>

namespace mimicfleet::nn {

Scope Scope::operator/(std::string_view name) const {
  Scope child = *this;
  child.prefix_ += name;
  child.prefix_ += '.';
  return child;
}

at::Tensor Scope::parameter(std::string_view name, std::vector<std::int64_t> shape,
                            at::MemoryFormat format) const {
  at::Tensor tensor = empty(shape, format);
  add(name, std::move(shape), tensor);
  return tensor;
}

at::Tensor Scope::host_parameter(std::string_view name, std::vector<std::int64_t> shape) const {
  at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  add(name, std::move(shape), tensor);
  return tensor;
}

void Scope::bind(std::string_view name, const at::Tensor& memory) const {
  add(name, memory.sizes().vec(), memory);
}

at::Tensor Scope::empty(std::vector<std::int64_t> shape, at::MemoryFormat format) const {
  return at::empty(shape, options_, format);
}

void Scope::unread(std::string_view name, std::vector<std::int64_t> shape) const {
  add(name, std::move(shape), at::Tensor());
}

void Scope::add(std::string_view name, std::vector<std::int64_t> shape, at::Tensor tensor) const {
  list_->push_back({prefix_ + std::string(name), std::move(shape), std::move(tensor)});
}

}  // namespace mimicfleet::nn
