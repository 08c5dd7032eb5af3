// Matrix product.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

/// c (m,n) = op(a) op(b), row-major; a is (m,k), or (k,m) if ta; b is (k,n), or (n,k) if tb.
void gemm(Cpu, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c);
void gemm(Cpu, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const double* a, const double* b,
          double* c);
void gemm(Cuda, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c);

/// The plain loop.
template <class T>
void gemm_reference(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const T* a, const T* b, T* c) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      T sum = 0;
      for (int64_t l = 0; l < k; ++l)
        sum += (ta ? a[l * m + i] : a[i * k + l]) * (tb ? b[j * k + l] : b[l * n + j]);
      c[i * n + j] = sum;
    }
}

}  // namespace sga::kernels
