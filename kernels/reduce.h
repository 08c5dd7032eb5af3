// Sums, and their transpose, repetition. The order of additions depends on the extents alone, never on
// threads.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

/// *y = sum of x[0..n). Two stages: chunks of 4096, on a GPU longer ones beyond 4 million, then their sums. Bytes:
/// sizeof(T) * n.
template <class T>
void sum(Cpu, const T* x, int64_t n, T* y);
void sum(Cuda, const float* x, int64_t n, float* y);
/// *y = mean (a-b)^2, or mean |a-b|
template <class T>
void mean_squared_difference(Cpu, const T* a, const T* b, int64_t n, T* y);
void mean_squared_difference(Cuda, const float* a, const float* b, int64_t n, float* y);
template <class T>
void mean_absolute_difference(Cpu, const T* a, const T* b, int64_t n, T* y);
void mean_absolute_difference(Cuda, const float* a, const float* b, int64_t n, float* y);

/// Four extents with repetition: an axis i with from[i] = 1 is repeated to[i] times; otherwise from[i] ==
/// to[i].
struct Broadcast {
  int64_t from[4];
  int64_t to[4];
};
/// y[i] = x[i with the repeated axes set to 0]
template <class T>
void expand(Cpu, const Broadcast&, const T* x, T* y);
void expand(Cuda, const Broadcast&, const float* x, float* y);
/// y[j] = sum of x over the repeated axes; x has extents `to`, y extents `from`
template <class T>
void sum_to(Cpu, const Broadcast&, const T* x, T* y);
void sum_to(Cuda, const Broadcast&, const float* x, float* y);

}  // namespace sga::kernels
