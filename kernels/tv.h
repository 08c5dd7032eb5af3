// Total variation: how much neighbouring pixels differ.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

/// *y = sum over images, pixels and channels of f(x[down] - x) + f(x[right] - x), f = |.| or (.)^2.
/// x (n,h,w,c). Source: anisotropic total variation.
template <class T>
void total_variation(Cpu, int64_t n, int64_t h, int64_t w, int64_t c, bool squared, const T* x, T* y);
void total_variation(Cuda, int64_t n, int64_t h, int64_t w, int64_t c, bool squared, const float* x,
                     float* y);

/// gx = *seed * d(*y)/dx, with sign(0) = 0 for |.|
template <class T>
void total_variation_grad(Cpu, int64_t n, int64_t h, int64_t w, int64_t c, bool squared, const T* x,
                          const T* seed, T* gx);
void total_variation_grad(Cuda, int64_t n, int64_t h, int64_t w, int64_t c, bool squared, const float* x,
                          const float* seed, float* gx);

}  // namespace sga::kernels
