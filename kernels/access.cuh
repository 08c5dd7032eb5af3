// How the simple kernels share work among threads: quads of neighbouring floats, or rows of items.
#pragma once
#include "kernels/warp.cuh"

namespace sga::kernels {

constexpr int kBlock = 256;  // threads

inline __host__ __device__ bool aligned16(const void* p) {
  return reinterpret_cast<uintptr_t>(p) % sizeof(Float4) == 0;
}

/// The first `count` of the four floats at p, 0 for the others. One access if p allows it.
__device__ inline Float4 load_quad(const float* p, int64_t count = 4) {
  Float4 q{};
  if (count >= 4 && aligned16(p)) return *reinterpret_cast<const Float4*>(p);
  for (int j = 0; j < 4; ++j)
    if (j < count) q.v[j] = p[j];
  return q;
}
__device__ inline void store_quad(float* p, const Float4& q, int64_t count = 4) {
  if (count >= 4 && aligned16(p)) {
    *reinterpret_cast<Float4*>(p) = q;
    return;
  }
  for (int j = 0; j < 4; ++j)
    if (j < count) p[j] = q.v[j];
}

/// A grid for `rows` rows of `items`: blocks as wide as a row, if need be in several parts, and as many rows
/// high as 256 threads allow. No thread divides by the length of a row.
struct RowGrid {
  dim3 grid, block;
};
inline RowGrid row_grid(int64_t rows, int64_t items) {
  unsigned width = 1;
  while (width < kBlock && width < items) width *= 2;
  const unsigned height = kBlock / width;
  const int64_t y = div_up(rows, height), most = 8192;  // more would only take turns
  return {{unsigned(div_up(items, width)), unsigned(y < most ? y : most)}, {width, height}};
}
/// The thread's place in such a grid. It takes rows first, first + step, ...
__device__ inline int64_t row_item() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t first_row() { return int64_t(blockIdx.y) * blockDim.y + threadIdx.y; }
__device__ inline int64_t row_step() { return int64_t(gridDim.y) * blockDim.y; }

}  // namespace sga::kernels
