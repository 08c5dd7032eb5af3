// Running statistics of batch normalisation.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

/// What a network remembers of its norms, image after image (i < n):
///   running_mean += momentum * (mean[i] - running_mean)
///   running_var  += momentum * (pixels/(pixels-1) * (1/rstd[i]^2 - eps) - running_var)
/// mean, rstd (n,c) as instance_norm leaves them; running_mean, running_var (c), updated in place.
template <class T>
void track_statistics(Cpu, int64_t n, int64_t c, int64_t pixels, const T* mean, const T* rstd, T eps,
                      T momentum, T* running_mean, T* running_var);
void track_statistics(Cuda, int64_t n, int64_t c, int64_t pixels, const float* mean, const float* rstd,
                      float eps, float momentum, float* running_mean, float* running_var);

}  // namespace sga::kernels
