#include "kernels/sum_parts.h"

namespace sga::kernels {

template <class T>
void sum_parts(Cpu, const PartsOf<T>* tensors, int count) {
  for (int k = 0; k < count; ++k) {
    const PartsOf<T> a = tensors[k];
#pragma omp parallel for simd if (a.n > 65536)
    for (int64_t i = 0; i < a.n; ++i) {
      T sum = a.part[0][i];
      for (int j = 1; j < a.count; ++j) sum += a.part[j][i];
      a.y[i] = sum;
    }
  }
}

template void sum_parts(Cpu, const PartsOf<float>*, int);
template void sum_parts(Cpu, const PartsOf<double>*, int);

}  // namespace sga::kernels
