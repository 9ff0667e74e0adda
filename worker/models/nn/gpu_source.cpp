#include "worker/models/nn/gpu_source.h"

namespace mimicfleet::nn {

const char* const kGpuSource = R"(
typedef unsigned short Half;
struct __align__(16) Vector { Half values[8]; };

#ifdef BF16
__device__ float to_float(Half h) { return __uint_as_float((unsigned)h << 16); }
__device__ Half to_half(float f) { Half h; asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(f)); return h; }
#else
__device__ float to_float(Half h) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h)); return f; }
__device__ Half to_half(float f) { Half h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f)); return h; }
#endif

// Sums and sums of squares of each group of x + addend over a run of positions: partial[n][run][group]. The
// addend is [addends][channel], to the n-th image its row n % addends; without any, addends is 0.
extern "C" __global__ void sum_groups(const Vector* x, const Vector* addend, int addends, float2* partial,
                                      long long positions, int vectors, int rows, int run, int groups) {
  extern __shared__ float2 shared[];  // [row][channel]
  const int v = threadIdx.x % vectors;
  const int row = threadIdx.x / vectors;
  const int channels = vectors * 8;
  const Vector* image = x + (long long)blockIdx.y * positions * vectors;
  const long long first = (long long)blockIdx.x * run;
  const long long last = min(first + run, positions);
  float extra[8] = {}, sums[8] = {}, squares[8] = {};
  if (addends > 0) {
    const Vector in = addend[(blockIdx.y % addends) * vectors + v];
#pragma unroll
    for (int i = 0; i < 8; ++i) extra[i] = to_float(in.values[i]);
  }
  for (long long p = first + row; p < last; p += rows) {
    const Vector in = image[p * vectors + v];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float value = to_float(in.values[i]) + extra[i];
      sums[i] += value;
      squares[i] += value * value;
    }
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) shared[row * channels + v * 8 + i] = make_float2(sums[i], squares[i]);
  __syncthreads();
  const int each = channels / groups;
  for (int group = threadIdx.x; group < groups; group += blockDim.x) {
    float2 sum = make_float2(0, 0);
    for (int r = 0; r < rows; ++r) {
      for (int c = group * each; c < (group + 1) * each; ++c) {
        sum.x += shared[r * channels + c].x;
        sum.y += shared[r * channels + c].y;
      }
    }
    partial[((long long)blockIdx.y * gridDim.x + blockIdx.x) * groups + group] = sum;
  }
}

// What each channel of x is multiplied by, and what is added then: factors[n][channel]. A block for each group and image.
extern "C" __global__ void find_factors(const float2* partial, const Half* addend, int addends, const Half* weight,
                                        const Half* bias, float2* factors, long long positions, int channels, int runs,
                                        int groups, float eps) {
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

extern "C" __global__ void normalise(const Vector* x, Vector* y, const float2* factors, long long positions, int vectors,
                                     int rows, int run, int silu) {
  const int v = threadIdx.x % vectors;
  const int row = threadIdx.x / vectors;
  const long long offset = (long long)blockIdx.y * positions * vectors;
  const float2* mine = factors + (long long)blockIdx.y * vectors * 8 + v * 8;
  float2 factor[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) factor[i] = mine[i];
  const long long first = (long long)blockIdx.x * run;
  const long long last = min(first + run, positions);
  for (long long p = first + row; p < last; p += rows) {
    const Vector in = x[offset + p * vectors + v];
    Vector out;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      float value = to_float(in.values[i]) * factor[i].x + factor[i].y;
      if (silu) value = value / (1 + __expf(-value));
      out.values[i] = to_half(value);
    }
    y[offset + p * vectors + v] = out;
  }
}

extern "C" __global__ void geglu(const Vector* x, Vector* y, long long count, int vectors) {
  const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const long long row = at / vectors;
  const Vector value = x[at + row * vectors];
  const Vector gate = x[at + (row + 1) * vectors];
  Vector out;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float g = to_float(gate.values[i]);
    out.values[i] = to_half(to_float(value.values[i]) * 0.5f * g * (1 + erff(g * 0.70710678f)));
  }
  y[at] = out;
}

// out = a + share * (b + addend). A block of threads for each image (n, t) and run of its positions s; strides are in
// vectors, those of the addend (which has no positions) 0 where it is the same for all. Of a, b and addend each may be
// missing.
extern "C" __global__ void add(const Vector* a, const Vector* b, const Vector* addend, Vector* out, unsigned count,
                               int vectors, int frames, long long b_clip, long long b_frame, long long b_position,
                               long long addend_clip, long long addend_frame, float share) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const unsigned position = at / vectors;
  const unsigned v = at % vectors;
  const int clip = blockIdx.y / frames;
  const int frame = blockIdx.y % frames;
  const long long place = (long long)blockIdx.y * count + at;
  float values[8] = {};
  if (b != nullptr) {
    const Vector in = b[clip * b_clip + frame * b_frame + position * b_position + v];
#pragma unroll
    for (int i = 0; i < 8; ++i) values[i] = to_float(in.values[i]);
  }
  if (addend != nullptr) {
    const Vector in = addend[clip * addend_clip + frame * addend_frame + v];
#pragma unroll
    for (int i = 0; i < 8; ++i) values[i] += to_float(in.values[i]);
  }
  if (a != nullptr) {
    const Vector in = a[place];
#pragma unroll
    for (int i = 0; i < 8; ++i) values[i] = to_float(in.values[i]) + share * values[i];
  }
  Vector result;
#pragma unroll
  for (int i = 0; i < 8; ++i) result.values[i] = to_half(values[i]);
  out[place] = result;
}

__device__ float sum_of_warp(float value) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(0xffffffffu, value, lanes);
  return value;
}

// A warp for each row of at most 1280 channels.
extern "C" __global__ void layer_norm(const Vector* x, const Vector* weight, const Vector* bias, Vector* y,
                                      long long rows, int vectors, float eps) {
  const int lane = threadIdx.x % 32;
  const long long row = (long long)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;
  float values[5][8];
  float sum = 0;
#pragma unroll
  for (int k = 0; k < 5; ++k) {
    const int v = lane + 32 * k;
    if (v >= vectors) continue;
    const Vector in = x[row * vectors + v];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      values[k][i] = to_float(in.values[i]);
      sum += values[k][i];
    }
  }
  const float count = 8.0f * vectors;
  const float mean = sum_of_warp(sum) / count;
  float squares = 0;
#pragma unroll
  for (int k = 0; k < 5; ++k) {
    if (lane + 32 * k >= vectors) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      values[k][i] -= mean;
      squares += values[k][i] * values[k][i];
    }
  }
  const float scale = 1 / sqrtf(sum_of_warp(squares) / count + eps);
#pragma unroll
  for (int k = 0; k < 5; ++k) {
    const int v = lane + 32 * k;
    if (v >= vectors) continue;
    const Vector w = weight[v];
    const Vector b = bias[v];
    Vector out;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      out.values[i] = to_half(values[k][i] * scale * to_float(w.values[i]) + to_float(b.values[i]));
    }
    y[row * vectors + v] = out;
  }
}
)";

}  // namespace mimicfleet::nn
