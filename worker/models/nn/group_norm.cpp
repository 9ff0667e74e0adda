#include "worker/models/nn/group_norm.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>

namespace mimicfleet::nn {
namespace {

constexpr std::int64_t kRun = 64;  // positions that are added up in float32
constexpr std::int64_t kChunk =
    512;  // positions that one thread takes at a time; fixed, so that bits are

// The same bits from either: no fused multiply-adds.
#define MIMICFLEET_CPU_VARIANTS __attribute__((target_clones("avx2", "default")))

// Adds to `sums` and `squares` the values of `count` positions, as differences from `shift`.
MIMICFLEET_CPU_VARIANTS void add_run(const float* values, std::int64_t count, std::int64_t channels,
                                     const float* __restrict shift, float* __restrict sums,
                                     float* __restrict squares) {
  for (std::int64_t position = 0; position < count; ++position, values += channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float difference = values[c] - shift[c];
      sums[c] += difference;
      squares[c] += difference * difference;
    }
  }
}

// What each channel is normalised with.
struct Factors {
  std::vector<float> mean;
  std::vector<float> scale;
  std::vector<float> bias;
};

MIMICFLEET_CPU_VARIANTS void normalise(const float* values, std::int64_t count,
                                       std::int64_t channels, const Factors& factors,
                                       float* __restrict out) {
  const float* mean = factors.mean.data();
  const float* scale = factors.scale.data();
  const float* bias = factors.bias.data();
  for (std::int64_t position = 0; position < count;
       ++position, values += channels, out += channels) {
    for (std::int64_t c = 0; c < channels; ++c) out[c] = (values[c] - mean[c]) * scale[c] + bias[c];
  }
}

// Of one image: [H*W, C] contiguous.
struct Image {
  const float* values;
  std::int64_t positions;
  std::int64_t channels;

  [[nodiscard]] std::int64_t chunks() const { return (positions + kChunk - 1) / kChunk; }
  [[nodiscard]] std::int64_t first_of(std::int64_t chunk) const { return chunk * kChunk; }
  [[nodiscard]] std::int64_t count_of(std::int64_t chunk) const {
    return std::min(kChunk, positions - first_of(chunk));
  }
};

// Sums and sums of squares of a chunk's differences from the image's first position: 2 * C numbers.
void sum_chunk(const Image& image, std::int64_t chunk, double* out) {
  const auto channels = static_cast<std::size_t>(image.channels);
  std::fill_n(out, 2 * channels, 0.0);
  std::vector<float> run(2 * channels);
  const float* values = image.values + image.first_of(chunk) * image.channels;
  for (std::int64_t left = image.count_of(chunk); left > 0;
       left -= kRun, values += kRun * image.channels) {
    std::fill(run.begin(), run.end(), 0.0F);
    add_run(values, std::min(left, kRun), image.channels, image.values, run.data(),
            run.data() + channels);
    for (std::size_t i = 0; i < run.size(); ++i) out[i] += run[i];
  }
}

// `chunks` are what sum_chunk() gave for each chunk of the image.
Factors factors_of(const Image& image, std::span<const double> chunks, std::int64_t groups,
                   const float* weight, const float* bias, double eps) {
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::size_t group_size = channels / static_cast<std::size_t>(groups);
  const auto positions = static_cast<double>(image.positions);
  std::vector<double> sums(2 * channels);
  for (std::size_t i = 0; i < chunks.size(); ++i) sums[i % sums.size()] += chunks[i];
  std::vector<double> means(channels);
  for (std::size_t c = 0; c < channels; ++c) means[c] = image.values[c] + sums[c] / positions;
  Factors factors{
      std::vector<float>(channels), std::vector<float>(channels), {bias, bias + channels}};
  for (std::size_t first = 0; first < channels; first += group_size) {
    const std::size_t end = first + group_size;
    double mean = 0;
    for (std::size_t c = first; c < end; ++c) mean += means[c] / static_cast<double>(group_size);
    double variance = 0;
    for (std::size_t c = first; c < end; ++c) {
      const double shifted_mean = sums[c] / positions;
      const double within = sums[channels + c] / positions - shifted_mean * shifted_mean;
      variance +=
          (within + (means[c] - mean) * (means[c] - mean)) / static_cast<double>(group_size);
    }
    const double scale = 1 / std::sqrt(std::max(variance, 0.0) + eps);
    std::fill(factors.mean.begin() + static_cast<std::ptrdiff_t>(first),
              factors.mean.begin() + static_cast<std::ptrdiff_t>(end), static_cast<float>(mean));
    for (std::size_t c = first; c < end; ++c)
      factors.scale[c] = static_cast<float>(scale * weight[c]);
  }
  return factors;
}

}  // namespace

at::Tensor group_norm_channels_last(const at::Tensor& x, std::int64_t groups,
                                    const at::Tensor& weight, const at::Tensor& bias, double eps) {
  at::Tensor out = at::empty_like(x);
  const auto* values = x.const_data_ptr<float>();
  auto* results = out.mutable_data_ptr<float>();
  const std::int64_t channels = x.size(1);
  const std::int64_t positions = x.size(2) * x.size(3);
  const auto image = [&](std::int64_t n) {
    return Image{values + n * positions * channels, positions, channels};
  };
  const std::int64_t chunks = image(0).chunks();
  std::vector<double> sums(static_cast<std::size_t>(x.size(0) * chunks * 2 * channels));
  at::parallel_for(0, x.size(0) * chunks, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i)
      sum_chunk(image(i / chunks), i % chunks, sums.data() + i * 2 * channels);
  });
  std::vector<Factors> factors;
  for (std::int64_t n = 0; n < x.size(0); ++n) {
    const std::span<const double> of_image(sums.data() + n * chunks * 2 * channels,
                                           static_cast<std::size_t>(chunks * 2 * channels));
    factors.push_back(factors_of(image(n), of_image, groups, weight.const_data_ptr<float>(),
                                 bias.const_data_ptr<float>(), eps));
  }
  at::parallel_for(0, x.size(0) * chunks, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const Image of = image(i / chunks);
      const float* from = of.values + of.first_of(i % chunks) * channels;
      const Factors& with = factors[static_cast<std::size_t>(i / chunks)];
      normalise(from, of.count_of(i % chunks), channels, with, results + (from - values));
    }
  });
  return out;
}

}  // namespace mimicfleet::nn
