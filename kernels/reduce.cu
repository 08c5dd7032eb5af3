// Sums and repetition.
//
// Every sum is y[a, c] = sum over r of x[a, r, c]: neighbouring axes that are all summed or all kept are one
// axis, and what is left sums one axis, or two in two passes. Three shapes of it:
//
//   chunk_sums_kernel    long rows, C = 1, and sums of everything: a block sums one chunk of one row.
//                        grid A * chunks (up to 1056 if chunks > 1), block 256, 36 bytes of shared memory
//   short_rows_kernel    rows of up to 1024 numbers, C = 1: 1 to 32 lanes of a warp a row.
//                        grid by rows, block 256, no shared memory
//   column_sums_kernel   C > 1, the gradient of a bias: a block takes up to 64 neighbouring columns (of
//                        quads, if C is a multiple of 4) of one chunk of rows. Its threads stand side by side
//                        on the columns, in as many rows as fit, and add up rows that far apart; then the
//                        rows of threads are added in pairs. grid A * strips * chunks (up to 528 if chunks >
//                        1), block 256, 4 KB of shared memory
//   expand_kernel        a thread an item (quad or float) of y; no division but for rows.
//                        grid by row_grid(), block 256, no shared memory
//
// Each moves 4 bytes for every number of x and of y. Where a sum is cut into chunks, the chunks' sums go to
// scratch and the block that finishes last adds them up, so one launch does it all. How many chunks depends
// on the extents alone: enough to fill an H200 (132 multiprocessors, 8 or 4 blocks each), never so many that
// adding them up would take long. The order of all additions depends on the extents alone too; alignment only
// changes how numbers are fetched.
#include "kernels/reduce.h"

#include <algorithm>
#include <cmath>

#include "kernels/access.cuh"
#include "kernels/cuda.h"
#include "kernels/last_block.cuh"
#include "kernels/pointwise.h"

namespace sga::kernels {
namespace {

constexpr int kMostSumBlocks = 8 * 132, kMostColumnBlocks = 4 * 132;
constexpr int64_t kLeastChunk = 4096;  // numbers: four quads a thread
constexpr int64_t kShortRow = 1024;

static_assert(kMostSumBlocks <= cuda::kMostArrivals && kMostColumnBlocks <= cuda::kMostArrivals);

// ---- long rows

// What is summed, in two parts, so that no compiler may round one path of a kernel differently from another:
// quad<kWhole>(i, count) fetches the terms i, i+1, i+2, i+3 as far as there are `count`, and 0, where kWhole
// says that there are four, in an aligned place; add(sum, term) adds a term.
template <bool kWhole>
__device__ inline Float4 fetch(const float* p, int64_t count) {
  if constexpr (kWhole)
    return *reinterpret_cast<const Float4*>(p);
  else
    return load_quad(p, count);
}
struct Value {
  const float* x;
  __device__ bool aligned(int64_t i) const { return aligned16(x + i); }
  template <bool kWhole>
  __device__ Float4 quad(int64_t i, int64_t count) const {
    return fetch<kWhole>(x + i, count);
  }
  __device__ static float add(float sum, float term) { return sum + term; }
};
struct Difference {
  const float *a, *b;
  __device__ bool aligned(int64_t i) const { return aligned16(a + i) && aligned16(b + i); }
  template <bool kWhole>
  __device__ Float4 quad(int64_t i, int64_t count) const {
    const Float4 p = fetch<kWhole>(a + i, count), q = fetch<kWhole>(b + i, count);
    Float4 r;
    for (int j = 0; j < 4; ++j) r.v[j] = p.v[j] - q.v[j];
    return r;
  }
};
struct SquaredDifference : Difference {
  __device__ static float add(float sum, float term) { return std::fmaf(term, term, sum); }
};
struct AbsoluteDifference : Difference {
  __device__ static float add(float sum, float term) { return sum + std::fabs(term); }
};

__device__ inline float total(const Float4& q) { return (q.v[0] + q.v[1]) + (q.v[2] + q.v[3]); }

// y[group] = (sum of the group's `row` terms) / divisor. Block group * chunks + k sums terms [k, k+1) *
// chunk.
template <class Terms>
__global__ void __launch_bounds__(kBlock)
    chunk_sums_kernel(Terms terms, int64_t row, int64_t chunk, unsigned chunks, float divisor, float* partial,
                      unsigned* arrivals, float* y) {
  const unsigned group = blockIdx.x / chunks, k = blockIdx.x % chunks;
  const int64_t start = group * row, end = min(row, (k + 1) * chunk);
  constexpr int kQuads = 4, kStep = 4 * kBlock;
  const bool aligned = terms.aligned(start);  // then so is every quad, as chunk is a multiple of 4
  Float4 sum{};
  const auto add = [&](const Float4& q) {
    for (int j = 0; j < 4; ++j) sum.v[j] = Terms::add(sum.v[j], q.v[j]);
  };
  int64_t i = k * chunk + 4 * threadIdx.x;
  if (aligned)
    for (; i + (kQuads - 1) * kStep + 4 <= end; i += kQuads * kStep) {
      Float4 q[kQuads];  // fetched together
      for (int u = 0; u < kQuads; ++u) q[u] = terms.template quad<true>(start + i + u * kStep, 4);
      for (int u = 0; u < kQuads; ++u) add(q[u]);
    }
  for (; i < end; i += kStep) add(terms.template quad<false>(start + i, end - i));
  float all = block_sum<kBlock>(total(sum));
  if (chunks > 1) {
    if (threadIdx.x == 0) partial[blockIdx.x] = all;
    if (!last_block(arrivals + group, chunks)) return;
    all = 0;
    for (unsigned other = threadIdx.x; other < chunks; other += kBlock)
      all += partial[group * chunks + other];
    all = block_sum<kBlock>(all);
  }
  if (threadIdx.x == 0) y[group] = all / divisor;
}

// Into how many chunks of what length `length` is cut if there are `groups` such lengths.
struct Cut {
  int64_t chunk, chunks;
};
Cut cut(int64_t length, int64_t groups, int64_t least_chunk, int64_t most_blocks) {
  const int64_t wanted = std::max<int64_t>(1, std::min(div_up(length, least_chunk), most_blocks / groups));
  const int64_t chunk = std::max<int64_t>(4, div_up(div_up(length, wanted), 4) * 4);
  return {chunk, std::max<int64_t>(1, div_up(length, chunk))};
}

template <class Terms>
void long_rows(Cuda where, const char* name, Terms terms, int64_t rows, int64_t row, float divisor,
               float* scratch, float* y) {
  const Cut c = cut(row, rows, kLeastChunk, kMostSumBlocks);
  launch(where, {name, unsigned(rows * c.chunks), kBlock}, chunk_sums_kernel<Terms>, terms, row, c.chunk,
         unsigned(c.chunks), divisor, scratch, cuda::arrivals(where), y);
}

float* scratch_of(Cuda where, int64_t numbers) {
  return static_cast<float*>(cuda::scratch(where, numbers * int64_t(sizeof(float))));
}

// ---- short rows

// y[i] = sum of x[i, 0..row). `lanes`, a power of two up to 32, work on one row.
__global__ void __launch_bounds__(kBlock)
    short_rows_kernel(const float* x, int64_t rows, int64_t row, int lanes, float* y) {
  const int64_t i = (int64_t(blockIdx.x) * kBlock + threadIdx.x) / lanes;
  const int lane = threadIdx.x % lanes;
  Float4 sum{};
  if (i < rows)
    for (int64_t c = 4 * lane; c < row; c += 4 * lanes) {
      const Float4 q = load_quad(x + i * row + c, row - c);
      for (int j = 0; j < 4; ++j) sum.v[j] += q.v[j];
    }
  float all = total(sum);
  for (int offset = lanes / 2; offset > 0; offset /= 2) all += __shfl_xor_sync(kAllLanes, all, offset);
  if (i < rows && lane == 0) y[i] = all;
}

void short_rows(Cuda where, const float* x, int64_t rows, int64_t row, float* y) {
  int lanes = 1;
  while (lanes < kWarp && 4 * lanes < row) lanes *= 2;
  launch(where, {"sum_to of short rows", unsigned(div_up(rows * lanes, kBlock)), kBlock}, short_rows_kernel,
         x, rows, row, lanes, y);
}

// ---- columns

// How the columns are laid over blocks. A column is W floats.
struct Columns {
  int64_t rows, columns;    // of one group
  int64_t chunk;            // rows of a block
  unsigned chunks, strips;  // blocks of a group
  unsigned width, height;   // threads that work, width * height <= 256
};

// Sum over rows begin, begin + 1, ..., end - 1 of one strip of x (rows, columns). The threads of row 0 get
// it.
template <int W>
__device__ Pack<float, W> strip_sum(const float* x, const Columns& s, int64_t column, unsigned row,
                                    int64_t begin, int64_t end) {
  Pack<float, W> sum{};
  const auto add = [&](const Pack<float, W>& q) {
    for (int j = 0; j < W; ++j) sum.v[j] += q.v[j];
  };
  const bool aligned = W == 1 || aligned16(x);
  const auto at = [&](int64_t r) { return x + (r * s.columns + column) * W; };
  if (row < s.height && column < s.columns) {
    constexpr int kRows = 4;
    int64_t r = begin + row;
    if (aligned)
      for (; r + (kRows - 1) * s.height < end; r += kRows * s.height) {
        Pack<float, W> q[kRows];  // fetched together
        for (int u = 0; u < kRows; ++u) q[u] = *reinterpret_cast<const Pack<float, W>*>(at(r + u * s.height));
        for (int u = 0; u < kRows; ++u) add(q[u]);
      }
    for (; r < end; r += s.height) {
      Pack<float, W> q;
      for (int j = 0; j < W; ++j) q.v[j] = at(r)[j];
      add(q);
    }
  }
  struct Smem {
    Pack<float, W> sum[kBlock];
  };
  auto& smem = shared<Smem>();
  __syncthreads();  // an earlier call's reads are over
  smem.sum[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned half = kBlock / 2; half > 0; half /= 2) {
    if (row < half && row + half < s.height) {
      add(smem.sum[threadIdx.x + half * s.width]);
      smem.sum[threadIdx.x] = sum;
    }
    if (half < s.height) __syncthreads();
  }
  return sum;
}

// Block (a * strips + strip) * chunks + k: one strip of columns of chunk k of x[a]. The chunks' sums are an
// array (a, chunks, columns), so adding them up is the same work once more.
template <int W>
__global__ void __launch_bounds__(kBlock)
    column_sums_kernel(const float* x, Columns s, float* partial, unsigned* arrivals, float* y) {
  const unsigned group = blockIdx.x / s.chunks, k = blockIdx.x % s.chunks;
  const int64_t a = group / s.strips;
  const unsigned row = threadIdx.x / s.width;
  const int64_t column = int64_t(group % s.strips) * s.width + threadIdx.x % s.width;
  const bool writes = row == 0 && column < s.columns;
  const auto write = [&](float* to, const Pack<float, W>& v) {
    for (int j = 0; j < W; ++j) to[j] = v.v[j];
  };
  Pack<float, W> sum = strip_sum<W>(x + a * s.rows * s.columns * W, s, column, row, k * s.chunk,
                                    min(s.rows, (k + 1) * s.chunk));
  if (s.chunks > 1) {
    partial += a * s.chunks * s.columns * W;
    if (writes) write(partial + (k * s.columns + column) * W, sum);
    if (!last_block(arrivals + group, s.chunks)) return;
    sum = strip_sum<W>(partial, s, column, row, 0, s.chunks);
  }
  if (writes) write(y + (a * s.columns + column) * W, sum);
}

Columns columns_of(int64_t groups, int64_t rows, int64_t c) {
  Columns s{};
  s.rows = rows, s.columns = c % 4 ? c : c / 4;
  s.strips = unsigned(div_up(s.columns, 64));
  s.width = unsigned(div_up(s.columns, s.strips)), s.height = kBlock / s.width;
  const Cut k = cut(rows, groups * s.strips, int64_t{8} * s.height, kMostColumnBlocks);
  s.chunk = k.chunk, s.chunks = unsigned(k.chunks);
  return s;
}

// ---- y[a, c] = sum over r of x[a, r, c]

// Numbers of scratch that middle_sum needs.
int64_t partials(int64_t a, int64_t r, int64_t c) {
  return c > 1 ? a * columns_of(a, r, c).chunks * c : r > kShortRow ? a + kMostSumBlocks : 0;
}
void middle_sum(Cuda where, int64_t a, int64_t r, int64_t c, const float* x, float* scratch, float* y) {
  if (c == 1) {
    if (r > kShortRow)
      long_rows(where, "sum_to of long rows", Value{x}, a, r, 1, scratch, y);
    else
      short_rows(where, x, a, r, y);
    return;
  }
  const Columns s = columns_of(a, r, c);
  const Launch l{"sum_to of columns", unsigned(a * s.strips * s.chunks), kBlock};
  launch(where, l, c % 4 ? column_sums_kernel<1> : column_sums_kernel<4>, x, s, scratch,
         cuda::arrivals(where), y);
}

// ---- repetition

// Axes of extent 1 dropped and neighbours that are both repeated or both kept joined: y has extents 1, ...,
// 1, then alternately repeated and kept ones.
struct Axes {
  int64_t extent[4];
  bool repeated[4];
};
Axes joined(const Broadcast& b) {
  Axes a{{1, 1, 1, 1}, {}};
  int at = 4;
  for (int i = 3; i >= 0; --i) {
    if (b.to[i] == 1) continue;
    const bool repeated = b.from[i] != b.to[i];
    if (at == 4 || a.repeated[at] != repeated) a.repeated[--at] = repeated;
    a.extent[at] *= b.to[i];
  }
  return a;
}

struct Expand {
  int64_t extent[3];  // of the outer axes of y
  int64_t step[4];    // of x along the axes, 0 where it is repeated
  int64_t items;      // of the last axis, of 4 floats or 1
};

template <int W>
__global__ void __launch_bounds__(kBlock) expand_kernel(Expand e, const float* x, float* y) {
  const int64_t item = row_item(), rows = e.extent[0] * e.extent[1] * e.extent[2];
  if (item >= e.items) return;
  for (int64_t row = first_row(); row < rows; row += row_step()) {
    int64_t rest = row, at = 0;
    for (int i = 2; i >= 0; --i) {
      if (e.extent[i] == 1) continue;
      const int64_t above = rest / e.extent[i];
      at += (rest - above * e.extent[i]) * e.step[i];
      rest = above;
    }
    Pack<float, W> v;
    if (e.step[3])
      v = *reinterpret_cast<const Pack<float, W>*>(x + at + item * W);
    else
      for (int j = 0; j < W; ++j) v.v[j] = x[at];
    *reinterpret_cast<Pack<float, W>*>(y + (row * e.items + item) * W) = v;
  }
}

}  // namespace

void sum(Cuda where, const float* x, int64_t n, float* y) {
  long_rows(where, "sum", Value{x}, 1, n, 1, scratch_of(where, kMostSumBlocks), y);
}
void mean_squared_difference(Cuda where, const float* a, const float* b, int64_t n, float* y) {
  long_rows(where, "mean_squared_difference", SquaredDifference{{a, b}}, 1, n, float(n),
            scratch_of(where, kMostSumBlocks), y);
}
void mean_absolute_difference(Cuda where, const float* a, const float* b, int64_t n, float* y) {
  long_rows(where, "mean_absolute_difference", AbsoluteDifference{{a, b}}, 1, n, float(n),
            scratch_of(where, kMostSumBlocks), y);
}

void expand(Cuda where, const Broadcast& b, const float* x, float* y) {
  const Axes a = joined(b);
  int64_t numbers = 1;
  for (int64_t extent : a.extent) numbers *= extent;
  if (numbers == 0) return;
  Expand e{};
  int64_t step = 1;
  for (int i = 3; i >= 0; --i) {
    e.step[i] = a.repeated[i] ? 0 : step;
    if (!a.repeated[i]) step *= a.extent[i];
    if (i < 3) e.extent[i] = a.extent[i];
  }
  const bool quads = a.extent[3] % 4 == 0 && aligned16(y) && (a.repeated[3] || aligned16(x));
  e.items = quads ? a.extent[3] / 4 : a.extent[3];
  const RowGrid g = row_grid(e.extent[0] * e.extent[1] * e.extent[2], e.items);
  launch(where, {"expand", g.grid, g.block}, quads ? expand_kernel<4> : expand_kernel<1>, e, x, y);
}

void sum_to(Cuda where, const Broadcast& b, const float* x, float* y) {
  int64_t outputs = 1, inputs = 1;
  for (int i = 0; i < 4; ++i) outputs *= b.from[i], inputs *= b.to[i];
  if (outputs == 0) return;
  if (inputs == 0) return fill(where, 0, y, outputs);
  const Axes axes = joined(b);
  int summed[2], passes = 0;  // innermost first
  for (int i = 3; i >= 0; --i)
    if (axes.repeated[i]) summed[passes++] = i;
  if (passes == 0) return cuda::copy(where, y, x, outputs * int64_t(sizeof(float)));
  // Extents before and after an axis.
  const auto product = [&](int begin, int end) {
    int64_t n = 1;
    for (int i = begin; i < end; ++i) n *= axes.extent[i];
    return n;
  };
  const int last = summed[0], first = summed[passes - 1];
  const int64_t before = product(0, last), after = product(last + 1, 4);
  if (passes == 1)
    return middle_sum(where, before, axes.extent[last], after, x,
                      scratch_of(where, partials(before, axes.extent[last], after)), y);
  const int64_t outer = product(0, first), inner = product(first + 1, last) * after;
  const int64_t between = before * after;
  const int64_t room =
      std::max(partials(before, axes.extent[last], after), partials(outer, axes.extent[first], inner));
  float* scratch = scratch_of(where, room + between);
  middle_sum(where, before, axes.extent[last], after, x, scratch, scratch + room);
  middle_sum(where, outer, axes.extent[first], inner, scratch + room, scratch, y);
}

}  // namespace sga::kernels
