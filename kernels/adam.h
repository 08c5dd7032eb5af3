// Adam over many tensors at once.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

template <class T>
struct AdamTensor {
  T* p;        ///< parameters, updated
  const T* g;  ///< gradient of the loss by p
  T* m;        ///< first moment, updated
  T* v;        ///< second moment, updated
  int64_t n;
};

/// For step t (1-based), with m' = beta1 m + (1-beta1) g and v' = beta2 v + (1-beta2) g^2:
///   p -= lr / (1-beta1^t) * m' / (sqrt(v' / (1-beta2^t)) + eps)               eps_before_correction = false
///   p -= lr sqrt(1-beta2^t) / (1-beta1^t) * m' / (sqrt(v') + eps)             eps_before_correction = true
/// Bytes: 28 an element in float (read p g m v, write p m v).
template <class T>
void adam(Cpu, const AdamTensor<T>* tensors, int count, double lr, double beta1, double beta2, double eps,
          int64_t t, bool eps_before_correction);

/// The same in one launch for every 256 tensors. The table lies on the host; lr and the count of finished steps
/// lie on the device: t = *steps + 1, and *steps becomes t, so a captured step can be replayed.
void adam(Cuda, const AdamTensor<float>* tensors, int count, const float* lr, double beta1, double beta2,
          double eps, uint64_t* steps, bool eps_before_correction);

}  // namespace sga::kernels
