// Convolution on a GPU as a student would write it: one thread an output. The measure of the fast ones, and
// what the emulator runs.
#pragma once
#include "kernels/conv.h"

namespace sga::kernels {

/// The three maps of conv.h, in float32 whatever the precision. Any shape.
void conv_direct(Cuda, const ConvShape&, const float* x, const float* w, const float* b, float slope,
                 float* y);
void conv_dx_direct(Cuda, const ConvShape&, const float* gy, const float* w, float* gx);
void conv_dw_direct(Cuda, const ConvShape&, const float* x, const float* gy, float* gw);

/// c = op(a) op(b) as in gemm.h, by 16x16 tiles in shared memory.
void gemm_tiled(Cuda, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b,
                float* c);

}  // namespace sga::kernels
