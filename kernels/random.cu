// Random numbers by counter, the same bits as the CPU's.
//
//   draw_kernel   a thread the four numbers of one Philox block: grid ceil(n / 1024), block 256, shared 0.
//                 Writes 4 n bytes and reads nothing. uniform is bound by memory; normal by arithmetic: ten
//                 rounds and two logarithms, roots, sines and cosines are some 300 instructions for 16 bytes.
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

}  // namespace sga::kernels
