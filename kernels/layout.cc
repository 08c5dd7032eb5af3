#include "kernels/layout.h"

#include <algorithm>

namespace sga::kernels {

template <class T>
void shift_window(Cpu, int64_t n, int64_t h, int64_t w, int64_t c, int64_t top, int64_t left, int64_t p,
                  int64_t q, const T* x, T* y) {
  const int64_t begin = std::clamp<int64_t>(left, 0, q), end = std::clamp<int64_t>(left + w, begin, q);
#pragma omp parallel for collapse(2) if (n * p * q * c > (1 << 15))
  for (int64_t image = 0; image < n; ++image)
    for (int64_t i = 0; i < p; ++i) {
      T* out = y + (image * p + i) * q * c;
      const int64_t row = i - top;
      if (row < 0 || row >= h) {
        std::fill_n(out, q * c, T(0));
        continue;
      }
      std::fill_n(out, begin * c, T(0));
      if (end > begin)
        std::copy_n(x + ((image * h + row) * w + begin - left) * c, (end - begin) * c, out + begin * c);
      std::fill_n(out + end * c, (q - end) * c, T(0));
    }
}

template <class T>
void copy_rows(Cpu, int64_t outer, int64_t count, const T* x, int64_t x_row, int64_t x_begin, T* y,
               int64_t y_row, int64_t y_begin) {
#pragma omp parallel for if (outer > 1 && outer * count > (1 << 15))
  for (int64_t i = 0; i < outer; ++i) std::copy_n(x + i * x_row + x_begin, count, y + i * y_row + y_begin);
}

#define INSTANTIATE(T)                                                                                    \
  template void shift_window(Cpu, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, \
                             const T*, T*);                                                               \
  template void copy_rows(Cpu, int64_t, int64_t, const T*, int64_t, int64_t, T*, int64_t, int64_t);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace sga::kernels
