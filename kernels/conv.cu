// Direct convolution: the definition of conv.h with one thread an output, in the order of memory. The loops
// of conv.cc that run over outputs have become threads; those that sum have stayed.
//
//   forward      y[n,p,q,k]  = act( b[k] + sum over r,s,c of x[n,h,v,c] w[k,r,s,c] )
//   by data      gx[n,h,v,c] = sum over r,s,k of gy[n,p,q,k] w[k,r,s,c]
//   by weights   gw[k,r,s,c] = sum over n,p,q of gy[n,p,q,k] x[n,h,v,c]
//   always       h = p * stride + r - pad,   v = q * stride + s - pad;   outside x there are zeros
//
//   x (N,H,W,C)   image n, row h, column v, channel c      w (K,R,S,C)   filter k, tap (r,s), channel c
//   y (N,P,Q,K)   image n, row p, column q, filter k       extents are members of ConvShape g
//
//   grid      outputs / 256, block 256, no shared memory, no scratch; the tuned variant is conv_mma.cu
//   work      2 N P Q K R S C operations for each of the three
//   bytes     x, w and y once in theory, 72 operations a byte for 3x3 filters, 32 of 32 channels. A thread
//             here loads two numbers for two operations, a quarter of an operation a byte; only the caches
//             make that bearable.
//
// How the 32 threads of a warp read. They have neighbouring k forward, neighbouring c otherwise.
//   forward      x: all the same number, one access    w: numbers R*S*C apart, 32 lines of 128 bytes
//   by data      gy: all the same number               w: neighbours, one line
//   by weights   gy: all the same number               x: neighbours, one line
// So the one that looks simplest reads worst; a first exercise is to arrange w as (R,S,C,K) before.
//
// What stays even then: every number is loaded again for every product. Turning this around is where
// tuning starts (conv_mma.cu): a block computes a tile of pixels times filters, keeps both operands in shared
// memory, where each of them serves a whole row or column of the tile, and lets the tensor cores multiply.
#include "kernels/conv_direct.h"
#include "kernels/launch.h"

namespace sga::kernels {
namespace {

constexpr int kBlock = 256;

// The window of a pixel times filter k, channels innermost.
__global__ void __launch_bounds__(kBlock)
    conv_kernel(ConvShape g, const float* x, const float* w, const float* b, float slope, float* y) {
  const int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= g.n * g.p * g.q * g.k) return;
  // i = ((n * P + p) * Q + q) * K + k
  const int64_t k = i % g.k, q = i / g.k % g.q, p = i / g.k / g.q % g.p, n = i / g.k / g.q / g.p;
  float sum = b ? b[k] : 0.0f;
  for (int64_t r = 0; r < g.r; ++r)
    for (int64_t s = 0; s < g.s; ++s) {
      const int64_t h = p * g.stride + r - g.pad, v = q * g.stride + s - g.pad;
      if (h < 0 || h >= g.h || v < 0 || v >= g.w) continue;  // zeros
      const float* pixel = x + ((n * g.h + h) * g.w + v) * g.c;
      const float* tap = w + ((k * g.r + r) * g.s + s) * g.c;
      for (int64_t c = 0; c < g.c; ++c) sum += pixel[c] * tap[c];
    }
  y[i] = sum > 0 ? sum : slope * sum;
}

// The outputs that read a pixel, times the taps by which they read it. Every thread gathers; scattering gy to
// the pixels each output has read would need atomic additions, whose order is not fixed.
__global__ void __launch_bounds__(kBlock)
    conv_dx_kernel(ConvShape g, const float* gy, const float* w, float* gx) {
  const int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= g.n * g.h * g.w * g.c) return;
  const int64_t c = i % g.c, v = i / g.c % g.w, h = i / g.c / g.w % g.h, n = i / g.c / g.w / g.h;
  float sum = 0;
  for (int64_t r = 0; r < g.r; ++r)
    for (int64_t s = 0; s < g.s; ++s) {
      // h = p * stride + r - pad solved for p; with a stride of 2 every other row has none for this tap
      const int64_t p_stride = h + g.pad - r, q_stride = v + g.pad - s;
      if (p_stride < 0 || p_stride % g.stride || q_stride < 0 || q_stride % g.stride) continue;
      const int64_t p = p_stride / g.stride, q = q_stride / g.stride;
      if (p >= g.p || q >= g.q) continue;
      const float* out = gy + ((n * g.p + p) * g.q + q) * g.k;
      const float* tap = w + (r * g.s + s) * g.c + c;
      for (int64_t k = 0; k < g.k; ++k) sum += out[k] * tap[k * g.r * g.s * g.c];
    }
  gx[i] = sum;
}

// All pixels of gy times the pixels of x under one tap. The longest sums and the fewest threads of the three:
// 9216 for 32 filters of 3x3x32, each with a whole picture to go over. Tuned kernels cut the pixels into
// shares ("split k") and add up the shares.
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
