#include "kernels/adam.h"

#include <cmath>

namespace sga::kernels {

template <class T>
void adam(Cpu, const AdamTensor<T>* tensors, int count, double lr, double beta1, double beta2, double eps,
          int64_t t, bool eps_before_correction) {
  const double c1 = 1 - std::pow(beta1, double(t)), c2 = 1 - std::pow(beta2, double(t));
  // Both forms are p -= rate * m / (sqrt(v) * root + eps).
  const T root = T(eps_before_correction ? 1 : 1 / std::sqrt(c2));
  const T rate = T(eps_before_correction ? lr * std::sqrt(c2) / c1 : lr / c1);
  // 1 - beta is rounded once, as in PyTorch: 1 - float(0.999) is 13 ppm off.
  const T b1 = T(beta1), b2 = T(beta2), a1 = T(1 - beta1), a2 = T(1 - beta2), e = T(eps);
  for (int k = 0; k < count; ++k) {
    const AdamTensor<T> a = tensors[k];
#pragma omp parallel for simd if (a.n > 65536)
    for (int64_t i = 0; i < a.n; ++i) {
      const T g = a.g[i];
      const T m = b1 * a.m[i] + a1 * g;
      const T v = b2 * a.v[i] + a2 * g * g;
      a.m[i] = m;
      a.v[i] = v;
      a.p[i] -= rate * m / (std::sqrt(v) * root + e);
    }
  }
}

template void adam(Cpu, const AdamTensor<float>*, int, double, double, double, double, int64_t, bool);
template void adam(Cpu, const AdamTensor<double>*, int, double, double, double, double, int64_t, bool);

}  // namespace sga::kernels
