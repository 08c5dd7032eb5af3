#include "kernels/tv.h"

#include <cmath>
#include <vector>

#include "kernels/reduce.h"

namespace sga::kernels {

template <class T>
void total_variation(Cpu where, int64_t n, int64_t h, int64_t w, int64_t c, bool squared, const T* x, T* y) {
  const auto f = [squared](T d) { return squared ? d * d : std::abs(d); };
  std::vector<T> rows(static_cast<size_t>(n * h));
#pragma omp parallel for if (n * h * w * c > (1 << 14))
  for (int64_t r = 0; r < n * h; ++r) {
    const T* row = x + r * w * c;
    T sum = 0;
    for (int64_t i = 0; i < (w - 1) * c; ++i) sum += f(row[i + c] - row[i]);
    if (r % h + 1 < h)
      for (int64_t i = 0; i < w * c; ++i) sum += f(row[i + w * c] - row[i]);
    rows[static_cast<size_t>(r)] = sum;
  }
  kernels::sum(where, rows.data(), n * h, y);
}

template <class T>
void total_variation_grad(Cpu, int64_t n, int64_t h, int64_t w, int64_t c, bool squared, const T* x,
                          const T* seed, T* gx) {
  const auto slope = [squared](T d) { return squared ? 2 * d : T((d > 0) - (d < 0)); };
#pragma omp parallel for if (n * h * w * c > (1 << 14))
  for (int64_t r = 0; r < n * h; ++r)
    for (int64_t i = 0; i < w * c; ++i) {
      const T* p = x + r * w * c + i;
      T sum = 0;
      if (i >= c) sum += slope(p[0] - p[-c]);
      if (i < (w - 1) * c) sum -= slope(p[c] - p[0]);
      if (r % h > 0) sum += slope(p[0] - p[-w * c]);
      if (r % h + 1 < h) sum -= slope(p[w * c] - p[0]);
      gx[r * w * c + i] = *seed * sum;
    }
}

#define INSTANTIATE(T)                                                                        \
  template void total_variation(Cpu, int64_t, int64_t, int64_t, int64_t, bool, const T*, T*); \
  template void total_variation_grad(Cpu, int64_t, int64_t, int64_t, int64_t, bool, const T*, const T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace sga::kernels
