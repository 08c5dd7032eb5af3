#include "kernels/composite.h"

namespace sga::kernels {

template <class T>
void attention_composite(Cpu, int64_t pixels, int64_t channels, const T* a, const T* x, const T* c, T* y) {
#pragma omp parallel for if (pixels > 4096)
  for (int64_t p = 0; p < pixels; ++p)
    for (int64_t i = p * channels; i < (p + 1) * channels; ++i) y[i] = a[p] * x[i] + (1 - a[p]) * c[i];
}

template <class T>
void attention_composite_grad(Cpu, int64_t pixels, int64_t channels, const T* a, const T* x, const T* c,
                              const T* gy, T* ga, T* gx, T* gc) {
#pragma omp parallel for if (pixels > 4096)
  for (int64_t p = 0; p < pixels; ++p) {
    T sum = 0;
    for (int64_t i = p * channels; i < (p + 1) * channels; ++i) {
      sum += (x[i] - c[i]) * gy[i];
      if (gx) gx[i] = a[p] * gy[i];
      if (gc) gc[i] = (1 - a[p]) * gy[i];
    }
    if (ga) ga[p] = sum;
  }
}

#define INSTANTIATE(T)                                                                                      \
  template void attention_composite(Cpu, int64_t, int64_t, const T*, const T*, const T*, T*);               \
  template void attention_composite_grad(Cpu, int64_t, int64_t, const T*, const T*, const T*, const T*, T*, \
                                         T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace sga::kernels
