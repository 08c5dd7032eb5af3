// Total variation on a GPU. A picture is n*h rows of w*c numbers; the right neighbour of number i is i + c,
// the lower one i + w*c.
//
// plain   Any extents: a thread takes a number (4 for the sum) and meets it with its neighbours one by one.
//           grid numbers/1024 for the sum, numbers/256 for the gradient   block 256   shared 36 bytes (the
//           gradient 0)
// packs   1 or 3 channels, rows of a multiple of 4 numbers, arrays aligned to 16 bytes: a thread owns a pack
//         of 4 numbers in each of 4 rows, one below the other. It reads these, the packs beside them and the
//         row below (for the gradient also above) 16 bytes at a time; what two threads read is in the
//         first-level cache.
//           grid numbers/4096   block 256   shared 36 bytes (the gradient 0)
// Bytes to move: 4 * n*h*w*c for the sum, twice that for the gradient. One launch each: blocks leave sums in
// scratch, the one that arrives last adds them up in a fixed order.
#include "kernels/tv.h"

#include <algorithm>

#include "kernels/access.cuh"
#include "kernels/cuda.h"
#include "kernels/last_block.cuh"

namespace sga::kernels {
namespace {

/// The picture as rows.
struct Rows {
  int64_t rows, h, length;  // rows = n*h; numbers of a row
  int c;
  bool squared;
  __device__ float cost(float d) const { return squared ? d * d : fabsf(d); }
  __device__ float slope(float d) const { return squared ? 2 * d : float((d > 0) - (d < 0)); }
  __device__ bool has_above(int64_t r) const { return r % h > 0; }
  __device__ bool has_below(int64_t r) const { return r % h + 1 < h; }
};

/// *y = the sum of what every thread of every block brings.
__device__ void sum_of_blocks(float mine, float* partial, unsigned* arrivals, float* y) {
  mine = block_sum<kBlock>(mine);
  if (threadIdx.x == 0) partial[blockIdx.x] = mine;
  if (!last_block(arrivals, gridDim.x)) return;
  float sum = 0;
  for (int64_t k = threadIdx.x; k < gridDim.x; k += kBlock) sum += partial[k];
  sum = block_sum<kBlock>(sum);
  if (threadIdx.x == 0) *y = sum;
}

// ---- plain

constexpr int kNumbers = 4;  // of a thread, in the sum

__global__ void __launch_bounds__(kBlock)
    plain_kernel(Rows s, const float* x, float* partial, unsigned* arrivals, float* y) {
  float sum = 0;
  for (int k = 0; k < kNumbers; ++k) {
    const int64_t at = (int64_t(blockIdx.x) * kNumbers + k) * kBlock + threadIdx.x;
    if (at >= s.rows * s.length) break;
    const int64_t r = at / s.length, i = at % s.length;
    if (i + s.c < s.length) sum += s.cost(x[at + s.c] - x[at]);
    if (s.has_below(r)) sum += s.cost(x[at + s.length] - x[at]);
  }
  sum_of_blocks(sum, partial, arrivals, y);
}

__global__ void __launch_bounds__(kBlock)
    plain_grad_kernel(Rows s, const float* x, const float* seed, float* gx) {
  const int64_t at = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (at >= s.rows * s.length) return;
  const int64_t r = at / s.length, i = at % s.length;
  float sum = 0;
  if (i >= s.c) sum += s.slope(x[at] - x[at - s.c]);
  if (i + s.c < s.length) sum -= s.slope(x[at + s.c] - x[at]);
  if (s.has_above(r)) sum += s.slope(x[at] - x[at - s.length]);
  if (s.has_below(r)) sum -= s.slope(x[at + s.length] - x[at]);
  gx[at] = *seed * sum;
}

// ---- packs

constexpr int kDeep = 4;  // rows of a thread

/// Where a thread of packs stands: its column of packs, its first row.
struct Spot {
  int64_t i, row;
  bool inside;
  __device__ explicit Spot(const Rows& s) {
    const int64_t packs = s.length / 4, t = int64_t(blockIdx.x) * kBlock + threadIdx.x;
    i = t % packs * 4, row = t / packs * kDeep, inside = row < s.rows;
  }
};

/// The pack at number i of row r; zeros outside the picture, where nobody uses them.
__device__ Float4 pack_at(const Rows& s, const float* x, int64_t r, int64_t i) {
  if (r < 0 || r >= s.rows || i < 0 || i >= s.length) return {};
  return *reinterpret_cast<const Float4*>(x + r * s.length + i);
}

/// Number k of three packs in a row, counted from the first of the middle one: -4..7.
__device__ float number(const Float4& left, const Float4& own, const Float4& right, int k) {
  return k < 0 ? left.v[k + 4] : k < 4 ? own.v[k] : right.v[k - 4];
}

template <int C>
__global__ void __launch_bounds__(kBlock)
    packs_kernel(Rows s, const float* x, float* partial, unsigned* arrivals, float* y) {
  const Spot spot(s);
  float sum = 0;
  if (spot.inside) {
    Float4 own[kDeep + 1], right[kDeep];
    for (int d = 0; d <= kDeep; ++d) own[d] = pack_at(s, x, spot.row + d, spot.i);
    for (int d = 0; d < kDeep; ++d) right[d] = pack_at(s, x, spot.row + d, spot.i + 4);
    for (int d = 0; d < kDeep; ++d)
      if (spot.row + d < s.rows)
        for (int k = 0; k < 4; ++k) {
          if (spot.i + k + C < s.length) sum += s.cost(number({}, own[d], right[d], k + C) - own[d].v[k]);
          if (s.has_below(spot.row + d)) sum += s.cost(own[d + 1].v[k] - own[d].v[k]);
        }
  }
  sum_of_blocks(sum, partial, arrivals, y);
}

template <int C>
__global__ void __launch_bounds__(kBlock)
    packs_grad_kernel(Rows s, const float* x, const float* seed, float* gx) {
  const Spot spot(s);
  if (!spot.inside) return;
  Float4 own[kDeep + 2], left[kDeep], right[kDeep];  // own[d + 1] is row d
  for (int d = 0; d < kDeep + 2; ++d) own[d] = pack_at(s, x, spot.row + d - 1, spot.i);
  for (int d = 0; d < kDeep; ++d) left[d] = pack_at(s, x, spot.row + d, spot.i - 4);
  for (int d = 0; d < kDeep; ++d) right[d] = pack_at(s, x, spot.row + d, spot.i + 4);
  for (int d = 0; d < kDeep; ++d) {
    const int64_t r = spot.row + d;
    if (r >= s.rows) return;
    Float4 out;
    for (int k = 0; k < 4; ++k) {
      const float here = own[d + 1].v[k];
      float sum = 0;
      if (spot.i + k >= C) sum += s.slope(here - number(left[d], own[d + 1], right[d], k - C));
      if (spot.i + k + C < s.length) sum -= s.slope(number(left[d], own[d + 1], right[d], k + C) - here);
      if (s.has_above(r)) sum += s.slope(here - own[d].v[k]);
      if (s.has_below(r)) sum -= s.slope(own[d + 2].v[k] - here);
      out.v[k] = *seed * sum;
    }
    *reinterpret_cast<Float4*>(gx + r * s.length + spot.i) = out;
  }
}

bool fits_packs(const Rows& s) { return (s.c == 1 || s.c == 3) && s.length % 4 == 0; }
int64_t packs_blocks(const Rows& s) { return div_up(s.length / 4 * div_up(s.rows, kDeep), kBlock); }

}  // namespace

void total_variation(Cuda where, int64_t n, int64_t h, int64_t w, int64_t c, bool squared, const float* x,
                     float* y) {
  const Rows s{n * h, h, w * c, int(c), squared};
  const bool packs = fits_packs(s) && aligned16(x);
  const int64_t blocks =
      std::max(int64_t{1}, packs ? packs_blocks(s) : div_up(s.rows * s.length, kNumbers * kBlock));
  const auto kernel = !packs ? plain_kernel : c == 1 ? packs_kernel<1> : packs_kernel<3>;
  float* partial = static_cast<float*>(cuda::scratch(where, blocks * int64_t(sizeof(float))));
  launch(where, {"total_variation", unsigned(blocks), kBlock}, kernel, s, x, partial, cuda::arrivals(where),
         y);
}

void total_variation_grad(Cuda where, int64_t n, int64_t h, int64_t w, int64_t c, bool squared,
                          const float* x, const float* seed, float* gx) {
  const Rows s{n * h, h, w * c, int(c), squared};
  if (s.rows * s.length == 0) return;
  const bool packs = fits_packs(s) && aligned16(x) && aligned16(gx);
  const int64_t blocks = packs ? packs_blocks(s) : div_up(s.rows * s.length, kBlock);
  const auto kernel = !packs ? plain_grad_kernel : c == 1 ? packs_grad_kernel<1> : packs_grad_kernel<3>;
  launch(where, {"total_variation_grad", unsigned(blocks), kBlock}, kernel, s, x, seed, gx);
}

}  // namespace sga::kernels
