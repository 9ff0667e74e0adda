// Convolution, matrix products and the normalisation that follows them.
#include <array>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>

#include "worker/models/nn/float_kernels.h"
#include "worker/onnx/windows.h"

namespace mimicfleet::onnx {
namespace {

// A convolution of each channel with its own filter, by our own kernel where that serves.
std::optional<at::Tensor> channel_convolution(const OpCall& call, const at::Tensor& x,
                                              const Windows& w, const at::Tensor& bias,
                                              bool then_silu) {
  const Ints ones(w.axes(), 1);
  const bool keeps_size = w.stride == ones && w.dilation == ones && w.before == Ints(w.axes(), 2);
  if (!x.is_cuda() || !keeps_size || call.integer("group", 1) != x.size(1)) return std::nullopt;
  return nn::gpu_channel_convolution(x, call.inputs[1], bias, then_silu);
}

// The channels of the joined image that are for a result like `y`.
at::Tensor place_of(const Part& part, const at::Tensor& y) {
  if (!part.joined->defined()) {
    *part.joined = at::empty({y.size(0), part.all_channels, y.size(2), y.size(3)},
                             y.options().memory_format(at::MemoryFormat::ChannelsLast));
  }
  const at::Tensor& whole = *part.joined;
  const bool fits =
      whole.size(0) == y.size(0) && whole.size(2) == y.size(2) && whole.size(3) == y.size(3);
  return fits ? whole.narrow(1, part.first_channel, y.size(1)) : y;
}

// silu(conv(x)) if asked for. The bias and what follows it are one pass where our own kernel
// serves: a GPU's convolutions add a bias in a pass of its own in any case.
at::Tensor convolved(const OpCall& call, const at::Tensor& x, const Windows& w, bool then_silu,
                     const at::Tensor& residual) {
  const at::Tensor& weight = call.inputs[1];
  const at::Tensor bias = call.has(2) ? call.inputs[2] : at::Tensor();
  at::Tensor y;
  if (auto own = channel_convolution(call, x, w, bias, then_silu)) {
    y = *std::move(own);
  } else {
    const bool apart =
        bias.defined() && x.dim() == 4 && nn::can_finish_convolution(x, weight.size(0));
    const auto added = bias.defined() && !apart ? std::optional(bias) : std::nullopt;
    y = at::convolution(x, weight, added, w.stride, w.before, w.dilation, /*transposed=*/false,
                        /*output_padding=*/Ints(w.axes(), 0), call.integer("group", 1));
    if (apart) {
      at::Tensor to = call.part ? place_of(*call.part, y) : y;
      if (nn::gpu_finish_convolution(y, bias, residual, then_silu, to)) return to;
    }
    if (apart) y.add_(bias.view({-1, 1, 1}));
    if (then_silu) at::silu_(y);
  }
  if (!residual.defined()) return y;
  return residual.sizes() == y.sizes() ? y.add_(residual) : at::add(y, residual);
}

Result<at::Tensor> checked_convolution(OpCall& call, bool then_silu, const at::Tensor& residual) {
  at::Tensor x = call.inputs[0];
  const at::Tensor& weight = call.inputs[1];
  if (weight.dim() != x.dim()) return bad_node("weights that do not fit its input");
  ASSIGN_OR_RETURN(Windows w, windows_of(call, weight.sizes().slice(2).vec()));
  const Ints asked = call.integers("kernel_shape");
  if (!asked.empty() && asked != w.kernel)
    return bad_node("a kernel_shape that is not its weights'");
  if (!w.symmetric()) {
    x = at::constant_pad_nd(x, torch_padding(w), 0);
    w.before.assign(w.axes(), 0);
  }
  // The layout of the filters, see place().
  if (weight.dim() == 4) x = x.contiguous(at::MemoryFormat::ChannelsLast);
  return convolved(call, x, w, then_silu, residual);
}

Result<Tensors> conv(OpCall& call) {
  ASSIGN_OR_RETURN(at::Tensor y, checked_convolution(call, /*then_silu=*/false, {}));
  return one(std::move(y));
}

Result<Tensors> finished_conv(OpCall& call) {
  const at::Tensor residual = call.has(3) ? call.inputs[3] : at::Tensor();
  if (residual.defined() && residual.scalar_type() != call.inputs[0].scalar_type()) {
    return bad_node("its inputs differ in type");
  }
  ASSIGN_OR_RETURN(at::Tensor y, checked_convolution(call, /*then_silu=*/true, residual));
  return one(std::move(y));
}

bool stacks_finished_conv(const OpCall& call, const std::vector<bool>& stacked) {
  const bool alone = stacked[0] && !stacked[1] && !stacked[2];
  if (!alone || !call.has(3)) return alone;
  const std::int64_t rank = call.inputs[3].dim();
  return stacked[3] ? rank == call.inputs[0].dim()
                    : rank < call.inputs[0].dim() || call.inputs[3].size(0) == 1;
}

Result<Tensors> batch_normalization(OpCall& call) {
  if (call.integer("training_mode", 0) != 0) return not_implemented("training_mode");
  if (call.integer("spatial", 1) != 1) return not_implemented("spatial = 0");
  if (call.node.outputs.size() != 1)
    return not_implemented("more than one output, as in training,");
  return one(at::batch_norm(call.inputs[0], call.inputs[1], call.inputs[2], call.inputs[3],
                            call.inputs[4],
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

constexpr std::array kLinearOperators = {
    Operator{"Conv", conv, 2, 3, "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I",
             stacks_first_input},
    Operator{kFinishedConv, finished_conv, 3, 4,
             "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I",
             stacks_finished_conv},
    Operator{"BatchNormalization", batch_normalization, 5, 5,
             "epsilon:f momentum:f training_mode:i spatial:i", stacks_first_input},
    Operator{"MatMul", matmul, 2, 2, "", stacks_matmul},
    Operator{"Gemm", gemm, 2, 3, "alpha:f beta:f transA:i transB:i", stacks_gemm},
};

}  // namespace

std::span<const Operator> linear_operators() { return kLinearOperators; }

}  // namespace mimicfleet::onnx
