// Adam over up to 256 tensors in one launch.
//
//   adam_kernel   grid: chunks of 1024 numbers over all tensors, at most 1056 blocks; block 256; shared 24
//                 bytes. Moves 28 bytes a number: reads p g m v, writes p m v.
//
// many.cuh shares the tensors out. A thread takes one quad of each array of a chunk, four loads in flight.
// One thread a block works out the bias corrections, in double, from the count of steps; the block that
// finishes last, when all have read the count, raises it.
#include "kernels/adam.h"

#include <cmath>

#include "kernels/cuda.h"
#include "kernels/last_block.cuh"
#include "kernels/many.cuh"

namespace sga::kernels {
namespace {

struct Constants {
  double beta1, beta2;
  float b1, b2, a1, a2, eps;
  bool eps_before_correction;
};

// x^n by squaring, within n rounding errors.
__device__ inline double whole_power(double x, uint64_t n) {
  double y = 1;
  for (; n; n /= 2, x *= x)
    if (n % 2) y *= x;
  return y;
}

// One number of each array, as on the CPU.
__device__ inline void update(const Constants& c, float rate, float root, float g, float& p, float& m,
                              float& v) {
  m = c.b1 * m + c.a1 * g;
  v = c.b2 * v + c.a2 * g * g;
  p -= rate * m / (std::sqrt(v) * root + c.eps);
}

// `counts`: this launch is the last of the step.
__global__ void __launch_bounds__(kBlock)
    adam_kernel(Many<AdamTensor<float>> table, Constants c, const float* lr, uint64_t* steps, bool counts,
                unsigned* arrivals) {
  struct Smem {
    uint64_t t;
    float rate, root;
  };
  auto& s = shared<Smem>();
  if (threadIdx.x == 0) {
    s.t = *steps + 1;
    const double c1 = 1 - whole_power(c.beta1, s.t), c2 = 1 - whole_power(c.beta2, s.t),
                 rate = double(*lr) / c1;
    s.rate = float(c.eps_before_correction ? rate * std::sqrt(c2) : rate);
    s.root = float(c.eps_before_correction ? 1 : 1 / std::sqrt(c2));
  }
  __syncthreads();
  const float rate = s.rate, root = s.root;
  for (int64_t chunk = blockIdx.x; chunk < table.chunks(); chunk += gridDim.x) {
    const int k = table.entry_of(chunk);
    const AdamTensor<float>& a = table.entry[k];
    const int64_t at = (chunk - table.begin[k]) * table.kChunk + 4 * threadIdx.x, count = a.n - at;
    if (count <= 0) continue;
    const Float4 g = load_quad(a.g + at, count);
    Float4 p = load_quad(a.p + at, count), m = load_quad(a.m + at, count), v = load_quad(a.v + at, count);
    for (int j = 0; j < 4; ++j) update(c, rate, root, g.v[j], p.v[j], m.v[j], v.v[j]);
    store_quad(a.p + at, p, count), store_quad(a.m + at, m, count), store_quad(a.v + at, v, count);
  }
  if (counts && last_block(arrivals, gridDim.x) && threadIdx.x == 0) *steps = s.t;
}

}  // namespace

void adam(Cuda where, const AdamTensor<float>* tensors, int count, const float* lr, double beta1,
          double beta2, double eps, uint64_t* steps, bool eps_before_correction) {
  // 1 - beta is rounded once, as in PyTorch: 1 - float(0.999) is 13 ppm off.
  const Constants c{beta1,
                    beta2,
                    float(beta1),
                    float(beta2),
                    float(1 - beta1),
                    float(1 - beta2),
                    float(eps),
                    eps_before_correction};
  for_many(tensors, count, [&](const Many<AdamTensor<float>>& table, unsigned blocks, bool last) {
    launch(where, {"adam", blocks, kBlock}, adam_kernel, table, c, lr, steps, last, cuda::arrivals(where));
  });
}

}  // namespace sga::kernels
