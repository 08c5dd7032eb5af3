// What cuDNN and cuBLAS do on a GPU, by our own kernels.
#include "kernels/conv_cuda.h"
#include "kernels/conv_direct.h"
#include "kernels/gemm.h"

namespace sga::kernels {

void conv_library(Cuda where, const ConvShape& g, const float* x, const float* w, const float* b, float slope,
                  float* y) {
  conv_direct(where, g, x, w, b, slope, y);
}
void conv_dx_library(Cuda where, const ConvShape& g, const float* gy, const float* w, float* gx) {
  conv_dx_direct(where, g, gy, w, gx);
}
void conv_dw_library(Cuda where, const ConvShape& g, const float* x, const float* gy, float* gw) {
  conv_dw_direct(where, g, x, gy, gw);
}
std::string describe_plan(ConvKind, const ConvShape&, Precision, bool, float, const std::string&) {
  return "emulated: the direct kernel";
}
void gemm(Cuda where, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b,
          float* c) {
  gemm_tiled(where, ta, tb, m, n, k, a, b, c);
}

}  // namespace sga::kernels
