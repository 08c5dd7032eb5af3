#include "kernels/statistics.h"

namespace sga::kernels {

template <class T>
void track_statistics(Cpu, int64_t n, int64_t c, int64_t pixels, const T* mean, const T* rstd, T eps,
                      T momentum, T* running_mean, T* running_var) {
  const T unbiased = T(double(pixels) / double(pixels - 1));
  for (int64_t i = 0; i < n * c; ++i) {
    T& m = running_mean[i % c];
    T& v = running_var[i % c];
    m = (1 - momentum) * m + momentum * mean[i];
    v = (1 - momentum) * v + momentum * unbiased * (1 / (rstd[i] * rstd[i]) - eps);
  }
}

template void track_statistics(Cpu, int64_t, int64_t, int64_t, const float*, const float*, float, float,
                               float*, float*);
template void track_statistics(Cpu, int64_t, int64_t, int64_t, const double*, const double*, double, double,
                               double*, double*);

}  // namespace sga::kernels
