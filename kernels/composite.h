// GANimation's output: the photograph where attention is 1, the painted colour where it is 0.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

/// y[p,k] = a[p] * x[p,k] + (1 - a[p]) * c[p,k]. a (pixels), x, c, y (pixels, channels).
/// Bytes: sizeof(T) * pixels * (3 channels + 1).
template <class T>
void attention_composite(Cpu, int64_t pixels, int64_t channels, const T* a, const T* x, const T* c, T* y);
void attention_composite(Cuda, int64_t pixels, int64_t channels, const float* a, const float* x,
                         const float* c, float* y);

/// ga[p] = sum_k (x - c) gy,   gx = a gy,   gc = (1 - a) gy. Any of ga, gx, gc may be null.
template <class T>
void attention_composite_grad(Cpu, int64_t pixels, int64_t channels, const T* a, const T* x, const T* c,
                              const T* gy, T* ga, T* gx, T* gc);
void attention_composite_grad(Cuda, int64_t pixels, int64_t channels, const float* a, const float* x,
                              const float* c, const float* gy, float* ga, float* gx, float* gc);

}  // namespace sga::kernels
