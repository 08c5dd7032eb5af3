// Sums of several arrays each, over many tensors at once: gradients that reach a parameter on several ways.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

constexpr int kMostParts = 4;

template <class T>
struct PartsOf {
  T* y;  ///< may be one of the parts
  const T* part[kMostParts];
  int count;  ///< 1 .. kMostParts
  int64_t n;
};

/// y[i] = ((part[0][i] + part[1][i]) + part[2][i]) + part[3][i] for every tensor.
/// Bytes: sizeof(T) * n * (count + 1) a tensor.
template <class T>
void sum_parts(Cpu, const PartsOf<T>* tensors, int count);
/// In one launch for every 256 tensors. The table lies on the host.
void sum_parts(Cuda, const PartsOf<float>* tensors, int count);

}  // namespace sga::kernels
