// Convolution, matrix products and the normalisation that follows them.
#include <array>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/matmul.h>

#include "worker/onnx/windows.h"

namespace mimicfleet::onnx {
namespace {

Result<Tensors> conv(OpCall& call) {
  at::Tensor x = call.inputs[0];
  const at::Tensor& weight = call.inputs[1];
  if (weight.dim() != x.dim()) return bad_node("weights that do not fit its input");
  ASSIGN_OR_RETURN(Windows w, windows_of(call, weight.sizes().slice(2).vec()));
  const Ints asked = call.integers("kernel_shape");
  if (!asked.empty() && asked != w.kernel) return bad_node("a kernel_shape that is not its weights'");
  if (!w.symmetric()) {
    x = at::constant_pad_nd(x, torch_padding(w), 0);
    w.before.assign(w.axes(), 0);
  }
  // Weights in channels_last (see session.cpp) run fastest on inputs of the same layout.
  if (weight.dim() == 4) x = x.contiguous(weight.suggest_memory_format());
  const std::optional<at::Tensor> bias = call.has(2) ? std::optional(call.inputs[2]) : std::nullopt;
  return one(at::convolution(x, weight, bias, w.stride, w.before, w.dilation, /*transposed=*/false,
                             /*output_padding=*/Ints(w.axes(), 0), call.integer("group", 1)));
}

Result<Tensors> batch_normalization(OpCall& call) {
  if (call.integer("training_mode", 0) != 0) return not_implemented("training_mode");
  if (call.integer("spatial", 1) != 1) return not_implemented("spatial = 0");
  if (call.node.outputs.size() != 1) return not_implemented("more than one output, as in training,");
  return one(at::batch_norm(call.inputs[0], call.inputs[1], call.inputs[2], call.inputs[3], call.inputs[4],
                            /*training=*/false, /*momentum=*/0, call.number("epsilon", 1e-5),
                            /*cudnn_enabled=*/false));
}

Result<Tensors> matmul(OpCall& call) { return one(at::matmul(call.inputs[0], call.inputs[1])); }

bool stacks_matmul(const OpCall& call, const std::vector<bool>& stacked) {
  const std::int64_t a = call.inputs[0].dim();
  const std::int64_t b = call.inputs[1].dim();
  if (stacked[0] && stacked[1]) return a == b && a >= 3;
  return stacked[0] ? a >= 2 && b <= std::max<std::int64_t>(a, 2) : b >= 3 && a <= b;
}

Result<Tensors> gemm(OpCall& call) {
  at::Tensor a = call.inputs[0];
  at::Tensor b = call.inputs[1];
  if (a.dim() != 2 || b.dim() != 2) return bad_node("inputs that are no matrices");
  if (call.integer("transA", 0) != 0) a = a.t();
  if (call.integer("transB", 0) != 0) b = b.t();
  const double alpha = call.number("alpha", 1);
  if (call.has(2)) return one(at::addmm(call.inputs[2], a, b, call.number("beta", 1), alpha));
  const at::Tensor product = at::matmul(a, b);
  return one(alpha == 1 ? product : product * alpha);
}

bool stacks_gemm(const OpCall& call, const std::vector<bool>& stacked) {
  const bool bias_fits = !call.has(2) || call.inputs[2].dim() < 2 || call.inputs[2].size(0) == 1;
  return stacks_first_input(call, stacked) && call.integer("transA", 0) == 0 && bias_fits;
}

constexpr std::array kOperators = {
    Operator{"Conv", conv, 2, 3, "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I",
             stacks_first_input},
    Operator{"BatchNormalization", batch_normalization, 5, 5,
             "epsilon:f momentum:f training_mode:i spatial:i", stacks_first_input},
    Operator{"MatMul", matmul, 2, 2, "", stacks_matmul},
    Operator{"Gemm", gemm, 2, 3, "alpha:f beta:f transA:i transB:i", stacks_gemm},
};

}  // namespace

std::span<const Operator> linear_operators() { return kOperators; }

}  // namespace mimicfleet::onnx
