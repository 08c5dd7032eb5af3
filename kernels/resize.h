// A linear map along one axis, given by its rows: resampling, mirroring, and the transposes of both.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

/// y[i,o,j] = sum_{k = first[o]}^{first[o+1]-1} weight[k] * x[i, index[k], j]
/// x (outer, n_in, inner), y (outer, n_out, inner). first, index and weight lie where the kernel runs.
template <class T>
void map_axis(Cpu, int64_t outer, int64_t n_in, int64_t n_out, int64_t inner, const int32_t* first,
              const int32_t* index, const T* weight, const T* x, T* y);
void map_axis(Cuda, int64_t outer, int64_t n_in, int64_t n_out, int64_t inner, const int32_t* first,
              const int32_t* index, const float* weight, const float* x, float* y);

}  // namespace sga::kernels
