// The WGAN-GP term on an input gradient: how far the norm of each group of numbers is from 1.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

/// g is (groups, size): one group a pixel (size = channels) for SinGAN, one a sample (size = H*W*C) for
/// GANimation.
///   norm[i] = sqrt(sum_j g[i,j]^2 + eps),   *y = mean_i (norm[i] - 1)^2
template <class T>
void gradient_penalty(Cpu, int64_t groups, int64_t size, const T* g, T eps, T* norm, T* y);
void gradient_penalty(Cuda, int64_t groups, int64_t size, const float* g, float eps, float* norm, float* y);

/// gg[i,j] = *seed * 2/groups * (norm[i] - 1) / norm[i] * g[i,j]; zero where the norm is 0.
template <class T>
void gradient_penalty_grad(Cpu, int64_t groups, int64_t size, const T* g, const T* norm, const T* seed,
                           T* gg);
void gradient_penalty_grad(Cuda, int64_t groups, int64_t size, const float* g, const float* norm,
                           const float* seed, float* gg);

}  // namespace sga::kernels
