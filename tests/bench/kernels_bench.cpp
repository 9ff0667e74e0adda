// Kernels of our own at the shapes of the full-size models (both passes of guidance on a tile of 16
// frames of 576x1024, and a VAE chunk of 8), beside LibTorch's way: ./dev bench kernels. Names are
// KERNEL/SHAPE/ours and KERNEL/SHAPE/libtorch; `bytes` are what a call has to read and write at
// least, `flop` what it has to multiply and add. Needs a GPU.
#include <array>
#include <cmath>
#include <functional>
#include <iostream>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv3d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <benchmark/benchmark.h>

#include "worker/device/device.h"
#include "worker/models/nn/accelerator.h"
#include "worker/models/nn/float_kernels.h"
#include "worker/models/nn/fp8.h"
#include "worker/models/nn/gpu_kernels.h"

namespace mimicfleet {
namespace {

constexpr std::int64_t kClips = 2;
constexpr std::int64_t kFrames = 16;
constexpr std::int64_t kChunk = 8;
constexpr std::int64_t kGroups = 32;
constexpr std::int64_t kHeadChannels = 64;

at::Device gpu() {
  static const auto device = device::open_device("auto", jobs::Precision::kFp16, 1);
  CHECK(device.ok());
  if (device->device.is_cpu()) {
    std::cerr << "kernels_bench: there is no GPU here\n";
    std::exit(77);
  }
  return device->device;
}

at::Tensor random(at::IntArrayRef shape, double deviation = 1) {
  return (at::randn(shape, at::TensorOptions().dtype(at::kFloat).device(gpu())) * deviation)
      .to(at::kHalf);
}

at::Tensor images(std::int64_t n, std::int64_t channels, std::int64_t height, std::int64_t width) {
  return random({n, height, width, channels}).permute({0, 3, 1, 2});
}

struct Work {
  double bytes = 0;
  double flop = 0;
};

double bytes_of(const at::Tensor& x) { return static_cast<double>(x.numel()) * 2; }

constexpr int kCalls = 10;  // queued at once, so that their launches do not count

void repeat(benchmark::State& state, const Work& work, const std::function<at::Tensor()>& call) {
  const at::NoGradGuard no_grad;
  const at::Device device = gpu();
  call();
  nn::synchronize(device);
  for (auto _ : state) {
    for (int i = 0; i < kCalls; ++i) benchmark::DoNotOptimize(call());
    nn::synchronize(device);
  }
  state.SetItemsProcessed(state.iterations() * kCalls);
  state.counters["ms"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kCalls) / 1e3,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes"] = work.bytes;
  state.counters["flop"] = work.flop;
}

using Setup = std::function<std::function<at::Tensor()>(Work&)>;

void add(const std::string& name, const Setup& setup) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [setup](benchmark::State& state) {
                                 Work work;
                                 const auto call = setup(work);
                                 repeat(state, work, call);
                               })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

at::Tensor value(std::optional<at::Tensor> result) {
  CHECK(result.has_value());
  return *std::move(result);
}

// Of the UNet: level, its channels, height and width.
struct Level {
  std::string name;
  std::int64_t channels, height, width;

  [[nodiscard]] std::int64_t positions() const { return height * width; }
  [[nodiscard]] std::int64_t rows() const { return kClips * kFrames * positions(); }
};
const std::array kLevels = {Level{"L0", 320, 72, 128}, Level{"L1", 640, 36, 64},
                            Level{"L2", 1280, 18, 32}};

void add_products(const Level& level) {
  const std::int64_t inner = 4 * level.channels;
  const double flop = 4.0 * static_cast<double>(level.rows() * level.channels * inner);
  struct Inputs {
    explicit Inputs(const Level& of)
        : x(random({of.rows(), of.channels})),
          weight(random({8 * of.channels, of.channels},
                        1 / std::sqrt(static_cast<double>(of.channels)))),
          bias(random({8 * of.channels})) {}
    at::Tensor x, weight, bias;
  };
  const auto work_of = [=](const Inputs& in) {
    return Work{
        bytes_of(in.x) + bytes_of(in.weight) + 2.0 * static_cast<double>(level.rows() * inner),
        flop};
  };
  add("geglu_linear/" + level.name + "/ours", [=](Work& work) {
    const Inputs in(level);
    work = work_of(in);
    return [in] { return value(nn::gpu_geglu_linear(in.x, in.weight, in.bias)); };
  });
  add("geglu_linear/" + level.name + "/portable", [=](Work& work) {
    const Inputs in(level);
    work = work_of(in);
    return [in] { return value(nn::gpu_geglu(at::linear(in.x, in.weight, in.bias))); };
  });
  add("geglu_linear/" + level.name + "/libtorch", [=](Work& work) {
    const Inputs in(level);
    work = work_of(in);
    return [in, inner] {
      const at::Tensor both = at::linear(in.x, in.weight, in.bias);
      return at::gelu(both.narrow(-1, inner, inner)).mul_(both.narrow(-1, 0, inner));
    };
  });
}

// Layers behind a layer norm in 8-bit floating point, with what of ours there is in half precision
// as the way on other GPUs.
void add_fp8(const Level& level) {
  struct Inputs {
    explicit Inputs(const Level& of, std::int64_t outputs)
        : x(random({kClips, kFrames, of.positions(), of.channels})),
          norm(random({of.channels})),
          weight(random({outputs, of.channels}, 1 / std::sqrt(static_cast<double>(of.channels)))),
          bias(random({outputs})),
          out(random({of.channels, outputs / 2}, 1 / std::sqrt(static_cast<double>(outputs)))),
          sum(random({of.rows(), of.channels})),
          weight_fp8(nn::quantise_rows(weight)),
          out_fp8(nn::quantise_rows(out)) {}
    [[nodiscard]] at::Tensor in_fp8() const {
      return nn::multiply(nn::layer_norm_quantised(x, {}, norm, norm, 1e-5), weight_fp8, bias,
                          at::kHalf);
    }
    at::Tensor x, norm, weight, bias, out, sum;
    nn::QuantisedRows weight_fp8, out_fp8;
  };
  const auto rows = static_cast<double>(level.rows());
  const auto channels = static_cast<double>(level.channels);
  for (const std::string way : {"ours", "portable", "libtorch"}) {
    add("fp8_projections/" + level.name + "/" + way, [=](Work& work) {
      const Inputs in(level, 3 * level.channels);
      work = {8 * rows * channels, 6 * rows * channels * channels};
      return std::function<at::Tensor()>([=] {
        if (way == "ours") return in.in_fp8();
        const at::Tensor normal =
            way == "portable" ? value(nn::gpu_layer_norm(in.x, {}, in.norm, in.norm, 1e-5))
                              : at::layer_norm(in.x, {level.channels}, in.norm, in.norm, 1e-5);
        return at::linear(normal, in.weight, in.bias);
      });
    });
    add("fp8_feed_forward/" + level.name + "/" + way, [=](Work& work) {
      const std::int64_t inner = 4 * level.channels;
      const Inputs in(level, 2 * inner);
      work = {6 * rows * channels, 24 * rows * channels * channels};
      return std::function<at::Tensor()>([=] {
        if (way == "ours") {
          return in.sum.add_(
              nn::multiply(nn::geglu_quantised(in.in_fp8()), in.out_fp8, {}, at::kHalf));
        }
        if (way == "portable") {
          const at::Tensor normal = value(nn::gpu_layer_norm(in.x, {}, in.norm, in.norm, 1e-5));
          auto gated = nn::gpu_geglu_linear(normal, in.weight, in.bias);
          if (!gated) gated = nn::gpu_geglu(at::linear(normal, in.weight, in.bias));
          return in.sum.addmm_(value(gated).view({-1, inner}), in.out.t());
        }
        const at::Tensor both = at::linear(
            at::layer_norm(in.x, {level.channels}, in.norm, in.norm, 1e-5), in.weight, in.bias);
        const at::Tensor gated =
            at::gelu(both.narrow(-1, inner, inner)).mul_(both.narrow(-1, 0, inner));
        return in.sum.add_(at::linear(gated, in.out).view_as(in.sum));
      });
    });
  }
}

void add_frames(const Level& level) {
  const std::int64_t heads = level.channels / kHeadChannels;
  const auto qkv_of = [=] {
    return random({kClips, kFrames, level.positions(), 3 * level.channels});
  };
  add("attend_frames/" + level.name + "/ours", [=](Work& work) {
    const at::Tensor qkv = qkv_of();
    work.bytes = bytes_of(qkv) * 4 / 3;
    return [=] { return value(nn::gpu_attend_frames(qkv, heads)); };
  });
  add("attend_frames/" + level.name + "/libtorch", [=](Work& work) {
    const at::Tensor qkv = qkv_of();
    work.bytes = bytes_of(qkv) * 4 / 3;
    return [=] {
      const at::Tensor parts =
          qkv.unflatten(-1, {3, heads, -1}).permute({3, 0, 2, 4, 1, 5}).flatten(1, 2);
      return std::get<0>(at::_scaled_dot_product_efficient_attention(parts[0], parts[1], parts[2],
                                                                     std::nullopt, false))
          .transpose(1, 2)
          .flatten(2);
    };
  });
}

void add_layer_norm(const Level& level) {
  for (const bool ours : {true, false}) {
    add("layer_norm/" + level.name + (ours ? "/ours" : "/libtorch"), [=](Work& work) {
      const at::Tensor x = random({kClips, kFrames, level.positions(), level.channels});
      const at::Tensor weight = random({level.channels});
      const at::Tensor addend = random({kClips, kFrames, level.channels});
      work.bytes = 2 * bytes_of(x);
      return std::function<at::Tensor()>([=] {
        if (ours) return value(nn::gpu_layer_norm(x, addend, weight, weight, 1e-5));
        return at::layer_norm(x + addend.unsqueeze(2), {level.channels}, weight, weight, 1e-5);
      });
    });
  }
}

// N images of C channels.
struct Images {
  std::string name;
  std::int64_t n, channels, height, width;

  [[nodiscard]] at::Tensor random() const { return images(n, channels, height, width); }
};
const std::array kImages = {Images{"32x320x72x128", 32, 320, 72, 128},
                            Images{"8x128x576x1024", 8, 128, 576, 1024},
                            Images{"8x256x288x512", 8, 256, 288, 512}};

void add_group_norm(const Images& shape) {
  for (const bool ours : {true, false}) {
    add("group_norm_silu/" + shape.name + (ours ? "/ours" : "/libtorch"), [=](Work& work) {
      const at::Tensor x = shape.random();
      const at::Tensor weight = random({shape.channels});
      work.bytes = 3 * bytes_of(x);
      return std::function<at::Tensor()>([=] {
        if (ours) return value(nn::gpu_group_norm(x, {}, kGroups, weight, weight, 1e-6, true));
        return at::silu(at::group_norm(x, kGroups, weight, weight, 1e-6));
      });
    });
    add("add_and_sum/" + shape.name + (ours ? "/ours" : "/libtorch"), [=](Work& work) {
      const at::Tensor a = shape.random();
      const at::Tensor b = shape.random();
      const at::Tensor addend = random({shape.n, shape.channels});
      const at::Tensor out = at::empty_like(a);
      work.bytes = 3 * bytes_of(a);
      return std::function<at::Tensor()>([=] {
        if (ours) return nn::gpu_add_and_sum(out, a, b, addend, 0.5, kGroups).value().partial;
        return a.add(b, 0.5).add(addend.unsqueeze(-1).unsqueeze(-1), 0.5);
      });
    });
  }
}

// What is the same at all positions of an image, onto it: a convolution's bias where no norm
// follows.
void add_bias(const Images& shape) {
  for (const bool ours : {true, false}) {
    add("add/" + shape.name + (ours ? "/ours" : "/libtorch"), [=](Work& work) {
      const at::Tensor x = shape.random();
      const at::Tensor addend = random({shape.n, shape.channels});
      work.bytes = 2 * bytes_of(x);
      return std::function<at::Tensor()>([=] {
        // [N, 1, H*W, C]
        const at::Tensor lines = x.permute({0, 2, 3, 1}).flatten(1, 2).unsqueeze(1);
        if (!ours) return x.add(addend.unsqueeze(-1).unsqueeze(-1));
        CHECK(nn::gpu_add(lines, lines, {}, addend.unsqueeze(1)));
        return x;
      });
    });
  }
}

void add_concatenation(const Images& shape) {
  for (const bool ours : {true, false}) {
    add("concatenate/" + shape.name + (ours ? "/ours" : "/libtorch"), [=](Work& work) {
      const at::Tensor a = shape.random();
      const at::Tensor b = shape.random();
      work.bytes = 4 * bytes_of(a);
      return std::function<at::Tensor()>([=] {
        if (ours) return value(nn::gpu_concatenate(a, {}, b, {}));
        return at::cat({a, b}, 1);
      });
    });
  }
}

void add_geglu(const Level& level) {
  for (const bool ours : {true, false}) {
    add("geglu/" + level.name + (ours ? "/ours" : "/libtorch"), [=](Work& work) {
      const std::int64_t inner = 4 * level.channels;
      const at::Tensor both = random({level.rows(), 2 * inner});
      work.bytes = bytes_of(both) * 1.5;
      return std::function<at::Tensor()>([=] {
        if (ours) return value(nn::gpu_geglu(both));
        return at::gelu(both.narrow(-1, inner, inner)).mul_(both.narrow(-1, 0, inner));
      });
    });
  }
}

// Convolutions that cuDNN computes, described so that it takes a fast kernel, and as they stand in
// the models.
void add_convolutions() {
  for (const Images& shape :
       {Images{"8x512x144x256", kChunk, 512, 144, 256},
        Images{"8x256x288x512", kChunk, 256, 288, 512}, Images{"32x640x36x64", 32, 640, 36, 64}}) {
    for (const bool ours : {true, false}) {
      add("upsample_conv/" + shape.name + (ours ? "/ours" : "/libtorch"), [=](Work& work) {
        const at::Tensor x = shape.random();
        const std::int64_t c = shape.channels;
        const std::int64_t size = ours ? 4 : 3;
        const at::Tensor weight =
            images(c, c, size, size) * (1 / std::sqrt(9.0 * static_cast<double>(c)));
        work = {5 * bytes_of(x), 2 * bytes_of(x) / 2 * 16 * static_cast<double>(c)};
        return std::function<at::Tensor()>([=] {
          if (ours) return at::conv_transpose2d(x, weight, {}, 2, 1);
          return at::conv2d(
              at::upsample_nearest2d(x, at::IntArrayRef{2 * shape.height, 2 * shape.width}), weight,
              {}, 1, 1);
        });
      });
    }
  }
  for (const Images& shape : {Images{"8x128x576x1024", kChunk, 128, 576, 1024},
                              Images{"8x256x288x512", kChunk, 256, 288, 512},
                              Images{"8x512x144x256", kChunk, 512, 144, 256}}) {
    for (const bool ours : {true, false}) {
      add("conv_along_time/" + shape.name + (ours ? "/ours" : "/libtorch"), [=](Work& work) {
        const std::int64_t c = shape.channels;
        const at::Tensor x =
            random({1, shape.n, shape.height, shape.width, c}).permute({0, 4, 1, 2, 3});
        const at::Tensor filters = random({c, 3, c}, 1 / std::sqrt(3.0 * static_cast<double>(c)))
                                       .permute({0, 2, 1});  // [C, C, 3]
        work = {2 * bytes_of(x), bytes_of(x) * 3 * static_cast<double>(c)};
        return std::function<at::Tensor()>([=] {
          if (ours) {
            return at::conv3d(x, filters.as_strided({c, c, 3, 1, 1}, {3 * c, 1, c, c, c}), {}, 1,
                              at::IntArrayRef{1, 0, 0});
          }
          return at::conv2d(x.flatten(3), filters.unsqueeze(-1), {}, 1, at::IntArrayRef{1, 0});
        });
      });
    }
  }
}

// DWPose's, in float32: 32 pictures.
struct Pictures {
  std::string name;
  std::int64_t channels, height, width;

  [[nodiscard]] at::Tensor random() const {
    return images(kPictures, channels, height, width).to(at::kFloat);
  }
  static constexpr std::int64_t kPictures = 32;
};

void add_float(
    const std::string& kernel, const Pictures& shape, double passes,
    const std::function<at::Tensor(const at::Tensor& x, const at::Tensor& bias)>& ours,
    const std::function<at::Tensor(const at::Tensor& x, const at::Tensor& bias)>& libtorch) {
  for (const auto& [who, call] : {std::pair("/ours", ours), std::pair("/libtorch", libtorch)}) {
    add(kernel + "/" + shape.name + who, [shape, passes, call = call](Work& work) {
      const at::Tensor x = shape.random();
      const at::Tensor bias = random({shape.channels}).to(at::kFloat);
      work.bytes = passes * 2 * bytes_of(x);
      return std::function<at::Tensor()>([=] { return call(x, bias); });
    });
  }
}

void add_float_images(const Pictures& shape) {
  const auto finished = [](const at::Tensor& x, const at::Tensor& bias) {
    CHECK(nn::gpu_finish_convolution(x, bias, {}, /*then_silu=*/true, x));
    return x;
  };
  const auto finished_by_libtorch = [](const at::Tensor& x, const at::Tensor& bias) {
    at::Tensor y = x;
    return at::silu_(y.add_(bias.view({-1, 1, 1})));
  };
  add_float("finish_convolution", shape, 2, finished, finished_by_libtorch);
  const auto joined = [](const at::Tensor& x, const at::Tensor&) {
    return value(nn::gpu_join_channels({x, x}));
  };
  add_float("join_channels", shape, 4, joined, [](const at::Tensor& x, const at::Tensor&) {
    return at::cat({x, x}, 1);
  });
  const auto repeated = [](const at::Tensor& x, const at::Tensor&) {
    return value(nn::gpu_repeat_pixels(x, 2));
  };
  add_float("repeat_pixels", shape, 5, repeated, [](const at::Tensor& x, const at::Tensor&) {
    return at::upsample_nearest2d(x, at::IntArrayRef{2 * x.size(2), 2 * x.size(3)});
  });
}

// Bytes of pictures, normalised: 32 of 384x288.
void add_look_up() {
  const at::Tensor bytes =
      at::randint(256, {32, 384, 288, 3}, at::TensorOptions().dtype(at::kByte).device(gpu()));
  const at::Tensor table = random({3, 256}).to(at::kFloat);
  for (const bool ours : {true, false}) {
    add(std::string("look_up/32x384x288x3") + (ours ? "/ours" : "/libtorch"), [=](Work& work) {
      work.bytes = 5 * static_cast<double>(bytes.numel());
      return std::function<at::Tensor()>([=] {
        if (ours) return value(nn::gpu_look_up(bytes, table));
        return (bytes.to(at::kDouble) - table.select(1, 0)).div(table.select(1, 1)).to(at::kFloat);
      });
    });
  }
}

void add_channel_convolution(const Pictures& shape) {
  const at::Tensor weight = random({shape.channels, 1, 5, 5}).to(at::kFloat);
  const at::Tensor filters = nn::channel_filters(weight);
  const at::Tensor for_cudnn =
      at::empty_like(weight, at::TensorOptions().memory_format(at::MemoryFormat::ChannelsLast))
          .copy_(weight);
  add_float(
      "channel_convolution", shape, 2,
      [filters](const at::Tensor& x, const at::Tensor& bias) {
        return value(nn::gpu_channel_convolution(x, filters, bias, /*then_silu=*/true));
      },
      [for_cudnn](const at::Tensor& x, const at::Tensor& bias) {
        at::Tensor y = at::conv2d(x, for_cudnn, bias, 1, 2, 1, x.size(1));
        return at::silu_(y);
      });
}

void add_all() {
  for (const Pictures& shape :
       {Pictures{"32x64x160x160", 64, 160, 160}, Pictures{"32x128x80x80", 128, 80, 80},
        Pictures{"32x512x20x20", 512, 20, 20}}) {
    add_float_images(shape);
  }
  for (const Pictures& shape :
       {Pictures{"32x64x96x72", 64, 96, 72}, Pictures{"32x128x48x36", 128, 48, 36},
        Pictures{"32x512x12x9", 512, 12, 9}}) {
    add_channel_convolution(shape);
  }

  add_look_up();
  for (const Level& level : kLevels) {
    add_products(level);
    if (nn::can_fp8(at::kHalf)) add_fp8(level);
    add_geglu(level);
    add_frames(level);
    add_layer_norm(level);
  }
  for (const Images& shape : kImages) {
    add_group_norm(shape);
    add_bias(shape);
    if (shape.n == 32) add_concatenation(shape);
  }
  add_convolutions();
}

}  // namespace
}  // namespace mimicfleet

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  mimicfleet::gpu();
  mimicfleet::add_all();
  benchmark::RunSpecifiedBenchmarks();
}
