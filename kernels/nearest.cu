// Nearest patches on a GPU, by comparing all with all: the distances are a matrix product and two norms,
//   |q - k|^2 = |q|^2 - 2 q.k + |k|^2,
// made tile by tile; each tile is reduced to one number a row before the next is made, so memory is that of
// the patches and one tile.
//
// extract_kernel    a warp a patch: its pixels as a row of the matrix, and their sum of squares
//                     grid patches/8   block 256   shared 0      writes 4 * patches * (numbers + 1)
// minima_kernel     a block a row of a tile: the smallest distance in it, and whose
//                     grid rows   block 256   shared 64          reads 4 * rows * columns, mostly from the L2
// normalise_kernel  a thread a key: its scale, from the distance to its nearest query
//                     grid keys/256   block 256   shared 0       moves 8 * keys
// vote_kernel       a thread a number of the picture: it gathers from the patches that cover it; nothing is
//                     added into memory, so the order of additions is fixed
//                     grid numbers/256   block 256   shared 0    reads side^2 indices and values, from caches
//
// The product is the work: 2 * queries * keys * numbers operations, 580e9 at 188x250 with patches of 7.
#include "kernels/nearest.h"

#include <algorithm>
#include <cmath>

#include "kernels/access.cuh"
#include "kernels/gemm.h"

namespace sga::kernels {
namespace {

constexpr int kWarps = kBlock / kWarp;

__global__ void __launch_bounds__(kBlock)
    extract_kernel(Patches p, const float* x, float* rows, float* norms) {
  const int64_t patch = int64_t(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  if (patch >= p.count()) return;  // the whole warp
  const int64_t i = patch / p.columns();
  const float* corner = x + (i * p.w + patch - i * p.columns()) * p.c;
  const int row = int(p.side * p.c), numbers = int(p.numbers());
  float squares = 0;
  for (int at = lane; at < numbers; at += kWarp) {
    const int r = at / row;
    const float v = corner[r * p.w * p.c + at - r * row];
    rows[patch * numbers + at] = v;
    squares += v * v;
  }
  squares = warp_sum(squares);
  if (lane == 0) norms[patch] = squares;
}

__device__ inline Found found_at(float score, int64_t index) {
  return Found(__float_as_uint(score)) << 32 | Found(index);
}
__device__ inline float score_of(Found found) { return __uint_as_float(unsigned(found >> 32)); }
__device__ inline int64_t index_of(Found found) { return int64_t(found & 0xffffffffu); }
constexpr Found kNothing = ~Found(0);

// Over the 32 lanes, the same in every lane.
__device__ inline Found warp_least(Found v) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const Found other = __shfl_xor_sync(kAllLanes, v, offset);
    v = other < v ? other : v;
  }
  return v;
}

// Row blockIdx.x of a tile, whose columns are the keys `first`, first + 1, ...
__global__ void __launch_bounds__(kBlock)
    minima_kernel(int64_t columns, int64_t first, const float* product, const float* q_norms,
                  const float* k_norms, const float* scale, Found* found) {
  const float* row = product + int64_t(blockIdx.x) * columns;
  const float q_norm = q_norms[blockIdx.x];
  Found least = kNothing;
  for (int64_t j = 4 * int64_t(threadIdx.x); j < columns; j += 4 * kBlock) {
    const int64_t count = columns - j;
    const Float4 dot = load_quad(row + j, count), k_norm = load_quad(k_norms + first + j, count);
    Float4 weight{{1, 1, 1, 1}};
    if (scale) weight = load_quad(scale + first + j, count);
    for (int i = 0; i < 4; ++i) {
      const float d = std::fmaf(-2.0f, dot.v[i], q_norm + k_norm.v[i]);
      // Written so that NaN, of a picture with such pixels, is some distance too.
      const Found here = i < count ? found_at(d > 0 ? d * weight.v[i] : 0.0f, first + j + i) : kNothing;
      least = here < least ? here : least;
    }
  }
  struct Smem {
    Found least[kWarps];
  };
  auto& s = shared<Smem>();
  least = warp_least(least);
  if (threadIdx.x % kWarp == 0) s.least[threadIdx.x / kWarp] = least;
  __syncthreads();
  if (threadIdx.x >= kWarp) return;
  least = warp_least(threadIdx.x < kWarps ? s.least[threadIdx.x] : kNothing);
  if (threadIdx.x > 0) return;
  const Found before = first == 0 ? kNothing : found[blockIdx.x];
  found[blockIdx.x] = before < least ? before : least;
}

__global__ void __launch_bounds__(kBlock)
    normalise_kernel(int64_t keys, float alpha, const Found* nearest_query, float* scale) {
  const int64_t k = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (k < keys) scale[k] = 1 / (alpha + score_of(nearest_query[k]));
}

struct VoteWeights {
  float along[kMostPatchSide];  // a pixel's weight is the product of two
};

__global__ void __launch_bounds__(kBlock) vote_kernel(Patches to, Patches from, VoteWeights weight,
                                                      const Found* found, const float* values, float* y) {
  const int64_t n = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (n >= to.h * to.w * to.c) return;
  const int64_t pixel = n / to.c, c = n - pixel * to.c, i = pixel / to.w, j = pixel - i * to.w;
  float sum = 0, total = 0;
  for (int64_t r = max(int64_t(0), i - to.rows() + 1); r < min(to.side, i + 1); ++r)
    for (int64_t s = max(int64_t(0), j - to.columns() + 1); s < min(to.side, j + 1); ++s) {
      const int64_t k = index_of(found[(i - r) * to.columns() + j - s]), row = k / from.columns();
      const float share = weight.along[r] * weight.along[s];
      sum += share * values[((row + r) * from.w + k - row * from.columns() + s) * to.c + c];
      total += share;
    }
  y[n] = sum / total;
}

// Where the parts of the workspace begin, in floats.
struct Workspace {
  int64_t found_query, found_key, q, q_norms, k, k_norms, scale, product, size;
};
Workspace workspace_of(const PatchRounds& r) {
  const int64_t n = r.queries.count(), m = r.keys.count(), d = r.keys.numbers();
  const ProductTile tile;
  const auto quads = [](int64_t numbers) { return div_up(numbers, 4) * 4; };
  Workspace w{};
  int64_t end = 0;
  const auto take = [&](int64_t& at, int64_t numbers) { at = end, end += quads(numbers); };
  take(w.found_query, 2 * n), take(w.found_key, 2 * m);
  take(w.q, n * d), take(w.q_norms, n), take(w.k, m * d), take(w.k_norms, m), take(w.scale, m);
  // Queries among keys and keys among queries.
  take(w.product, std::max(std::min(n, tile.rows) * std::min(m, tile.columns),
                           std::min(m, tile.rows) * std::min(n, tile.columns)));
  w.size = end;
  return w;
}

}  // namespace

void extract_patches(Cuda where, const Patches& p, const float* x, float* rows, float* norms) {
  launch(where, {"extract_patches", unsigned(div_up(p.count(), kWarps)), kBlock}, extract_kernel, p, x, rows,
         norms);
}

void nearest_rows(Cuda where, int64_t n, int64_t m, int64_t d, const float* q, const float* q_norms,
                  const float* k, const float* k_norms, const float* scale, ProductTile tile, float* product,
                  Found* found) {
  where.precision = Precision::fp32;  // a difference of large numbers is what is looked for
  for (int64_t row = 0; row < n; row += tile.rows)
    for (int64_t column = 0; column < m; column += tile.columns) {
      const int64_t rows = std::min(tile.rows, n - row), columns = std::min(tile.columns, m - column);
      gemm(where, false, true, rows, columns, d, q + row * d, k + column * d, product);
      launch(where, {"nearest_rows", unsigned(rows), kBlock}, minima_kernel, columns, column, product,
             q_norms + row, k_norms, scale, found + row);
    }
}

void vote_patches(Cuda where, const Patches& to, const Patches& from, const Found* found, const float* values,
                  float* y) {
  VoteWeights weight;
  vote_weights(to.side, weight.along);
  launch(where, {"vote_patches", unsigned(div_up(to.h * to.w * to.c, kBlock)), kBlock}, vote_kernel, to, from,
         weight, found, values, y);
}

int64_t patch_rounds_workspace(Cuda, const PatchRounds& r) { return workspace_of(r).size; }

void patch_rounds(Cuda where, const PatchRounds& r, const float* guess, const float* keys,
                  const float* values, float* y, float* workspace) {
  const Workspace at = workspace_of(r);
  const int64_t n = r.queries.count(), m = r.keys.count(), d = r.keys.numbers();
  Found* const found_query = reinterpret_cast<Found*>(workspace + at.found_query);
  Found* const found_key = reinterpret_cast<Found*>(workspace + at.found_key);
  float *q = workspace + at.q, *q_norms = workspace + at.q_norms, *k = workspace + at.k,
        *k_norms = workspace + at.k_norms, *product = workspace + at.product;
  float* const scale = std::isfinite(r.alpha) ? workspace + at.scale : nullptr;
  extract_patches(where, r.keys, keys, k, k_norms);
  for (int round = 0; round < r.rounds; ++round) {
    extract_patches(where, r.queries, round == 0 ? guess : y, q, q_norms);
    if (scale) {
      nearest_rows(where, m, n, d, k, k_norms, q, q_norms, nullptr, {}, product, found_key);
      launch(where, {"completeness", unsigned(div_up(m, kBlock)), kBlock}, normalise_kernel, m,
             float(r.alpha), found_key, scale);
    }
    nearest_rows(where, n, m, d, q, q_norms, k, k_norms, scale, {}, product, found_query);
    vote_patches(where, r.queries, r.keys, found_query, values, y);
  }
}

}  // namespace sga::kernels
