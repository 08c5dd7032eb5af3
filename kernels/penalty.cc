#include "kernels/penalty.h"

#include <cmath>
#include <vector>

#include "kernels/reduce.h"

namespace sga::kernels {

template <class T>
void gradient_penalty(Cpu where, int64_t groups, int64_t size, const T* g, T eps, T* norm, T* y) {
  std::vector<T> ones(static_cast<size_t>(groups), T(1));
#pragma omp parallel for if (groups * size > (1 << 14))
  for (int64_t i = 0; i < groups; ++i) {
    T lane[8] = {};  // fixed lanes keep the order of additions and let the compiler vectorise
    int64_t j = 0;
    for (; j + 8 <= size; j += 8)
      for (int64_t l = 0; l < 8; ++l) lane[l] += g[i * size + j + l] * g[i * size + j + l];
    for (; j < size; ++j) lane[0] += g[i * size + j] * g[i * size + j];
    T sum = 0;
    for (T v : lane) sum += v;
    norm[i] = std::sqrt(sum + eps);
  }
  mean_squared_difference(where, norm, ones.data(), groups, y);
}

template <class T>
void gradient_penalty_grad(Cpu, int64_t groups, int64_t size, const T* g, const T* norm, const T* seed,
                           T* gg) {
#pragma omp parallel for if (groups * size > (1 << 14))
  for (int64_t i = 0; i < groups; ++i) {
    const T factor = norm[i] == 0 ? T(0) : *seed * T(2) / T(groups) * (norm[i] - 1) / norm[i];
    for (int64_t j = i * size; j < (i + 1) * size; ++j) gg[j] = factor * g[j];
  }
}

#define INSTANTIATE(T)                                                        \
  template void gradient_penalty(Cpu, int64_t, int64_t, const T*, T, T*, T*); \
  template void gradient_penalty_grad(Cpu, int64_t, int64_t, const T*, const T*, const T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace sga::kernels
