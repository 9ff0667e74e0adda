// Sums, gates and copies of channels, where LibTorch's kernels pass over the memory several times.
#include "half.cuh"

// [row][2 * channel] -> [row][channel]: the first half times gelu of the second.
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

// out = a + share * (b + addend). A block of threads for each image (n, t) and run of its positions
// s; strides are in vectors, those of the addend (which has no positions) 0 where it is the same
// for all. Of a, b and addend each may be missing.
extern "C" __global__ void add(const Vector* a, const Vector* b, const Vector* addend, Vector* out,
                               unsigned count, int vectors, int frames, long long b_clip,
                               long long b_frame, long long b_position, long long addend_clip,
                               long long addend_frame, float share) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const unsigned position = at / vectors;
  const unsigned v = at % vectors;
  const int clip = blockIdx.y / frames;
  const int frame = blockIdx.y % frames;
  const long long place = (long long)blockIdx.y * count + at;
  float values[8] = {};
  if (b != nullptr) add_to(values, b[clip * b_clip + frame * b_frame + position * b_position + v]);
  if (addend != nullptr) add_to(values, addend[clip * addend_clip + frame * addend_frame + v]);
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

// The channels of b + its addend behind those of a + its: [n][position][a's, then b's]. Of each the
// addend is [addends][channel], to the n-th image its row n % addends; without any, addends is 0.
// `count`: vectors of an image.
extern "C" __global__ void concatenate(const Vector* a, const Vector* a_addend, int a_addends,
                                       const Vector* b, const Vector* b_addend, int b_addends,
                                       Vector* out, unsigned count, unsigned of_a, unsigned of_b) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const unsigned long long n = blockIdx.y;
  const unsigned both = of_a + of_b, position = at / both, v = at % both, positions = count / both;
  const bool is_a = v < of_a;
  const unsigned width = is_a ? of_a : of_b, from = is_a ? v : v - of_a;
  Vector value = (is_a ? a : b)[(n * positions + position) * width + from];
  const int addends = is_a ? a_addends : b_addends;
  if (addends > 0) {
    float sum[8] = {};
    add_to(sum, value);
    add_to(sum, (is_a ? a_addend : b_addend)[n % addends * width + from]);
#pragma unroll
    for (int i = 0; i < 8; ++i) value.values[i] = to_half(sum[i]);
  }
  out[n * count + at] = value;
}
