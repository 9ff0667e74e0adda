// Images in float32 and channels-last memory, [n][position][channel]; a thread takes 4 channels at
// once (v: which four).
struct __align__(16) Vector {
  float values[4];
};

__device__ Vector filled(float value) {
  Vector v;
#pragma unroll
  for (int i = 0; i < 4; ++i) v.values[i] = value;
  return v;
}

// What follows a convolution: x + bias, then SiLU if asked for, then the sum with a residual if
// there is one.
__device__ Vector finished(Vector x, Vector bias, int silu) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float value = x.values[i] + bias.values[i];
    if (silu) value = __fdividef(value, 1 + expf(-value));
    x.values[i] = value;
  }
  return x;
}

// A position has `vectors` in x and `all` in y, which may be x. A thread has four vectors under
// way, each of them `blockDim.x` behind the last.
extern "C" __global__ void finish_convolution(const Vector* x, const Vector* bias,
                                              const Vector* residual, Vector* y, unsigned count,
                                              int vectors, int all, int silu) {
  const unsigned first = blockIdx.x * blockDim.x * 4 + threadIdx.x;
  Vector in[4], onto[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const unsigned at = first + k * blockDim.x;
    if (at < count) in[k] = x[at];
    onto[k] = residual != nullptr && at < count ? residual[at] : filled(0);
  }
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const unsigned at = first + k * blockDim.x;
    if (at >= count) continue;
    const unsigned position = at / vectors;
    const unsigned v = at - position * vectors;
    Vector out = finished(in[k], bias[v], silu);
    if (residual != nullptr) {
#pragma unroll
      for (int i = 0; i < 4; ++i) out.values[i] += onto[k].values[i];
    }
    y[(long long)position * all + v] = out;
  }
}

// Each channel's own 5x5 filter, moved by 1 over zeros around the image, and what follows. The
// filters are [row][column][channel]. A thread computes four neighbours of a row.
extern "C" __global__ void convolve_channels_5x5(const Vector* x, const Vector* filters,
                                                 const Vector* bias, Vector* y, unsigned count,
                                                 int height, int width, int vectors, int silu) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const int tiles = (width + 3) / 4;
  const int v = at % vectors;
  const int left = at / vectors % tiles * 4;
  const unsigned line = at / vectors / tiles;  // of all images
  const int row = line % height;
  const long long begin = (long long)line * width;  // of the line, in positions
  Vector sums[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) sums[k] = filled(0);
#pragma unroll
  for (int dy = 0; dy < 5; ++dy) {
    if (row + dy < 2 || row + dy >= height + 2) continue;
    const Vector* from = x + (begin + (dy - 2) * width) * vectors + v;
    Vector in[8];
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const int column = left + k - 2;
      in[k] = column >= 0 && column < width ? from[column * vectors] : filled(0);
    }
#pragma unroll
    for (int dx = 0; dx < 5; ++dx) {
      const Vector factor = filters[(dy * 5 + dx) * vectors + v];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
#pragma unroll
        for (int i = 0; i < 4; ++i) sums[k].values[i] += in[k + dx].values[i] * factor.values[i];
      }
    }
  }
  const Vector extra = bias == nullptr ? filled(0) : bias[v];
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (left + k < width) y[(begin + left + k) * vectors + v] = finished(sums[k], extra, silu);
  }
}

// An image becomes some channels of a wider one: a position has `vectors` in x and `all` in y.
extern "C" __global__ void put_channels(const Vector* x, Vector* y, unsigned count, int vectors,
                                        int all) {
  const unsigned first = blockIdx.x * blockDim.x * 4 + threadIdx.x;
  Vector in[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const unsigned at = first + k * blockDim.x;
    if (at < count) in[k] = x[at];
  }
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const unsigned at = first + k * blockDim.x;
    if (at < count) y[(long long)(at / vectors) * all + at % vectors] = in[k];
  }
}

// Every pixel of x becomes `factor` squared pixels of y; a thread writes one of them.
extern "C" __global__ void repeat_pixels(const Vector* x, Vector* y, unsigned count, int height,
                                         int width, int vectors, int factor) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const unsigned position = at / vectors;
  const unsigned wide = width * factor;
  const unsigned line = position / wide;  // of all images
  const unsigned image = line / (height * factor);
  const unsigned row = line % (height * factor) / factor;
  const unsigned column = position % wide / factor;
  y[at] = x[((long long)(image * height + row) * width + column) * vectors + at % vectors];
}

// Bytes, of which each means what the table of its channel says.
extern "C" __global__ void look_up(const uchar4* x, const float* table, float4* y, unsigned count,
                                   int channels) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const uchar4 in = x[at];
  const unsigned c = at * 4 % channels;
  y[at] =
      make_float4(table[c * 256 + in.x], table[(c + 1) % channels * 256 + in.y],
                  table[(c + 2) % channels * 256 + in.z], table[(c + 3) % channels * 256 + in.w]);
}
