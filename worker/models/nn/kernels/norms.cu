// Group norm of images [n][position][channel], in three passes: sums of each group over runs of
// positions, factors of each channel, the result. A block takes a run of one image's positions;
// `vectors` threads side by side take one position (v: which eight channels), `rows` positions go
// at once. And layer norm of rows [row][channel].
#include "half.cuh"

// How many positions a thread has on their way at once: one would leave the memory half idle.
constexpr int kDepth = 4;

// Sums and sums of squares that each thread has of its eight channels, to those of each group, in a
// fixed order.
__device__ __forceinline__ void finish_sums(const float (&sums)[8], const float (&squares)[8],
                                            float2* partial, int vectors, int rows, int groups) {
  extern __shared__ float2 shared[];  // [row][channel]
  const int v = threadIdx.x % vectors;
  const int row = threadIdx.x / vectors;
  const int channels = vectors * 8;
#pragma unroll
  for (int i = 0; i < 8; ++i) shared[row * channels + v * 8 + i] = make_float2(sums[i], squares[i]);
  __syncthreads();
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    float2 sum = make_float2(0, 0);
    for (int r = 0; r < rows; ++r) {
      sum.x += shared[r * channels + c].x;
      sum.y += shared[r * channels + c].y;
    }
    shared[c] = sum;
  }
  __syncthreads();
  const int each = channels / groups;
  for (int group = threadIdx.x; group < groups; group += blockDim.x) {
    float2 sum = make_float2(0, 0);
    for (int c = group * each; c < (group + 1) * each; ++c) {
      sum.x += shared[c].x;
      sum.y += shared[c].y;
    }
    partial[((long long)blockIdx.y * gridDim.x + blockIdx.x) * groups + group] = sum;
  }
}

__device__ __forceinline__ void accumulate(const Vector& in, const float (&extra)[8],
                                           float (&sums)[8], float (&squares)[8]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float value = to_float(in.values[i]) + extra[i];
    sums[i] += value;
    squares[i] += value * value;
  }
}

// Of x + addend: partial[n][run][group]. The addend is [addends][channel], to the n-th image its
// row n % addends; without any, addends is 0.
extern "C" __global__ void __launch_bounds__(512)
    sum_groups(const Vector* x, const Vector* addend, int addends, float2* partial,
               long long positions, int vectors, int rows, int run, int groups) {
  const int v = threadIdx.x % vectors;
  const int row = threadIdx.x / vectors;
  const Vector* image = x + (long long)blockIdx.y * positions * vectors;
  const long long first = (long long)blockIdx.x * run;
  const long long last = min(first + run, positions);
  float extra[8] = {}, sums[8] = {}, squares[8] = {};
  if (addends > 0) add_to(extra, addend[(blockIdx.y % addends) * vectors + v]);
  long long p = first + row;
  for (; p + (kDepth - 1) * rows < last; p += kDepth * rows) {
    Vector in[kDepth];
#pragma unroll
    for (int d = 0; d < kDepth; ++d) in[d] = image[(p + d * rows) * vectors + v];
#pragma unroll
    for (int d = 0; d < kDepth; ++d) accumulate(in[d], extra, sums, squares);
  }
  for (; p < last; p += rows) accumulate(image[p * vectors + v], extra, sums, squares);
  finish_sums(sums, squares, partial, vectors, rows, groups);
}

// out = a + share * (b + addend), and the sums of what is written, as sum_groups gives them. An
// addend for each image n: row n % addends; `b` may be `out`.
extern "C" __global__ void __launch_bounds__(512)
    add_and_sum(const Vector* a, const Vector* b, const Vector* addend, int addends, Vector* out,
                float2* partial, long long positions, int vectors, int rows, int run, int groups,
                float share) {
  constexpr int kPairs = 2;  // of a and b on their way at once
  const int v = threadIdx.x % vectors;
  const int row = threadIdx.x / vectors;
  const long long offset = (long long)blockIdx.y * positions * vectors;
  const long long first = (long long)blockIdx.x * run;
  const long long last = min(first + run, positions);
  const float none[8] = {};
  float extra[8] = {}, sums[8] = {}, squares[8] = {};
  if (addends > 0) add_to(extra, addend[(blockIdx.y % addends) * vectors + v]);
  const auto add = [&](const Vector& one, const Vector& two, long long place) {
    Vector result;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      result.values[i] =
          to_half(to_float(one.values[i]) + share * (to_float(two.values[i]) + extra[i]));
    }
    out[place] = result;
    accumulate(result, none, sums, squares);
  };
  long long p = first + row;
  for (; p + (kPairs - 1) * rows < last; p += kPairs * rows) {
    Vector one[kPairs], two[kPairs];
#pragma unroll
    for (int d = 0; d < kPairs; ++d) {
      one[d] = a[offset + (p + d * rows) * vectors + v];
      two[d] = b[offset + (p + d * rows) * vectors + v];
    }
#pragma unroll
    for (int d = 0; d < kPairs; ++d) add(one[d], two[d], offset + (p + d * rows) * vectors + v);
  }
  for (; p < last; p += rows) {
    const long long place = offset + p * vectors + v;
    add(a[place], b[place], place);
  }
  finish_sums(sums, squares, partial, vectors, rows, groups);
}

// What each channel of x is multiplied by, and what is added then: factors[n][channel]. A block for
// each group and image.
extern "C" __global__ void find_factors(const float2* partial, const Half* addend, int addends,
                                        const Half* weight, const Half* bias, float2* factors,
                                        long long positions, int channels, int runs, int groups,
                                        float eps) {
  __shared__ double sums[128], squares[128];
  const int group = blockIdx.x;
  double sum = 0, square = 0;
  for (int run = threadIdx.x; run < runs; run += 128) {
    const float2 part = partial[((long long)blockIdx.y * runs + run) * groups + group];
    sum += part.x;
    square += part.y;
  }
  sums[threadIdx.x] = sum;
  squares[threadIdx.x] = square;
  for (int half = 64; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      sums[threadIdx.x] += sums[threadIdx.x + half];
      squares[threadIdx.x] += squares[threadIdx.x + half];
    }
  }
  __syncthreads();
  const int each = channels / groups;
  const double count = (double)positions * each;
  const double mean = sums[0] / count;
  const double variance = squares[0] / count - mean * mean;
  const float scale = (float)(1 / sqrt((variance > 0 ? variance : 0) + eps));
  for (int c = group * each + threadIdx.x; c < (group + 1) * each; c += 128) {
    const float factor = scale * to_float(weight[c]);
    const float extra = addends > 0 ? to_float(addend[(blockIdx.y % addends) * channels + c]) : 0;
    factors[(long long)blockIdx.y * channels + c] =
        make_float2(factor, to_float(bias[c]) + (extra - (float)mean) * factor);
  }
}

template <bool kSilu>
__device__ __forceinline__ Vector normalised(const Vector& in, const float2 (&factor)[8]) {
  Vector out;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    float value = to_float(in.values[i]) * factor[i].x + factor[i].y;
    if (kSilu) value = __fdividef(value, 1.0f + __expf(-value));
    out.values[i] = to_half(value);
  }
  return out;
}

template <bool kSilu>
__device__ __forceinline__ void normalise_run(const Vector* x, Vector* y, const float2* factors,
                                              long long positions, int vectors, int rows, int run) {
  const int v = threadIdx.x % vectors;
  const int row = threadIdx.x / vectors;
  const long long offset = (long long)blockIdx.y * positions * vectors;
  const float2* mine = factors + (long long)blockIdx.y * vectors * 8 + v * 8;
  float2 factor[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) factor[i] = mine[i];
  const long long first = (long long)blockIdx.x * run;
  const long long last = min(first + run, positions);
  long long p = first + row;
  for (; p + (kDepth - 1) * rows < last; p += kDepth * rows) {
    Vector in[kDepth];
#pragma unroll
    for (int d = 0; d < kDepth; ++d) in[d] = x[offset + (p + d * rows) * vectors + v];
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      y[offset + (p + d * rows) * vectors + v] = normalised<kSilu>(in[d], factor);
    }
  }
  for (; p < last; p += rows) {
    y[offset + p * vectors + v] = normalised<kSilu>(x[offset + p * vectors + v], factor);
  }
}

extern "C" __global__ void __launch_bounds__(512)
    normalise(const Vector* x, Vector* y, const float2* factors, long long positions, int vectors,
              int rows, int run) {
  normalise_run<false>(x, y, factors, positions, vectors, rows, run);
}

extern "C" __global__ void __launch_bounds__(512)
    normalise_silu(const Vector* x, Vector* y, const float2* factors, long long positions,
                   int vectors, int rows, int run) {
  normalise_run<true>(x, y, factors, positions, vectors, rows, run);
}

// Layer norm of x + addend. The addend is [addends][channel]; to row r of x belongs its row r /
// rows_each % addends; without any, addends is 0. `kLanes` lanes take a row, up to `kEach` vectors
// each; kWhole: exactly as many.
template <int kLanes, int kEach, bool kWhole>
__device__ __forceinline__ void norm_row(const Vector* x, const Vector* addend, unsigned addends,
                                         unsigned rows_each, const Vector* weight,
                                         const Vector* bias, Vector* y, unsigned rows, int vectors,
                                         float eps) {
  const int lane = threadIdx.x % kLanes;
  const unsigned row =
      (unsigned)(((unsigned long long)blockIdx.x * blockDim.x + threadIdx.x) / kLanes);
  const bool mine = row < rows;  // all lanes take part in the sums
  const Vector* in = x + (unsigned long long)(mine ? row : 0) * vectors;
  const auto has = [&](int k) { return kWhole || lane + kLanes * k < vectors; };
  Vector read[kEach];
#pragma unroll
  for (int k = 0; k < kEach; ++k) {
    if (has(k)) read[k] = in[lane + kLanes * k];
  }
  float values[kEach][8], sum = 0, squares = 0;
#pragma unroll
  for (int k = 0; k < kEach; ++k) {
    if (!has(k)) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) values[k][i] = to_float(read[k].values[i]);
    if (addends > 0)
      add_to(values[k], addend[row / rows_each % addends * vectors + lane + kLanes * k]);
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += values[k][i];
  }
  const float mean = sum_of_lanes<kLanes>(sum) / (8.0f * vectors);
#pragma unroll
  for (int k = 0; k < kEach; ++k) {
    if (!has(k)) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      values[k][i] -= mean;
      squares += values[k][i] * values[k][i];
    }
  }
  const float scale = 1 / sqrtf(sum_of_lanes<kLanes>(squares) / (8.0f * vectors) + eps);
  if (!mine) return;
#pragma unroll
  for (int k = 0; k < kEach; ++k) {
    if (!has(k)) continue;
    const Vector w = weight[lane + kLanes * k];
    const Vector b = bias[lane + kLanes * k];
    Vector out;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      out.values[i] = to_half(values[k][i] * scale * to_float(w.values[i]) + to_float(b.values[i]));
    }
    y[(unsigned long long)row * vectors + lane + kLanes * k] = out;
  }
}

// Rows of up to 1280 channels, and those of 320, 640 and 1280, of which five vectors go to each
// lane.
#define LAYER_NORM(name, lanes, whole)                                                      \
  extern "C" __global__ void __launch_bounds__(256)                                         \
      name(const Vector* x, const Vector* addend, unsigned addends, unsigned rows_each,     \
           const Vector* weight, const Vector* bias, Vector* y, unsigned rows, int vectors, \
           float eps) {                                                                     \
    norm_row<lanes, 5, whole>(x, addend, addends, rows_each, weight, bias, y, rows,         \
                              whole ? 5 * lanes : vectors, eps);                            \
  }
LAYER_NORM(layer_norm, 32, false)
LAYER_NORM(layer_norm_320, 8, true)
LAYER_NORM(layer_norm_640, 16, true)
LAYER_NORM(layer_norm_1280, 32, true)
