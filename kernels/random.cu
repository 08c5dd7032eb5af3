// Random numbers by counter, the same bits as the CPU's.
//
//   draw_kernel   a thread the four numbers of one Philox block: grid ceil(n / 1024), block 256, shared 0.
//                 Writes 4 n bytes and reads nothing. uniform is bound by memory; normal by arithmetic: ten
//                 rounds and two logarithms, roots, sines and cosines are some 300 instructions for 16 bytes.
//   window_kernel normal_window: grid by row_grid(), block 256, shared 0. A thread the part of one Philox
//                 block that lies in its row; at the two ends of a row up to three of the four numbers are
//                 thrown away.
#include "kernels/random.h"

#include "kernels/access.cuh"

namespace sga::kernels {
namespace {

struct Uniform {
  __device__ Float4 operator()(const Philox& x) const {
    return {{unit_float(x.v[0]), unit_float(x.v[1]), unit_float(x.v[2]), unit_float(x.v[3])}};
  }
};
struct Normal {
  __device__ Float4 operator()(const Philox& x) const {
    Float4 four;
    normals_of(x, four.v);
    return four;
  }
};

template <class F>
__global__ void __launch_bounds__(kBlock)
    draw_kernel(F four_of, uint64_t seed, const uint64_t* base, uint64_t offset, float* y, int64_t n) {
  const int64_t block = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (block * 4 >= n) return;
  const uint64_t counter = (base ? *base : 0) + offset;
  store_quad(y + block * 4, four_of(philox4x32(seed, counter + uint64_t(block))), n - block * 4);
}

__global__ void __launch_bounds__(kBlock)
    window_kernel(uint64_t seed, uint64_t counter, int64_t row, int64_t top, int64_t left, int64_t h,
                  int64_t w, float* y) {
  for (int64_t i = first_row(); i < h; i += row_step()) {
    const int64_t begin = (top + i) * row + left, end = begin + w, block = begin / 4 + row_item();
    if (block * 4 >= end) continue;
    float four[4];
    normals_of(philox4x32(seed, counter + uint64_t(block)), four);
    for (int j = 0; j < 4; ++j) {
      const int64_t n = block * 4 + j;
      if (n >= begin && n < end) y[i * w + n - begin] = four[j];
    }
  }
}

template <class F>
void draw(Cuda where, const char* name, F four_of, uint64_t seed, const uint64_t* base, uint64_t offset,
          float* y, int64_t n) {
  if (n <= 0) return;
  launch(where, {name, unsigned(div_up(n, 4 * kBlock)), kBlock}, draw_kernel<F>, four_of, seed, base, offset,
         y, n);
}

}  // namespace

void uniform(Cuda where, uint64_t seed, const uint64_t* base, uint64_t offset, float* y, int64_t n) {
  draw(where, "uniform", Uniform{}, seed, base, offset, y, n);
}
void normal(Cuda where, uint64_t seed, const uint64_t* base, uint64_t offset, float* y, int64_t n) {
  draw(where, "normal", Normal{}, seed, base, offset, y, n);
}
void normal_window(Cuda where, uint64_t seed, uint64_t counter, int64_t row, int64_t top, int64_t left,
                   int64_t h, int64_t w, float* y) {
  if (h * w <= 0) return;
  const RowGrid g = row_grid(h, div_up(w, 4) + 1);  // a row may begin within a block
  launch(where, {"normal_window", g.grid, g.block}, window_kernel, seed, counter, row, top, left, h, w, y);
}

}  // namespace sga::kernels
