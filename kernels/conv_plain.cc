// Float convolution and matrix product of a build without oneDNN: loops over threads and neighbouring
// channels. The GPU does the work there; this is what its results are compared with, and what --device cpu
// falls back to.
#include <omp.h>

#include <algorithm>

#include "kernels/conv.h"
#include "kernels/gemm.h"

namespace sga::kernels {
namespace {

float dot(const float* a, const float* b, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(float scale, const float* x, float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

}  // namespace

void conv(Cpu, const ConvShape& g, const float* x, const float* w, const float* b, float slope, float* y) {
#pragma omp parallel for collapse(2)
  for (int64_t n = 0; n < g.n; ++n)
    for (int64_t p = 0; p < g.p; ++p)
      for (int64_t q = 0; q < g.q; ++q) {
        float* out = y + ((n * g.p + p) * g.q + q) * g.k;
        for (int64_t k = 0; k < g.k; ++k) out[k] = b ? b[k] : 0;
        for (int64_t tap = 0; tap < g.r * g.s; ++tap) {
          const int64_t i = p * g.stride + tap / g.s - g.pad, j = q * g.stride + tap % g.s - g.pad;
          if (i < 0 || i >= g.h || j < 0 || j >= g.w) continue;
          const float* in = x + ((n * g.h + i) * g.w + j) * g.c;
          for (int64_t k = 0; k < g.k; ++k) out[k] += dot(in, w + (k * g.r * g.s + tap) * g.c, g.c);
        }
        for (int64_t k = 0; k < g.k; ++k) out[k] = out[k] > 0 ? out[k] : slope * out[k];
      }
}

void conv_dx(Cpu, const ConvShape& g, const float* gy, const float* w, float* gx) {
#pragma omp parallel for collapse(2)
  for (int64_t n = 0; n < g.n; ++n)
    for (int64_t h = 0; h < g.h; ++h)
      for (int64_t j = 0; j < g.w; ++j) {
        float* out = gx + ((n * g.h + h) * g.w + j) * g.c;
        std::fill_n(out, g.c, 0.0f);
        for (int64_t tap = 0; tap < g.r * g.s; ++tap) {  // the outputs that read this pixel through this tap
          const int64_t top = h + g.pad - tap / g.s, left = j + g.pad - tap % g.s;
          if (top < 0 || left < 0 || top % g.stride || left % g.stride) continue;
          const int64_t p = top / g.stride, q = left / g.stride;
          if (p >= g.p || q >= g.q) continue;
          const float* in = gy + ((n * g.p + p) * g.q + q) * g.k;
          for (int64_t k = 0; k < g.k; ++k) add_scaled(in[k], w + (k * g.r * g.s + tap) * g.c, out, g.c);
        }
      }
}

void conv_dw(Cpu, const ConvShape& g, const float* x, const float* gy, float* gw) {
  const int64_t taps = g.r * g.s;
#pragma omp parallel for collapse(2)
  for (int64_t k = 0; k < g.k; ++k)
    for (int64_t tap = 0; tap < taps; ++tap) {
      float* out = gw + (k * taps + tap) * g.c;
      std::fill_n(out, g.c, 0.0f);
      for (int64_t row = 0; row < g.n * g.p; ++row) {
        const int64_t n = row / g.p, i = row % g.p * g.stride + tap / g.s - g.pad;
        if (i < 0 || i >= g.h) continue;
        for (int64_t q = 0; q < g.q; ++q) {
          const int64_t j = q * g.stride + tap % g.s - g.pad;
          if (j < 0 || j >= g.w) continue;
          add_scaled(gy[(row * g.q + q) * g.k + k], x + ((n * g.h + i) * g.w + j) * g.c, out, g.c);
        }
      }
    }
}

void gemm(Cpu, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c) {
  const int64_t a_row = ta ? 1 : k, a_column = ta ? m : 1;
#pragma omp parallel for
  for (int64_t i = 0; i < m; ++i) {
    float* out = c + i * n;
    std::fill_n(out, n, 0.0f);
    if (!tb)
      for (int64_t l = 0; l < k; ++l) add_scaled(a[i * a_row + l * a_column], b + l * n, out, n);
    else if (!ta)
      for (int64_t j = 0; j < n; ++j) out[j] = dot(a + i * k, b + j * k, k);
    else
      for (int64_t j = 0; j < n; ++j)
        for (int64_t l = 0; l < k; ++l) out[j] += a[l * m + i] * b[j * k + l];
  }
}
void gemm(Cpu, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const double* a, const double* b,
          double* c) {
  gemm_reference(ta, tb, m, n, k, a, b, c);
}

bool cpu_has_bf16() { return false; }
int cpu_threads() { return omp_get_max_threads(); }

}  // namespace sga::kernels
