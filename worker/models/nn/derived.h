#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include <ATen/core/Tensor.h>

#include "worker/models/nn/accelerator.h"

namespace mimicfleet::nn {

// A tensor that a module makes of its parameters at the first use, when they are loaded; they do
// not change then. Copies of a module share it.
class Derived {
 public:
  // What `make` gave the first time. From any thread and stream.
  [[nodiscard]] const at::Tensor& get(const std::function<at::Tensor()>& make) const {
    std::call_once(made_->once, [&] {
      made_->tensor = make();
      synchronize(made_->tensor.device());  // another stream may be the next to read it
    });
    return made_->tensor;
  }

 private:
  struct Made {
    std::once_flag once;
    at::Tensor tensor;
  };
  std::shared_ptr<Made> made_ = std::make_shared<Made>();
};

}  // namespace mimicfleet::nn
