// Borders and joins: a thread moves one item, a quad of floats where every row starts at a multiple of 16
// bytes, else a float.
//
//   shift_window_kernel   rows: the n * p rows of y
//   copy_rows_kernel      rows: `outer`
//
// Grid and block by row_grid(): 256 threads, no shared memory. Each moves 4 bytes for every number written
// and 4 for every number read; zeros of a border are written without a read. Parts that are one piece on both
// sides are left to the copy engine's own kernel.
#include "kernels/layout.h"

#include "kernels/access.cuh"
#include "kernels/cuda.h"

namespace sga::kernels {
namespace {

// A column is one item here: c / W of them a pixel, so left, w and q are counted in items.
template <int W>
__global__ void __launch_bounds__(kBlock)
    shift_window_kernel(int64_t rows, int64_t h, int64_t w, int64_t top, int64_t left, int64_t p, int64_t q,
                        const float* x, float* y) {
  using Item = Pack<float, W>;
  const int64_t item = row_item(), from = item - left;
  if (item >= q) return;
  for (int64_t row = first_row(); row < rows; row += row_step()) {
    const int64_t image = row / p, line = row - image * p - top;
    Item v{};
    if (line >= 0 && line < h && from >= 0 && from < w)
      v = reinterpret_cast<const Item*>(x)[(image * h + line) * w + from];
    reinterpret_cast<Item*>(y)[row * q + item] = v;
  }
}

template <int W>
__global__ void __launch_bounds__(kBlock)
    copy_rows_kernel(int64_t outer, int64_t items, const float* x, int64_t x_row, float* y, int64_t y_row) {
  using Item = Pack<float, W>;
  const int64_t item = row_item();
  if (item >= items) return;
  for (int64_t i = first_row(); i < outer; i += row_step())
    *reinterpret_cast<Item*>(y + i * y_row + item * W) =
        *reinterpret_cast<const Item*>(x + i * x_row + item * W);
}

}  // namespace

void shift_window(Cuda where, int64_t n, int64_t h, int64_t w, int64_t c, int64_t top, int64_t left,
                  int64_t p, int64_t q, const float* x, float* y) {
  if (n * p * q * c == 0) return;
  const bool quads = c % 4 == 0 && aligned16(x) && aligned16(y);
  const int64_t items = quads ? c / 4 : c;
  const RowGrid g = row_grid(n * p, q * items);
  launch(where, {"shift_window", g.grid, g.block}, quads ? shift_window_kernel<4> : shift_window_kernel<1>,
         n * p, h, w * items, top, left * items, p, q * items, x, y);
}

void copy_rows(Cuda where, int64_t outer, int64_t count, const float* x, int64_t x_row, int64_t x_begin,
               float* y, int64_t y_row, int64_t y_begin) {
  if (outer * count == 0) return;
  x += x_begin, y += y_begin;
  if (outer == 1 || (count == x_row && count == y_row))
    return cuda::copy(where, y, x, outer * count * int64_t(sizeof(float)));
  const bool quads = count % 4 == 0 && x_row % 4 == 0 && y_row % 4 == 0 && aligned16(x) && aligned16(y);
  const int64_t items = quads ? count / 4 : count;
  const RowGrid g = row_grid(outer, items);
  launch(where, {"copy_rows", g.grid, g.block}, quads ? copy_rows_kernel<4> : copy_rows_kernel<1>, outer,
         items, x, x_row, y, y_row);
}

}  // namespace sga::kernels
