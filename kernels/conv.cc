// The definition of convolution as loops, and the double-precision kernels, which are these loops.
#include "kernels/conv.h"

#include <algorithm>

namespace sga::kernels {
namespace {

// Calls f(pixel of x, filter tap, pixel of y) for every pair that meets, as offsets in pixels and taps.
template <class F>
void for_each_tap(const ConvShape& g, int64_t n, int64_t p, int64_t q, F f) {
  for (int64_t r = 0; r < g.r; ++r)
    for (int64_t s = 0; s < g.s; ++s) {
      const int64_t h = p * g.stride + r - g.pad, w = q * g.stride + s - g.pad;
      if (h >= 0 && h < g.h && w >= 0 && w < g.w) f((n * g.h + h) * g.w + w, r * g.s + s);
    }
}

}  // namespace

template <class T>
void conv_reference(const ConvShape& g, const T* x, const T* w, const T* b, T slope, T* y) {
  for (int64_t n = 0; n < g.n; ++n)
    for (int64_t p = 0; p < g.p; ++p)
      for (int64_t q = 0; q < g.q; ++q)
        for (int64_t k = 0; k < g.k; ++k) {
          T sum = b ? b[k] : T(0);
          for_each_tap(g, n, p, q, [&](int64_t pixel, int64_t tap) {
            for (int64_t c = 0; c < g.c; ++c) sum += x[pixel * g.c + c] * w[(k * g.r * g.s + tap) * g.c + c];
          });
          y[((n * g.p + p) * g.q + q) * g.k + k] = sum > 0 ? sum : slope * sum;
        }
}

template <class T>
void conv_dx_reference(const ConvShape& g, const T* gy, const T* w, T* gx) {
  std::fill_n(gx, g.n * g.h * g.w * g.c, T(0));
  for (int64_t n = 0; n < g.n; ++n)
    for (int64_t p = 0; p < g.p; ++p)
      for (int64_t q = 0; q < g.q; ++q)
        for (int64_t k = 0; k < g.k; ++k) {
          const T v = gy[((n * g.p + p) * g.q + q) * g.k + k];
          for_each_tap(g, n, p, q, [&](int64_t pixel, int64_t tap) {
            for (int64_t c = 0; c < g.c; ++c) gx[pixel * g.c + c] += v * w[(k * g.r * g.s + tap) * g.c + c];
          });
        }
}

template <class T>
void conv_dw_reference(const ConvShape& g, const T* x, const T* gy, T* gw) {
  std::fill_n(gw, g.k * g.r * g.s * g.c, T(0));
  for (int64_t n = 0; n < g.n; ++n)
    for (int64_t p = 0; p < g.p; ++p)
      for (int64_t q = 0; q < g.q; ++q)
        for (int64_t k = 0; k < g.k; ++k) {
          const T v = gy[((n * g.p + p) * g.q + q) * g.k + k];
          for_each_tap(g, n, p, q, [&](int64_t pixel, int64_t tap) {
            for (int64_t c = 0; c < g.c; ++c) gw[(k * g.r * g.s + tap) * g.c + c] += v * x[pixel * g.c + c];
          });
        }
}

template void conv_reference(const ConvShape&, const float*, const float*, const float*, float, float*);
template void conv_reference(const ConvShape&, const double*, const double*, const double*, double, double*);
template void conv_dx_reference(const ConvShape&, const float*, const float*, float*);
template void conv_dx_reference(const ConvShape&, const double*, const double*, double*);
template void conv_dw_reference(const ConvShape&, const float*, const float*, float*);
template void conv_dw_reference(const ConvShape&, const double*, const double*, double*);

void conv(Cpu, const ConvShape& g, const double* x, const double* w, const double* b, double slope,
          double* y) {
  conv_reference(g, x, w, b, slope, y);
}
void conv_dx(Cpu, const ConvShape& g, const double* gy, const double* w, double* gx) {
  conv_dx_reference(g, gy, w, gx);
}
void conv_dw(Cpu, const ConvShape& g, const double* x, const double* gy, double* gw) {
  conv_dw_reference(g, x, gy, gw);
}

}  // namespace sga::kernels
