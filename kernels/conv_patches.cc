#include "kernels/conv_patches.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/gemm.h"

namespace sga::kernels {
namespace {

/// Kept between calls, one for every thread that computes.
float* patch_matrix(const ConvShape& g) {
  thread_local std::vector<float> block;
  const size_t size = size_t(g.n * g.p * g.q * g.r * g.s * g.c);
  if (block.size() < size) block.resize(size);
  return block.data();
}

/// Calls f(output pixel, filter position, pixel read or -1 outside the image) for the outputs of image n.
template <class F>
void each_read(const ConvShape& g, int64_t n, F f) {
  for (int64_t p = 0; p < g.p; ++p)
    for (int64_t q = 0; q < g.q; ++q)
      for (int64_t r = 0; r < g.r; ++r)
        for (int64_t s = 0; s < g.s; ++s) {
          const int64_t y = p * g.stride + r - g.pad, x = q * g.stride + s - g.pad;
          const bool inside = y >= 0 && y < g.h && x >= 0 && x < g.w;
          f((n * g.p + p) * g.q + q, r * g.s + s, inside ? (n * g.h + y) * g.w + x : -1);
        }
}

void gather(const ConvShape& g, const float* x, float* patches) {
#pragma omp parallel for
  for (int64_t n = 0; n < g.n; ++n)
    each_read(g, n, [&](int64_t output, int64_t tap, int64_t pixel) {
      float* to = patches + (output * g.r * g.s + tap) * g.c;
      if (pixel >= 0)
        std::memcpy(to, x + pixel * g.c, size_t(g.c) * sizeof(float));
      else
        std::fill_n(to, g.c, 0.f);
    });
}

void scatter(const ConvShape& g, const float* patches, float* gx) {
#pragma omp parallel for
  for (int64_t n = 0; n < g.n; ++n) {
    std::fill_n(gx + n * g.h * g.w * g.c, g.h * g.w * g.c, 0.f);
    each_read(g, n, [&](int64_t output, int64_t tap, int64_t pixel) {
      if (pixel < 0) return;
      const float* from = patches + (output * g.r * g.s + tap) * g.c;
      float* to = gx + pixel * g.c;
#pragma omp simd
      for (int64_t c = 0; c < g.c; ++c) to[c] += from[c];
    });
  }
}

}  // namespace

bool patches_are_faster(Cpu where, const ConvShape& g) {
  return where.precision == Precision::bf16 && g.q <= 8 && g.c >= 16 && g.k >= 16 && g.n * g.p * g.q >= 16;
}

void conv_by_patches(Cpu where, const ConvShape& g, const float* x, const float* w, const float* b,
                     float slope, float* y) {
  float* patches = patch_matrix(g);
  gather(g, x, patches);
  const int64_t rows = g.n * g.p * g.q;
  gemm(where, false, true, rows, g.k, g.r * g.s * g.c, patches, w, y);
  if (!b && slope == 1) return;
#pragma omp parallel for
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t k = 0; k < g.k; ++k) {
      const float u = y[i * g.k + k] + (b ? b[k] : 0);
      y[i * g.k + k] = u > 0 ? u : slope * u;
    }
}

void conv_dx_by_patches(Cpu where, const ConvShape& g, const float* gy, const float* w, float* gx) {
  float* patches = patch_matrix(g);
  gemm(where, false, false, g.n * g.p * g.q, g.r * g.s * g.c, g.k, gy, w, patches);
  scatter(g, patches, gx);
}

void conv_dw_by_patches(Cpu where, const ConvShape& g, const float* x, const float* gy, float* gw) {
  float* patches = patch_matrix(g);
  gather(g, x, patches);
  gemm(where, true, false, g.k, g.r * g.s * g.c, g.n * g.p * g.q, gy, patches, gw);
}

}  // namespace sga::kernels
