// Matrix product by tiles: what every lecture on shared memory shows.
//
//   gemm_tiled   grid (n/16, m/16), block 16x16, 2 KiB of shared memory
//   bytes        a is read n/16 times, b m/16 times: 16 times fewer than without tiles
#include "kernels/conv_direct.h"
#include "kernels/launch.h"

namespace sga::kernels {
namespace {

constexpr int kTile = 16;

// c (m,n): thread (x,y) of a block owns one element. Steps along k load a tile of both operands, each thread
// one element, then everyone reads a row of one and a column of the other.
__global__ void __launch_bounds__(kTile* kTile)
    gemm_kernel(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c) {
  struct Smem {
    float a[kTile][kTile + 1], b[kTile][kTile + 1];  // one column more: no two rows on the same banks
  };
  auto& s = shared<Smem>();
  const int x = threadIdx.x, y = threadIdx.y;
  const int64_t row = int64_t(blockIdx.y) * kTile + y, column = int64_t(blockIdx.x) * kTile + x;
  float sum = 0;
  for (int64_t at = 0; at < k; at += kTile) {
    const int64_t ka = at + x, kb = at + y;
    s.a[y][x] = row < m && ka < k ? a[ta ? ka * m + row : row * k + ka] : 0.0f;
    s.b[y][x] = kb < k && column < n ? b[tb ? column * k + kb : kb * n + column] : 0.0f;
    __syncthreads();
    for (int i = 0; i < kTile; ++i) sum += s.a[y][i] * s.b[i][x];
    __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = sum;
}

}  // namespace

void gemm_tiled(Cuda where, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b,
                float* c) {
  if (m == 0 || n == 0) return;
  const dim3 grid(unsigned(div_up(n, kTile)), unsigned(div_up(m, kTile)));
  launch(where, {"gemm_tiled", grid, dim3(kTile, kTile)}, gemm_kernel, ta, tb, m, n, k, a, b, c);
}

}  // namespace sga::kernels
