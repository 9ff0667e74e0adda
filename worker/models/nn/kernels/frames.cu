// Attention over 16 frames at each position, heads of 64 channels: qkv
// [clip][16][position][3][head][64] as a linear layer writes it -> y
// [clip][16][position][head][64]. A warp takes one head of one position and keeps all of it in
// registers: the memory is read and written once, which is all the time that it takes.
#include "half.cuh"

__device__ __forceinline__ void multiply(float (&c)[4], unsigned a0, unsigned a1, unsigned a2,
                                         unsigned a3, unsigned b0, unsigned b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." HALF_TYPE "." HALF_TYPE
               ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

__device__ __forceinline__ float most_of_quad(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

// A product does not depend on the order in which its terms are added up. So the sums over channels
// (of queries and keys) and over frames (of probabilities and values) go in an order in which each
// thread reads and writes 16 bytes at a time.
extern "C" __global__ void __launch_bounds__(256)
    attend_frames(const uint4* qkv, uint4* y, int positions, int heads, int units,
                  float scale_log2) {
  const int unit = blockIdx.x * 8 + threadIdx.x / 32;  // of clip, position and head
  if (unit >= units) return;
  const int lane = threadIdx.x % 32, g = lane / 4, c = lane % 4;
  const int head = unit % heads, place = unit / heads, position = place % positions,
            clip = place / positions;
  const long long token = 24LL * heads, frame = token * positions;
  const uint4* base = qkv + ((long long)clip * 16 * positions + position) * token + head * 8;
  uint4 q[2][2], k[2][2], v[4];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      q[r][h] = base[(g + 8 * r) * frame + 2 * c + h];
      k[r][h] = base[(g + 8 * r) * frame + heads * 8 + 2 * c + h];
    }
  }
#pragma unroll
  for (int r = 0; r < 4; ++r)
    v[r] = base[(2 * c + (r & 1) + (r >> 1) * 8) * frame + heads * 16 + g];
  float s[2][4] = {};
#pragma unroll
  for (int h = 0; h < 2; ++h) {
#pragma unroll
    for (int t = 0; t < 2; ++t) {
      multiply(s[t], q[0][h].x, q[1][h].x, q[0][h].y, q[1][h].y, k[t][h].x, k[t][h].y);
      multiply(s[t], q[0][h].z, q[1][h].z, q[0][h].w, q[1][h].w, k[t][h].z, k[t][h].w);
    }
  }
  float share[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float of_both =
        fmaxf(fmaxf(s[0][2 * r], s[0][2 * r + 1]), fmaxf(s[1][2 * r], s[1][2 * r + 1]));
    const float most = most_of_quad(of_both) * scale_log2;
    float sum = 0;
#pragma unroll
    for (int t = 0; t < 2; ++t) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        s[t][2 * r + i] = exp2f(s[t][2 * r + i] * scale_log2 - most);
        sum += s[t][2 * r + i];
      }
    }
    share[r] = 1.0f / sum_of_lanes<4>(sum);
  }
  const unsigned a0 = pack(s[0][0], s[0][1]), a1 = pack(s[0][2], s[0][3]);
  const unsigned a2 = pack(s[1][0], s[1][1]), a3 = pack(s[1][2], s[1][3]);
  float out[8][4] = {};
  const unsigned* words[4] = {&v[0].x, &v[1].x, &v[2].x, &v[3].x};
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const unsigned which = j & 1 ? 0x7632 : 0x5410;  // the high or the low halves of two words
    multiply(out[j], a0, a1, a2, a3, __byte_perm(words[0][j / 2], words[1][j / 2], which),
             __byte_perm(words[2][j / 2], words[3][j / 2], which));
  }
  uint4* to = y + ((long long)clip * 16 * positions + position) * heads * 8 + head * 8;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const auto pair = [&](int j) {
        return pack(out[j][2 * r + h] * share[r], out[j + 1][2 * r + h] * share[r]);
      };
      to[(long long)(g + 8 * r) * positions * heads * 8 + 2 * c + h] =
          make_uint4(pair(0), pair(2), pair(4), pair(6));
    }
  }
}
