// GEGLU with the linear layer before it, for Hopper GPUs: y = (x Wv^T + bv) * gelu(x Wg^T + bg),
// where Wv are the first n rows of w [2n, k] and Wg the others. x [m, k], y [m, n]; k and n are
// multiples of 64.
//
// A persistent grid of clusters of two blocks. A block computes 192 rows of y by 64 columns at a
// time, out of 128 columns of products (64 values, 64 gates). Of its four warpgroups the first
// loads through the copy engine, the other three multiply 64 rows each; both blocks of a cluster
// take the same columns, so that each loads one half of the weights for both.
#include "half.cuh"
#include "hopper.cuh"

constexpr int kGroups = 3;           // warpgroups that multiply
constexpr int kStages = 5;           // of tiles on their way
constexpr int kRows = 64 * kGroups;  // of a block
constexpr int kColumns = 64;         // of y
constexpr int kDepth = 64;           // of a tile along k: 128 bytes
constexpr int kBytesX = kRows * kDepth * 2;
constexpr int kBytesW = 2 * kColumns * kDepth * 2;
constexpr int kBytesY = kRows * kColumns * 2;

// With the error function of Abramowitz and Stegun 7.1.26 (absolute error at most 1.5e-7):
// max(x, 0) - |x| / 2 * polynomial(t) * exp(-x^2 / 2), t = 1 / (1 + 0.3275911 |x| / sqrt(2)).
__device__ __forceinline__ float gelu(float x) {
  const float a = fabsf(x);
  float t, e;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(t) : "f"(fmaf(a, 0.3275911f * 0.70710678f, 1.0f)));
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(x * x * -0.72134752f));
  const float p = t * fmaf(t,
                           fmaf(t, fmaf(t, fmaf(t, 0.5307027145f, -0.7265760135f), 0.7107068705f),
                                -0.142248368f),
                           0.127414796f);
  return fmaf(-a, p * e, fmaxf(x, 0.0f));
}

// Where a stage's tiles lie, and its two barriers: `full` when they are there, `empty` when nobody
// reads them any more.
struct Stage {
  int index = 0;
  unsigned parity = 0;

  __device__ __forceinline__ void next() {
    if (++index == kStages) {
      index = 0;
      parity ^= 1;
    }
  }
};

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(128 * (kGroups + 1), 1)
    geglu_linear(const __grid_constant__ TensorMap x_map, const __grid_constant__ TensorMap w_map,
                 const __grid_constant__ TensorMap y_map, const Half* bias, int tiles,
                 int column_tiles, int depth_tiles, int n) {
  extern __shared__ unsigned char raw[];
  __shared__ u64 barriers[2 * kStages];
  const unsigned x_at = (address(raw) + 1023) & ~1023u;
  const unsigned w_at = x_at + kStages * kBytesX;
  const unsigned y_at = w_at + kStages * kBytesW;
  const unsigned full = address(barriers), empty = full + 8 * kStages;
  const int group = threadIdx.x / 128;
  const unsigned rank = rank_in_cluster();
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; ++s) {
      init_barrier(full + 8 * s, 1);
      init_barrier(empty + 8 * s, 2 * kGroups);
    }
    publish_barriers();
  }
  __syncthreads();
  synchronize_cluster();
  const int first = blockIdx.x / 2, step = gridDim.x / 2;
  Stage stage;
  if (group == 0) {
    give_registers<40>();
    if (threadIdx.x == 0) {
      for (int tile = first; tile < tiles; tile += step) {
        const int column = tile % column_tiles * kColumns;
        const int row = (tile / column_tiles * 2 + rank) * kRows;
        for (int k = 0; k < depth_tiles; ++k) {
          wait_for(empty + 8 * stage.index, stage.parity ^ 1);
          const unsigned barrier = full + 8 * stage.index;
          expect_bytes(barrier, kBytesX + kBytesW);
          load_box(x_at + stage.index * kBytesX, &x_map, barrier, k * kDepth, row);
          load_box_to_all(w_at + stage.index * kBytesW + rank * (kBytesW / 2), &w_map, barrier,
                          k * kDepth, rank == 0 ? column : n + column, 3);
          stage.next();
        }
      }
    }
  } else {
    take_registers<152>();
    const int mine = group - 1, warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32,
              thread = threadIdx.x % 128;
    const unsigned out = y_at + mine * (kBytesY / kGroups);
    // The row that a lane names for stmatrix, and its chunk of 16 bytes; rows are swizzled as the
    // copy engine reads them.
    const int out_row = warp * 16 + lane % 16, out_chunk = lane / 16;
    float d[64];  // of each row 2 products in 8 columns' distance: 32 of values, then 32 of gates
    for (int tile = first; tile < tiles; tile += step) {
      const int column = tile % column_tiles * kColumns;
      const int row = (tile / column_tiles * 2 + rank) * kRows + mine * 64;
      int before = -1;  // the stage whose products may still run
      const auto give_back = [&] {
        if (before >= 0 && thread < 2) arrive_at(empty + 8 * before, thread);
      };
      for (int k = 0; k < depth_tiles; ++k) {
        wait_for(full + 8 * stage.index, stage.parity);
        const u64 x = operand(x_at + stage.index * kBytesX + mine * 64 * 128);
        const u64 w = operand(w_at + stage.index * kBytesW);
        begin_products();
#pragma unroll
        for (int i = 0; i < 4; ++i) multiply_64_128(d, x + 2 * i, w + 2 * i, k > 0 || i > 0);
        commit_products();
        wait_for_products<1>();
        give_back();
        before = stage.index;
        stage.next();
      }
      wait_for_products<0>();
      give_back();
      if (thread == 0) wait_until_read();  // by the last tile's store
      synchronize_warpgroup(group);
#pragma unroll
      for (int j = 0; j < kColumns / 8; j += 2) {
        unsigned r[4];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int value = 4 * (j + i), gate = value + 32;
          const int c = column + (j + i) * 8 + lane % 4 * 2;
          const float2 bv = unpack(*(const unsigned*)(bias + c)),
                       bg = unpack(*(const unsigned*)(bias + n + c));
          r[2 * i] = pack((d[value] + bv.x) * gelu(d[gate] + bg.x),
                          (d[value + 1] + bv.y) * gelu(d[gate + 1] + bg.y));
          r[2 * i + 1] = pack((d[value + 2] + bv.x) * gelu(d[gate + 2] + bg.x),
                              (d[value + 3] + bv.y) * gelu(d[gate + 3] + bg.y));
        }
        const unsigned to = out + out_row * 128 + (((j + out_chunk) ^ (out_row & 7)) << 4);
        asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to),
                     "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                     : "memory");
      }
      publish_shared_memory();
      synchronize_warpgroup(group);
      if (thread == 0) {
        store_box(&y_map, out, column, row);
        commit_stores();
      }
    }
    if (thread == 0) wait_for_stores();
  }
  synchronize_cluster();
}
