// A linear map along one axis, given by its rows.
//
//   map_axis_kernel   rows: the outer * n_out rows of y, a thread an item of `inner` (a quad, if inner is a
//                     multiple of 4 and the arrays are aligned, else a float). Grid and block by row_grid():
//                     256 threads, no shared memory. Moves 4 bytes for every number of x and of y: the rows
//                     of x that neighbouring rows of y share come from the caches, as do first, index and
//                     weight.
#include "kernels/resize.h"

#include <cmath>

#include "kernels/access.cuh"

namespace sga::kernels {
namespace {

template <int W>
__global__ void __launch_bounds__(kBlock)
    map_axis_kernel(int64_t rows, int64_t n_in, int64_t n_out, int64_t items, const int32_t* first,
                    const int32_t* index, const float* weight, const float* x, float* y) {
  using Item = Pack<float, W>;
  const int64_t item = row_item();
  if (item >= items) return;
  for (int64_t row = first_row(); row < rows; row += row_step()) {
    const int64_t i = row / n_out, o = row - i * n_out;
    const Item* in = reinterpret_cast<const Item*>(x) + i * n_in * items + item;
    Item sum{};
    for (int32_t k = first[o], end = first[o + 1]; k < end; ++k) {
      const Item v = in[index[k] * items];
      const float w = weight[k];
      for (int j = 0; j < W; ++j) sum.v[j] = std::fmaf(w, v.v[j], sum.v[j]);
    }
    reinterpret_cast<Item*>(y)[row * items + item] = sum;
  }
}

}  // namespace

void map_axis(Cuda where, int64_t outer, int64_t n_in, int64_t n_out, int64_t inner, const int32_t* first,
              const int32_t* index, const float* weight, const float* x, float* y) {
  if (outer * n_out * inner == 0) return;
  const bool quads = inner % 4 == 0 && aligned16(x) && aligned16(y);
  const int64_t items = quads ? inner / 4 : inner;
  const RowGrid g = row_grid(outer * n_out, items);
  launch(where, {"map_axis", g.grid, g.block}, quads ? map_axis_kernel<4> : map_axis_kernel<1>, outer * n_out,
         n_in, n_out, items, first, index, weight, x, y);
}

}  // namespace sga::kernels
