#pragma once
// Half precision of either kind (-DFP16, -DBF16: bfloat16), eight channels at a time: 16 bytes,
// which is what a thread reads and writes at once. Arithmetic is in float.
typedef unsigned short Half;
struct __align__(16) Vector {
  Half values[8];
};

#ifdef BF16
#define HALF_TYPE "bf16"
__device__ __forceinline__ float to_float(Half h) { return __uint_as_float((unsigned)h << 16); }
#else
#define HALF_TYPE "f16"
__device__ __forceinline__ float to_float(Half h) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
  return f;
}
#endif

__device__ __forceinline__ Half to_half(float f) {
  Half h;
  asm("cvt.rn." HALF_TYPE ".f32 %0, %1;" : "=h"(h) : "f"(f));
  return h;
}

// Two values in one register, the first in the low half.
__device__ __forceinline__ unsigned pack(float low, float high) {
  unsigned r;
  asm("cvt.rn." HALF_TYPE "x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
__device__ __forceinline__ float2 unpack(unsigned pair) {
  return make_float2(to_float((Half)(pair & 0xffff)), to_float((Half)(pair >> 16)));
}

// Adds a vector's values to eight sums.
__device__ __forceinline__ void add_to(float (&sums)[8], const Vector& in) {
#pragma unroll
  for (int i = 0; i < 8; ++i) sums[i] += to_float(in.values[i]);
}

// Of `kLanes` neighbouring lanes, in each of them.
template <int kLanes>
__device__ __forceinline__ float sum_of_lanes(float value) {
#pragma unroll
  for (int lanes = kLanes / 2; lanes > 0; lanes /= 2)
    value += __shfl_xor_sync(0xffffffffu, value, lanes);
  return value;
}
