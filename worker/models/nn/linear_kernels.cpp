#include "worker/models/nn/linear_kernels.h"

#include <optional>
#include <string_view>

#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>

namespace mimicfleet::nn {
namespace {

using OptionalTensor = std::optional<at::Tensor>;
using Pointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const OptionalTensor&,
                             std::string_view, c10::List<std::optional<at::Scalar>>,
                             std::optional<std::string_view>);
using Binary = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                          const OptionalTensor&, std::string_view);

// These operators have no C++ header.
template <typename Function>
std::optional<c10::TypedOperatorHandle<Function>> find(const char* overload) {
  const auto handle =
      c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", overload});
  if (!handle) return std::nullopt;
  return handle->typed<Function>();
}

const auto& pointwise() {
  static const auto handle = find<Pointwise>("");
  return handle;
}

const auto& binary() {
  static const auto handle = find<Binary>("binary");
  return handle;
}

OptionalTensor optional(const at::Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}

at::Tensor linear_then(const char* activation, const at::Tensor& x, const at::Tensor& weight,
                       const at::Tensor& bias) {
  return pointwise()->call(x, weight, optional(bias), activation,
                           c10::List<std::optional<at::Scalar>>(), "none");
}

}  // namespace

bool fuses_linear(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && pointwise().has_value() &&
         binary().has_value();
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return fuses_linear(x) ? linear_then("none", x, weight, bias) : at::linear(x, weight, bias);
}

at::Tensor linear_then_gelu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return fuses_linear(x) ? linear_then("gelu", x, weight, bias)
                         : at::gelu(at::linear(x, weight, bias));
}

at::Tensor linear_times(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        const at::Tensor& factor) {
  if (!fuses_linear(x)) return at::linear(x, weight, bias).mul_(factor);
  return binary()->call(x, factor, weight, optional(bias), "mul");
}

}  // namespace mimicfleet::nn
