// Convolution as three bilinear maps, each the derivative of the others.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

/// Extents of one convolution. x (n,h,w,c), filters (k,r,s,c), y (n,p,q,k), all contiguous.
///   p = (h + 2*pad - r)/stride + 1,  q = (w + 2*pad - s)/stride + 1
struct ConvShape {
  int64_t n, h, w, c, k, r, s, p, q, stride, pad;
  bool operator==(const ConvShape&) const = default;
  double flops() const { return 2.0 * double(n * p * q * k) * double(r * s * c); }
};

/// With the extents of y that follow from the others.
inline ConvShape conv_shape(int64_t n, int64_t h, int64_t w, int64_t c, int64_t k, int64_t r, int64_t s,
                            int64_t stride, int64_t pad) {
  return {n, h, w, c, k, r, s, (h + 2 * pad - r) / stride + 1, (w + 2 * pad - s) / stride + 1, stride, pad};
}

/// y[n,p,q,k] = act( sum_{r,s,c} x[n, p*stride+r-pad, q*stride+s-pad, c] w[k,r,s,c] + b[k] )
/// act(u) = u > 0 ? u : slope*u. b may be null; slope 1 means no activation.
void conv(Cpu, const ConvShape&, const float* x, const float* w, const float* b, float slope, float* y);
void conv(Cpu, const ConvShape&, const double* x, const double* w, const double* b, double slope, double* y);
void conv(Cuda, const ConvShape&, const float* x, const float* w, const float* b, float slope, float* y);

/// gx[n,h,w,c] = sum over the (p,q,r,s) that read it, and k, of gy[n,p,q,k] w[k,r,s,c]
void conv_dx(Cpu, const ConvShape&, const float* gy, const float* w, float* gx);
void conv_dx(Cpu, const ConvShape&, const double* gy, const double* w, double* gx);
void conv_dx(Cuda, const ConvShape&, const float* gy, const float* w, float* gx);

/// gw[k,r,s,c] = sum_{n,p,q} x[n, p*stride+r-pad, q*stride+s-pad, c] gy[n,p,q,k]
void conv_dw(Cpu, const ConvShape&, const float* x, const float* gy, float* gw);
void conv_dw(Cpu, const ConvShape&, const double* x, const double* gy, double* gw);
void conv_dw(Cuda, const ConvShape&, const float* x, const float* gy, float* gw);

/// The plain loops, for reading and as the measure of the fast ones (T = float or double).
template <class T>
void conv_reference(const ConvShape&, const T* x, const T* w, const T* b, T slope, T* y);
template <class T>
void conv_dx_reference(const ConvShape&, const T* gy, const T* w, T* gx);
template <class T>
void conv_dw_reference(const ConvShape&, const T* x, const T* gy, T* gw);

/// True if the processor multiplies bfloat16 (AVX512-BF16 or AMX).
bool cpu_has_bf16();
/// Threads the kernels use.
int cpu_threads();

}  // namespace sga::kernels
