// Convolution on a GPU: which code computes it, and the pieces it is put together from. conv.h has the
// definition, conv_direct.h the kernels to read.
#pragma once
#include <string>

#include "kernels/conv.h"

namespace sga::kernels {

enum class ConvKind { forward, by_data, by_weights };

/// Who computes a convolution. conv(Cuda) of conv.h uses `best`; the others are for benches and tests.
enum class ConvEngine {
  best,     ///< mma where prefer_own() says so, else library; direct for arrays off 16-byte addresses
  library,  ///< cuDNN, which under bf16 rounds the result too; in the emulated flavour as direct
  mma,      ///< our kernels on tensor cores; Error where mma_supports() says no
  direct,   ///< the plain kernels of conv_direct.h
};

/// The three maps of conv.h by a chosen engine.
void conv_with(ConvEngine, Cuda, const ConvShape&, const float* x, const float* w, const float* b,
               float slope, float* y);
void conv_dx_with(ConvEngine, Cuda, const ConvShape&, const float* gy, const float* w, float* gx);
void conv_dw_with(ConvEngine, Cuda, const ConvShape&, const float* x, const float* gy, float* gw);

/// True where our tensor core kernel is faster than cuDNN's best: nowhere until a race on a GPU is won
/// (bench/gpu_conv_bench).
bool prefer_own(ConvKind, const ConvShape&, Precision);

/// Filters of 3x3, stride 1, c and k multiples of 32, tf32 or bf16, 16-byte aligned arrays, below 2^31
/// numbers.
bool mma_supports(ConvKind, const ConvShape&, Precision);
/// Whether variant 1..kMmaVariants divides the filters of this shape; 0, which chooses one, always.
bool mma_takes(ConvKind, const ConvShape&, int variant);
/// conv_mma.cu. `variant`: 0 chooses the tile by the extents, 1..kMmaVariants[kind] are the tiles of its
/// table.
inline constexpr int kMmaVariants[3] = {5, 5, 3};
void conv_mma(Cuda, const ConvShape&, const float* x, const float* w, const float* b, float slope, float* y,
              int variant = 0);
void conv_dx_mma(Cuda, const ConvShape&, const float* gy, const float* w, float* gx, int variant = 0);
void conv_dw_mma(Cuda, const ConvShape&, const float* x, const float* gy, float* gw, int variant = 0);

/// conv_cudnn.cc, or kernels/emu/libraries.cc.
void conv_library(Cuda, const ConvShape&, const float* x, const float* w, const float* b, float slope,
                  float* y);
void conv_dx_library(Cuda, const ConvShape&, const float* gy, const float* w, float* gx);
void conv_dw_library(Cuda, const ConvShape&, const float* x, const float* gy, float* gw);

/// What cuDNN would run, in one line: "engine 67, float, workspace 0 bytes". `device`: properties of
/// a GPU as cuDNN writes them (JSON), for plans on a machine without one; "" is the GPU here.
std::string describe_plan(ConvKind, const ConvShape&, Precision, bool bias, float slope,
                          const std::string& device);

/// y[i,k] = act( y[i,k] + b[k] ), i < pixels; b may be null. For libraries that cannot do it on the way out.
void bias_act(Cuda, int64_t pixels, int64_t k, const float* b, float slope, float* y);
/// The same of bfloat16 numbers.
void widen_bias_act(Cuda, int64_t pixels, int64_t k, const void* half, const float* b, float slope, float* y);
/// Two arrays rounded to bfloat16 in one launch. Outputs are 16-byte aligned.
void round_to_bf16(Cuda, const float* a, int64_t na, void* a_out, const float* b, int64_t nb, void* b_out);

}  // namespace sga::kernels
