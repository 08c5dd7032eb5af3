// Convolution as one matrix product over patches, for maps of few pixels and many channels.
#pragma once
#include "kernels/conv.h"

namespace sga::kernels {

/// True where the patches beat the direct kernels: bf16 tile rows run along one output row, so with fewer
/// columns than a tile has rows (16) most of each tile is idle. Measured with oneDNN 2.6.3 on one AMX core,
/// filters (768,4,4,384), stride 2, 32 images, 2x2 outputs: direct 39, 49 and 97 ms (forward, by data, by
/// weights), patches 5, 5 and 4 ms.
bool patches_are_faster(Cpu where, const ConvShape& g);

/// The three maps of conv.h by way of a matrix (n*p*q, r*s*c) whose rows are the pixels each output reads:
///   y = patches w^T,   gx = scatter(gy w),   gw = gy^T patches
void conv_by_patches(Cpu, const ConvShape&, const float* x, const float* w, const float* b, float slope,
                     float* y);
void conv_dx_by_patches(Cpu, const ConvShape&, const float* gy, const float* w, float* gx);
void conv_dw_by_patches(Cpu, const ConvShape&, const float* x, const float* gy, float* gw);

}  // namespace sga::kernels
