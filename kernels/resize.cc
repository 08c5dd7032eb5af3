#include "kernels/resize.h"

#include <algorithm>

namespace sga::kernels {

template <class T>
void map_axis(Cpu, int64_t outer, int64_t n_in, int64_t n_out, int64_t inner, const int32_t* first,
              const int32_t* index, const T* weight, const T* x, T* y) {
#pragma omp parallel for collapse(2) if (outer * n_out * inner > (1 << 14))
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t o = 0; o < n_out; ++o) {
      T* out = y + (i * n_out + o) * inner;
      std::fill_n(out, inner, T(0));
      for (int32_t k = first[o]; k < first[o + 1]; ++k) {
        const T* in = x + (i * n_in + index[k]) * inner;
        const T w = weight[k];
#pragma omp simd
        for (int64_t j = 0; j < inner; ++j) out[j] += w * in[j];
      }
    }
}

template void map_axis(Cpu, int64_t, int64_t, int64_t, int64_t, const int32_t*, const int32_t*, const float*,
                       const float*, float*);
template void map_axis(Cpu, int64_t, int64_t, int64_t, int64_t, const int32_t*, const int32_t*, const double*,
                       const double*, double*);

}  // namespace sga::kernels
