#include "kernels/random.h"

#include <algorithm>

namespace sga::kernels {
namespace {

template <class T, class F>
void each_block(uint64_t seed, uint64_t counter, T* y, int64_t n, F four_of) {
#pragma omp parallel for if (n > (1 << 14))
  for (int64_t block = 0; block < (n + 3) / 4; ++block) {
    float four[4];
    four_of(philox4x32(seed, counter + uint64_t(block)), four);
    for (int64_t i = block * 4; i < std::min(n, block * 4 + 4); ++i) y[i] = T(four[i - block * 4]);
  }
}

}  // namespace

template <class T>
void uniform(Cpu, uint64_t seed, uint64_t counter, T* y, int64_t n) {
  each_block(seed, counter, y, n, [](const Philox& x, float* four) {
    for (int i = 0; i < 4; ++i) four[i] = unit_float(x.v[i]);
  });
}

template <class T>
void normal(Cpu, uint64_t seed, uint64_t counter, T* y, int64_t n) {
  each_block(seed, counter, y, n, [](const Philox& x, float* four) { normals_of(x, four); });
}

template <class T>
void normal_window(Cpu, uint64_t seed, uint64_t counter, int64_t row, int64_t top, int64_t left, int64_t h,
                   int64_t w, T* y) {
#pragma omp parallel for if (h * w > (1 << 14))
  for (int64_t i = 0; i < h; ++i) {
    const int64_t begin = (top + i) * row + left, end = begin + w;
    for (int64_t block = begin / 4; block * 4 < end; ++block) {
      float four[4];
      normals_of(philox4x32(seed, counter + uint64_t(block)), four);
      for (int64_t n = std::max(begin, block * 4); n < std::min(end, block * 4 + 4); ++n)
        y[i * w + n - begin] = T(four[n - block * 4]);
    }
  }
}

template void normal_window(Cpu, uint64_t, uint64_t, int64_t, int64_t, int64_t, int64_t, int64_t, float*);
template void normal_window(Cpu, uint64_t, uint64_t, int64_t, int64_t, int64_t, int64_t, int64_t, double*);
template void uniform(Cpu, uint64_t, uint64_t, float*, int64_t);
template void uniform(Cpu, uint64_t, uint64_t, double*, int64_t);
template void normal(Cpu, uint64_t, uint64_t, float*, int64_t);
template void normal(Cpu, uint64_t, uint64_t, double*, int64_t);

}  // namespace sga::kernels
