#include "worker/models/nn/float_kernels.h"

#include <algorithm>
#include <array>

#include <ATen/ops/empty.h>

#include "worker/models/nn/gpu_launch.h"

namespace mimicfleet::nn {
namespace {

constexpr std::int64_t kFloats = 4;  // floats that a thread takes at once: 16 bytes
constexpr unsigned kInFlight = 4;  // vectors that a thread has under way, where it only moves them
constexpr std::int64_t kFilter = 5;  // rows and columns of a channel's own filter
constexpr std::int64_t kNeighbours = 4;
constexpr std::int64_t kMostVectors = std::int64_t{1} << 31;

// As float_image_kernels() lists them.
enum Kernel : std::size_t { kFinish, kConvolveChannels, kPutChannels, kRepeatPixels, kLookUp };

const GpuProgram* program() { return float_image_kernels().for_type(at::kFloat); }

bool is_vector(const at::Tensor& x, std::int64_t length) {
  return x.is_cuda() && x.scalar_type() == at::kFloat && x.dim() == 1 && x.size(0) == length &&
         x.is_contiguous() && is_aligned(x);
}

bool is_image(const at::Tensor& x) {
  return x.is_cuda() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.numel() > 0 &&
         x.size(1) % kFloats == 0 && x.numel() / kFloats < kMostVectors && is_aligned(x) &&
         x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

// How many channels lie from a position to the next, of an image or of some channels of one. The
// strides of axes of length 1 say nothing.
std::int64_t channels_of_position(const at::Tensor& x) {
  if (x.size(3) > 1) return x.stride(3);
  if (x.size(2) > 1) return x.stride(2);
  return x.size(0) > 1 ? x.stride(0) : x.size(1);
}

// The image, or channels of a wider one.
bool holds_channels(const at::Tensor& x, at::IntArrayRef shape) {
  if (x.sizes() != shape || x.scalar_type() != at::kFloat || !x.is_cuda() || !is_aligned(x))
    return false;
  const std::int64_t all = channels_of_position(x);
  const std::array<std::int64_t, 4> dense = {shape[2] * shape[3] * all, 1, shape[3] * all, all};
  for (std::size_t i = 0; i < dense.size(); ++i) {
    if (shape[i] != 1 && x.stride(static_cast<std::int64_t>(i)) != dense[i]) return false;
  }
  return all % kFloats == 0 && all >= shape[1];
}

// Written densely whatever the strides of axes of length 1 say, so that nobody doubts its format.
at::Tensor new_image(const at::Tensor& like, at::IntArrayRef shape) {
  return at::empty(shape, like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

}  // namespace

const KernelFile& float_image_kernels() {
  static const KernelFile kFile("float_images.cu", {"finish_convolution", "convolve_channels_5x5",
                                                    "put_channels", "repeat_pixels", "look_up"});
  return kFile;
}

bool has_float_kernels() { return program() != nullptr; }

bool has_float_kernels(const at::Tensor& x) {
  return x.is_cuda() && x.scalar_type() == at::kFloat && has_float_kernels();
}

bool can_finish_convolution(const at::Tensor& x, std::int64_t filters) {
  return filters % kFloats == 0 && has_float_kernels(x);
}

bool gpu_finish_convolution(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& residual,
                            bool then_silu, const at::Tensor& out) {
  const bool serves =
      is_image(x) && is_vector(bias, x.size(1)) && holds_channels(out, x.sizes()) &&
      (!residual.defined() || (is_image(residual) && residual.sizes() == x.sizes()));
  if (!serves || program() == nullptr) return false;
  const void* in = x.const_data_ptr();
  const void* biases = bias.const_data_ptr();
  const void* onto = residual.defined() ? residual.const_data_ptr() : nullptr;
  void* to = out.mutable_data_ptr();
  auto count = static_cast<unsigned>(x.numel() / kFloats);
  int vectors = static_cast<int>(x.size(1) / kFloats);
  int all = static_cast<int>(channels_of_position(out) / kFloats);
  int silu = then_silu ? 1 : 0;
  const std::array<void*, 8> arguments = {&in, &biases, &onto, &to, &count, &vectors, &all, &silu};
  program()->launch(kFinish, {blocks_for(count, kThreads * kInFlight), 1}, kThreads, 0, arguments);
  return true;
}

std::optional<at::Tensor> gpu_channel_convolution(const at::Tensor& x, const at::Tensor& weight,
                                                  const at::Tensor& bias, bool then_silu) {
  const bool serves = is_image(x) && weight.is_cuda() && weight.scalar_type() == at::kFloat &&
                      weight.sizes() == at::IntArrayRef{x.size(1), 1, kFilter, kFilter} &&
                      weight.permute({2, 3, 0, 1}).is_contiguous() && is_aligned(weight) &&
                      (!bias.defined() || is_vector(bias, x.size(1)));
  if (!serves || program() == nullptr) return std::nullopt;
  at::Tensor y = new_image(x, x.sizes());
  const void* in = x.const_data_ptr();
  const void* filters = weight.const_data_ptr();
  const void* biases = bias.defined() ? bias.const_data_ptr() : nullptr;
  void* out = y.mutable_data_ptr();
  int height = static_cast<int>(x.size(2));
  int width = static_cast<int>(x.size(3));
  int vectors = static_cast<int>(x.size(1) / kFloats);
  int silu = then_silu ? 1 : 0;
  auto count = static_cast<unsigned>(x.size(0) * height *
                                     ((width + kNeighbours - 1) / kNeighbours) * vectors);
  const std::array<void*, 9> arguments = {&in,     &filters, &biases,  &out, &count,
                                          &height, &width,   &vectors, &silu};
  program()->launch(kConvolveChannels, {blocks_for(count, kThreads), 1}, kThreads, 0, arguments);
  return y;
}

at::Tensor channel_filters(const at::Tensor& weight) {
  return weight.permute({2, 3, 0, 1}).contiguous().permute({2, 3, 0, 1});
}

std::optional<at::Tensor> gpu_join_channels(at::TensorList images) {
  if (images.empty() || !std::all_of(images.begin(), images.end(), is_image)) return std::nullopt;
  auto shape = images[0].sizes().vec();
  shape[1] = 0;
  for (const at::Tensor& image : images) {
    if (image.size(0) != shape[0] || image.size(2) != shape[2] || image.size(3) != shape[3])
      return std::nullopt;
    shape[1] += image.size(1);
  }
  if (shape[0] * shape[1] * shape[2] * shape[3] / kFloats >= kMostVectors || program() == nullptr) {
    return std::nullopt;
  }
  at::Tensor y = new_image(images[0], shape);
  int all = static_cast<int>(shape[1] / kFloats);
  std::int64_t before = 0;
  for (const at::Tensor& image : images) {
    const void* in = image.const_data_ptr();
    void* out = y.mutable_data_ptr<float>() + before;
    auto count = static_cast<unsigned>(image.numel() / kFloats);
    int vectors = static_cast<int>(image.size(1) / kFloats);
    const std::array<void*, 5> arguments = {&in, &out, &count, &vectors, &all};
    program()->launch(kPutChannels, {blocks_for(count, kThreads * kInFlight), 1}, kThreads, 0,
                      arguments);
    before += image.size(1);
  }
  return y;
}

std::optional<at::Tensor> gpu_repeat_pixels(const at::Tensor& x, std::int64_t factor) {
  const bool serves =
      is_image(x) && factor > 1 && x.numel() / kFloats * factor < kMostVectors / factor;
  if (!serves || program() == nullptr) return std::nullopt;
  at::Tensor y = new_image(x, {x.size(0), x.size(1), x.size(2) * factor, x.size(3) * factor});
  const void* in = x.const_data_ptr();
  void* out = y.mutable_data_ptr();
  auto count = static_cast<unsigned>(y.numel() / kFloats);
  int height = static_cast<int>(x.size(2));
  int width = static_cast<int>(x.size(3));
  int vectors = static_cast<int>(x.size(1) / kFloats);
  int times = static_cast<int>(factor);
  const std::array<void*, 7> arguments = {&in, &out, &count, &height, &width, &vectors, &times};
  program()->launch(kRepeatPixels, {blocks_for(count, kThreads), 1}, kThreads, 0, arguments);
  return y;
}

std::optional<at::Tensor> gpu_look_up(const at::Tensor& bytes, const at::Tensor& table) {
  constexpr std::int64_t kBytes = 256;
  const bool serves = bytes.is_cuda() && bytes.scalar_type() == at::kByte && bytes.dim() > 0 &&
                      bytes.is_contiguous() && bytes.numel() > 0 && bytes.numel() % kFloats == 0 &&
                      bytes.numel() / kFloats < kMostVectors / kFloats && is_aligned(bytes) &&
                      table.is_cuda() && table.scalar_type() == at::kFloat &&
                      table.is_contiguous() &&
                      table.sizes() == at::IntArrayRef{bytes.size(-1), kBytes};
  if (!serves || program() == nullptr) return std::nullopt;
  at::Tensor y = at::empty(bytes.sizes(), table.options());
  const void* in = bytes.const_data_ptr();
  const void* values = table.const_data_ptr();
  void* out = y.mutable_data_ptr();
  auto count = static_cast<unsigned>(bytes.numel() / kFloats);
  int channels = static_cast<int>(bytes.size(-1));
  const std::array<void*, 5> arguments = {&in, &values, &out, &count, &channels};
  program()->launch(kLookUp, {blocks_for(count, kThreads), 1}, kThreads, 0, arguments);
  return y;
}

}  // namespace mimicfleet::nn
