#include "half.cuh"

// Rows of numbers as float8 e4m3 with a factor each, for products of 8-bit floating point: a row's
// largest number becomes 448, the largest of e4m3.
struct __align__(8) Quantised {
  unsigned short pairs[4];  // eight numbers, the first in the lowest bits
};

constexpr float kLargest = 448;

__device__ unsigned short to_e4m3(float low, float high) {
  unsigned short pair;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(high), "f"(low));
  return pair;
}

__device__ Quantised quantised(const float* values, float factor) {
  Quantised out;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    out.pairs[i] = to_e4m3(values[2 * i] * factor, values[2 * i + 1] * factor);
  return out;
}

__device__ float largest_of(float largest, const float* values) {
#pragma unroll
  for (int i = 0; i < 8; ++i) largest = fmaxf(largest, fabsf(values[i]));
  return largest;
}

// What the row is multiplied by; notes what its numbers are to be multiplied by again. A row of
// zeros stays one.
__device__ float factor_of(float largest, float* scale, bool notes) {
  if (notes) *scale = largest > 0 ? largest / kLargest : 1;
  return largest > 0 ? kLargest / largest : 1;
}

// `lanes` threads of a warp share a row; a power of two.
__device__ float sum_of(float value, int lanes) {
  for (int step = lanes / 2; step > 0; step /= 2)
    value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}
__device__ float largest_of_lanes(float value, int lanes) {
  for (int step = lanes / 2; step > 0; step /= 2)
    value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, step));
  return value;
}

// Where a thread stands: `lanes` threads take a row of `vectors` vectors, of which a thread has at
// most kMost.
constexpr int kMost = 8;

__device__ void read_row(const Vector* row, int lane, int lanes, int vectors, float (*values)[8]) {
#pragma unroll
  for (int k = 0; k < kMost; ++k) {
    const int v = lane + k * lanes;
    Vector in = {};
    if (v < vectors) in = row[v];
#pragma unroll
    for (int i = 0; i < 8; ++i) values[k][i] = to_float(in.values[i]);
  }
}

__device__ void write_row(const float (*values)[8], int lane, int lanes, int vectors,
                          Quantised* row, float* scale) {
  float largest = 0;
#pragma unroll
  for (int k = 0; k < kMost; ++k) largest = largest_of(largest, values[k]);
  const float factor = factor_of(largest_of_lanes(largest, lanes), scale, lane == 0);
#pragma unroll
  for (int k = 0; k < kMost; ++k) {
    const int v = lane + k * lanes;
    if (v < vectors) row[v] = quantised(values[k], factor);
  }
}

extern "C" __global__ void quantise_rows(const Vector* x, Quantised* y, float* scales,
                                         long long rows, int vectors, int lanes) {
  const int lane = threadIdx.x % lanes;
  const long long wanted = (long long)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
  const long long row =
      min(wanted, rows - 1);  // those beyond compute the last one again, so that warps stay whole
  float values[kMost][8];
  read_row(x + row * vectors, lane, lanes, vectors, values);
  write_row(values, lane, lanes, vectors, y + row * vectors, scales + row);
}

// Of x + addend: to a row its addend number (row / rows_each) % addends; without any, addends is 0.
extern "C" __global__ void layer_norm_quantised(const Vector* x, const Vector* addend, int addends,
                                                long long rows_each, const Vector* weight,
                                                const Vector* bias, Quantised* y, float* scales,
                                                long long rows, int vectors, int lanes, float eps) {
  const int lane = threadIdx.x % lanes;
  const long long wanted = (long long)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
  const long long row = min(wanted, rows - 1);
  float values[kMost][8];
  read_row(x + row * vectors, lane, lanes, vectors, values);
  if (addends > 0) {
    const Vector* extra = addend + row / rows_each % addends * vectors;
#pragma unroll
    for (int k = 0; k < kMost; ++k) {
      const int v = lane + k * lanes;
      if (v < vectors) add_to(values[k], extra[v]);
    }
  }
  float sum = 0;
#pragma unroll
  for (int k = 0; k < kMost; ++k) {
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += values[k][i];  // zeros beyond the row's end
  }
  const float count = 8.0f * vectors;
  const float mean = sum_of(sum, lanes) / count;
  float squares = 0;
#pragma unroll
  for (int k = 0; k < kMost; ++k) {
    if (lane + k * lanes >= vectors) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      values[k][i] -= mean;
      squares += values[k][i] * values[k][i];
    }
  }
  const float deviation = 1 / sqrtf(sum_of(squares, lanes) / count + eps);
#pragma unroll
  for (int k = 0; k < kMost; ++k) {
    const int v = lane + k * lanes;
    if (v >= vectors) continue;
    const Vector w = weight[v];
    const Vector b = bias[v];
#pragma unroll
    for (int i = 0; i < 8; ++i)
      values[k][i] = values[k][i] * deviation * to_float(w.values[i]) + to_float(b.values[i]);
  }
  write_row(values, lane, lanes, vectors, y + row * vectors, scales + row);
}

// Of rows of two halves the first times the GELU of the second. A block for each row of at most 4 *
// blockDim.x vectors a half.
constexpr int kMostOfGeglu = 4;

extern "C" __global__ void geglu_quantised(const Vector* x, Quantised* y, float* scales,
                                           int vectors) {
  __shared__ float of_warps[32];
  const long long row = blockIdx.x;
  const Vector* both = x + row * 2 * vectors;
  float values[kMostOfGeglu][8] = {};
  float largest = 0;
#pragma unroll
  for (int k = 0; k < kMostOfGeglu; ++k) {
    const int v = threadIdx.x + k * blockDim.x;
    if (v >= vectors) continue;
    const Vector in = both[v];
    const Vector gate = both[vectors + v];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float g = to_float(gate.values[i]);
      values[k][i] = to_float(in.values[i]) * (0.5f * g * (1 + erff(g * 0.70710678118654752f)));
    }
    largest = largest_of(largest, values[k]);
  }
  largest = largest_of_lanes(largest, 32);
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = largest;
  __syncthreads();
  largest = 0;
  for (int warp = 0; warp < blockDim.x / 32; ++warp) largest = fmaxf(largest, of_warps[warp]);
  const float factor = factor_of(largest, scales + row, threadIdx.x == 0);
#pragma unroll
  for (int k = 0; k < kMostOfGeglu; ++k) {
    const int v = threadIdx.x + k * blockDim.x;
    if (v < vectors) y[row * vectors + v] = quantised(values[k], factor);
  }
}
