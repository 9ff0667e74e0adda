#include <array>

#include <ATen/ops/empty.h>

#include "worker/models/nn/gpu_kernels.h"
#include "worker/models/nn/gpu_launch.h"

namespace mimicfleet::nn {
namespace {

// As elementwise_kernels() lists them.
enum ElementwiseKernel : std::size_t { kGeglu, kAdd, kConcatenate };

// Of a tensor [B, T, S, C] that is read at any stride but along its channels, in vectors.
struct Strides {
  long long clip = 0;
  long long frame = 0;
  long long position = 0;
};

long long stride(const at::Tensor& x, std::int64_t dimension) {
  return x.size(dimension) == 1 ? 0 : x.stride(dimension) / kVector;
}

bool is_readable(const at::Tensor& x) {
  const auto in_vectors = [&x](std::int64_t dimension) {
    return x.size(dimension) == 1 || x.stride(dimension) % kVector == 0;
  };
  return is_aligned(x) && x.stride(-1) == 1 && in_vectors(0) && in_vectors(1) &&
         (x.dim() < 4 || in_vectors(2));
}

}  // namespace

const KernelFile& elementwise_kernels() {
  static const KernelFile kFile("elementwise.cu", {"geglu", "add", "concatenate"});
  return kFile;
}

std::optional<at::Tensor> gpu_geglu(const at::Tensor& x) {
  const std::int64_t inner = x.size(-1) / 2;
  const GpuProgram* program =
      x.is_contiguous() ? program_for(elementwise_kernels(), x, inner) : nullptr;
  if (program == nullptr) return std::nullopt;
  auto shape = x.sizes().vec();
  shape.back() = inner;
  at::Tensor y = at::empty(shape, x.options());
  const void* in = x.const_data_ptr();
  void* out = y.mutable_data_ptr();
  long long count = y.numel() / kVector;
  int vectors = static_cast<int>(inner / kVector);
  const std::array<void*, 4> arguments = {&in, &out, &count, &vectors};
  program->launch(kGeglu, {blocks_for(count, kThreads), 1}, kThreads, 0, arguments);
  return y;
}

bool gpu_add(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b,
             const at::Tensor& addend, double share) {
  const bool serves = out.is_contiguous() && out.size(0) * out.size(1) < kMostBlocksInY &&
                      out.size(2) * out.size(3) / kVector < std::int64_t{1} << 31 &&
                      (!a.defined() || (a.is_contiguous() && is_aligned(a))) &&
                      (!b.defined() || is_readable(b)) &&
                      (!addend.defined() || is_readable(addend));
  const GpuProgram* program =
      serves ? program_for(elementwise_kernels(), out, out.size(3)) : nullptr;
  if (program == nullptr) return false;
  const void* first = data_of(a);
  const void* second = data_of(b);
  const void* extra = data_of(addend);
  void* to = out.mutable_data_ptr();
  auto count = static_cast<unsigned>(out.size(2) * out.size(3) / kVector);
  int vectors = static_cast<int>(out.size(3) / kVector);
  int frames = static_cast<int>(out.size(1));
  Strides of_b;
  if (b.defined()) of_b = {stride(b, 0), stride(b, 1), stride(b, 2)};
  Strides of_addend;
  if (addend.defined()) of_addend = {stride(addend, 0), stride(addend, 1), 0};
  auto factor = static_cast<float>(share);
  const std::array<void*, 13> arguments = {
      &first,          &second,          &extra,     &to,         &count,
      &vectors,        &frames,          &of_b.clip, &of_b.frame, &of_b.position,
      &of_addend.clip, &of_addend.frame, &factor};
  program->launch(kAdd,
                  {blocks_for(count, kThreads), static_cast<unsigned>(out.size(0) * out.size(1))},
                  kThreads, 0, arguments);
  return true;
}

std::optional<at::Tensor> gpu_concatenate(const at::Tensor& a, const at::Tensor& a_addend,
                                          const at::Tensor& b, const at::Tensor& b_addend) {
  const auto fits = [](const at::Tensor& x, const at::Tensor& addend) {
    return x.dim() == 4 && x.size(1) % kVector == 0 &&
           x.is_contiguous(at::MemoryFormat::ChannelsLast) && is_aligned(x) &&
           (!addend.defined() || (addend.is_contiguous() && is_aligned(addend)));
  };
  const bool serves = fits(a, a_addend) && fits(b, b_addend) &&
                      a.scalar_type() == b.scalar_type() && a.size(0) == b.size(0) &&
                      a.size(0) < kMostBlocksInY && a.size(2) == b.size(2) &&
                      a.size(3) == b.size(3);
  const std::int64_t channels = a.size(1) + b.size(1);
  const std::int64_t vectors = channels / kVector * a.size(2) * a.size(3);
  const GpuProgram* program = serves && vectors < std::int64_t{1} << 31
                                  ? program_for(elementwise_kernels(), a, a.size(1))
                                  : nullptr;
  if (program == nullptr) return std::nullopt;
  at::Tensor y = at::empty({a.size(0), channels, a.size(2), a.size(3)},
                           a.options().memory_format(at::MemoryFormat::ChannelsLast));
  const void* first = a.const_data_ptr();
  const void* second = b.const_data_ptr();
  const void* of_first = data_of(a_addend);
  const void* of_second = data_of(b_addend);
  int first_rows = a_addend.defined() ? static_cast<int>(a_addend.size(0)) : 0;
  int second_rows = b_addend.defined() ? static_cast<int>(b_addend.size(0)) : 0;
  void* out = y.mutable_data_ptr();
  auto count = static_cast<unsigned>(vectors);
  auto first_width = static_cast<unsigned>(a.size(1) / kVector);
  auto second_width = static_cast<unsigned>(b.size(1) / kVector);
  const std::array<void*, 10> arguments = {&first,       &of_first,    &first_rows, &second,
                                           &of_second,   &second_rows, &out,        &count,
                                           &first_width, &second_width};
  program->launch(kConcatenate, {blocks_for(vectors, kThreads), static_cast<unsigned>(a.size(0))},
                  kThreads, 0, arguments);
  return y;
}

}  // namespace mimicfleet::nn
