// Direct convolution: the definition of conv.h with one thread an output, in the order of memory.
//
//   conv      thread (n,p,q,k): the window of its pixel times filter k, channels innermost
//   conv_dx   thread (n,h,w,c): the outputs that read its pixel, times their taps of channel c
//   conv_dw   thread (k,r,s,c): all pixels of gy times the pixel of x under the tap
//   grid      outputs / 256, block 256, no shared memory, no scratch
//   bytes     x, w and y once in theory; here every thread reads its whole window, and the caches are what
//   makes it bearable
//
// Threads of a warp have neighbouring k (or c): they read the same pixel of x, which is one broadcast, and
// filters that lie R*S*C numbers apart, which is a cache line each. Turning that around is where tuning
// starts (conv_mma.cu): let a block compute a tile of pixels times filters, keep both operands in shared
// memory, and let the tensor cores multiply.
#include "kernels/conv_direct.h"
#include "kernels/launch.h"

namespace sga::kernels {
namespace {

constexpr int kBlock = 256;

__global__ void __launch_bounds__(kBlock)
    conv_kernel(ConvShape g, const float* x, const float* w, const float* b, float slope, float* y) {
  const int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= g.n * g.p * g.q * g.k) return;
  const int64_t k = i % g.k, q = i / g.k % g.q, p = i / g.k / g.q % g.p, n = i / g.k / g.q / g.p;
  float sum = b ? b[k] : 0.0f;
  for (int64_t r = 0; r < g.r; ++r)
    for (int64_t s = 0; s < g.s; ++s) {
      const int64_t h = p * g.stride + r - g.pad, v = q * g.stride + s - g.pad;
      if (h < 0 || h >= g.h || v < 0 || v >= g.w) continue;
      const float* pixel = x + ((n * g.h + h) * g.w + v) * g.c;
      const float* tap = w + ((k * g.r + r) * g.s + s) * g.c;
      for (int64_t c = 0; c < g.c; ++c) sum += pixel[c] * tap[c];
    }
  y[i] = sum > 0 ? sum : slope * sum;
}

__global__ void __launch_bounds__(kBlock)
    conv_dx_kernel(ConvShape g, const float* gy, const float* w, float* gx) {
  const int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= g.n * g.h * g.w * g.c) return;
  const int64_t c = i % g.c, v = i / g.c % g.w, h = i / g.c / g.w % g.h, n = i / g.c / g.w / g.h;
  float sum = 0;
  for (int64_t r = 0; r < g.r; ++r)
    for (int64_t s = 0; s < g.s; ++s) {
      // p * stride + r - pad = h
      const int64_t row = h + g.pad - r, column = v + g.pad - s;
      if (row < 0 || row % g.stride || column < 0 || column % g.stride) continue;
      const int64_t p = row / g.stride, q = column / g.stride;
      if (p >= g.p || q >= g.q) continue;
      const float* out = gy + ((n * g.p + p) * g.q + q) * g.k;
      const float* tap = w + (r * g.s + s) * g.c + c;
      for (int64_t k = 0; k < g.k; ++k) sum += out[k] * tap[k * g.r * g.s * g.c];
    }
  gx[i] = sum;
}

__global__ void __launch_bounds__(kBlock)
    conv_dw_kernel(ConvShape g, const float* x, const float* gy, float* gw) {
  const int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= g.k * g.r * g.s * g.c) return;
  const int64_t c = i % g.c, s = i / g.c % g.s, r = i / g.c / g.s % g.r, k = i / g.c / g.s / g.r;
  float sum = 0;
  for (int64_t n = 0; n < g.n; ++n)
    for (int64_t p = 0; p < g.p; ++p) {
      const int64_t h = p * g.stride + r - g.pad;
      if (h < 0 || h >= g.h) continue;
      float row = 0;  // a row at a time: thousands of pixels in one sum would lose digits
      for (int64_t q = 0; q < g.q; ++q) {
        const int64_t v = q * g.stride + s - g.pad;
        if (v < 0 || v >= g.w) continue;
        row += x[((n * g.h + h) * g.w + v) * g.c + c] * gy[((n * g.p + p) * g.q + q) * g.k + k];
      }
      sum += row;
    }
  gw[i] = sum;
}

dim3 blocks(int64_t outputs) { return dim3(unsigned(div_up(outputs, kBlock))); }

}  // namespace

void conv_direct(Cuda where, const ConvShape& g, const float* x, const float* w, const float* b, float slope,
                 float* y) {
  const int64_t outputs = g.n * g.p * g.q * g.k;
  if (outputs) launch(where, {"conv_direct", blocks(outputs), kBlock}, conv_kernel, g, x, w, b, slope, y);
}
void conv_dx_direct(Cuda where, const ConvShape& g, const float* gy, const float* w, float* gx) {
  const int64_t outputs = g.n * g.h * g.w * g.c;
  if (outputs) launch(where, {"conv_dx_direct", blocks(outputs), kBlock}, conv_dx_kernel, g, gy, w, gx);
}
void conv_dw_direct(Cuda where, const ConvShape& g, const float* x, const float* gy, float* gw) {
  const int64_t outputs = g.k * g.r * g.s * g.c;
  if (outputs) launch(where, {"conv_dw_direct", blocks(outputs), kBlock}, conv_dw_kernel, g, x, gy, gw);
}

}  // namespace sga::kernels
