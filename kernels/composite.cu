// Attention compositing on a GPU: every pixel has one weight and `channels` numbers.
//
// composite_kernel       A plain loop: a thread a pixel, any extents.
//                          grid pixels/256   block 256   shared 0
// composite_rgb_kernel   3 channels in arrays aligned to 16 bytes: a thread owns 4 pixels, which are three
//                        packs of 16 bytes, and their weights one.
//                          grid pixels/1024   block 256   shared 0
// and the same two for the gradient.
//
// Bytes to move, each once: 4 * pixels * (3 channels + 1) forward, 4 * pixels * (5 channels + 2) for all
// gradients. A load of a warp touches every third 16 bytes of 1536; its next two loads find the rest of these
// lines in the first-level cache.
#include "kernels/composite.h"

#include "kernels/access.cuh"

namespace sga::kernels {
namespace {

__global__ void composite_kernel(int64_t pixels, int64_t channels, const float* a, const float* x,
                                 const float* c, float* y) {
  const int64_t p = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (p >= pixels) return;
  for (int64_t i = p * channels; i < (p + 1) * channels; ++i) y[i] = a[p] * x[i] + (1 - a[p]) * c[i];
}

__global__ void composite_grad_kernel(int64_t pixels, int64_t channels, const float* a, const float* x,
                                      const float* c, const float* gy, float* ga, float* gx, float* gc) {
  const int64_t p = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (p >= pixels) return;
  float sum = 0;
  for (int64_t i = p * channels; i < (p + 1) * channels; ++i) {
    if (ga) sum += (x[i] - c[i]) * gy[i];
    if (gx) gx[i] = a[p] * gy[i];
    if (gc) gc[i] = (1 - a[p]) * gy[i];
  }
  if (ga) ga[p] = sum;
}

// ---- Three channels: number i of a thread's 12 belongs to its pixel i / 3.

constexpr int kQuad = 4;  // pixels of a thread

struct Rgb {
  float v[3 * kQuad];
};
__device__ Rgb load_rgb(const float* p) {
  Rgb all;
  for (int k = 0; k < 3; ++k) {
    const Float4 pack = reinterpret_cast<const Float4*>(p)[k];
    for (int i = 0; i < 4; ++i) all.v[4 * k + i] = pack.v[i];
  }
  return all;
}
__device__ void store_rgb(float* p, const Rgb& all) {
  for (int k = 0; k < 3; ++k)
    reinterpret_cast<Float4*>(p)[k] = {all.v[4 * k], all.v[4 * k + 1], all.v[4 * k + 2], all.v[4 * k + 3]};
}

__global__ void composite_rgb_kernel(int64_t quads, const float* a, const float* x, const float* c,
                                     float* y) {
  const int64_t q = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (q >= quads) return;
  const Float4 weight = reinterpret_cast<const Float4*>(a)[q];
  const Rgb photo = load_rgb(x + 12 * q), paint = load_rgb(c + 12 * q);
  Rgb out;
  for (int i = 0; i < 12; ++i) out.v[i] = weight.v[i / 3] * photo.v[i] + (1 - weight.v[i / 3]) * paint.v[i];
  store_rgb(y + 12 * q, out);
}

__global__ void composite_rgb_grad_kernel(int64_t quads, const float* a, const float* x, const float* c,
                                          const float* gy, float* ga, float* gx, float* gc) {
  const int64_t q = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (q >= quads) return;
  const Float4 weight = reinterpret_cast<const Float4*>(a)[q];
  const Rgb g = load_rgb(gy + 12 * q);
  Rgb out;
  if (ga) {
    const Rgb photo = load_rgb(x + 12 * q), paint = load_rgb(c + 12 * q);
    Float4 sum = {};
    for (int i = 0; i < 12; ++i) sum.v[i / 3] += (photo.v[i] - paint.v[i]) * g.v[i];
    reinterpret_cast<Float4*>(ga)[q] = sum;
  }
  if (gx) {
    for (int i = 0; i < 12; ++i) out.v[i] = weight.v[i / 3] * g.v[i];
    store_rgb(gx + 12 * q, out);
  }
  if (gc) {
    for (int i = 0; i < 12; ++i) out.v[i] = (1 - weight.v[i / 3]) * g.v[i];
    store_rgb(gc + 12 * q, out);
  }
}

}  // namespace

void attention_composite(Cuda where, int64_t pixels, int64_t channels, const float* a, const float* x,
                         const float* c, float* y) {
  if (pixels * channels == 0) return;
  if (channels == 3 && pixels % kQuad == 0 && aligned16(a) && aligned16(x) && aligned16(c) && aligned16(y))
    launch(where, {"attention_composite", unsigned(div_up(pixels / kQuad, kBlock)), kBlock},
           composite_rgb_kernel, pixels / kQuad, a, x, c, y);
  else
    launch(where, {"attention_composite", unsigned(div_up(pixels, kBlock)), kBlock}, composite_kernel, pixels,
           channels, a, x, c, y);
}

void attention_composite_grad(Cuda where, int64_t pixels, int64_t channels, const float* a, const float* x,
                              const float* c, const float* gy, float* ga, float* gx, float* gc) {
  if (pixels == 0) return;
  if (channels == 3 && pixels % kQuad == 0 && aligned16(a) && aligned16(x) && aligned16(c) && aligned16(gy) &&
      aligned16(ga) && aligned16(gx) && aligned16(gc))
    launch(where, {"attention_composite_grad", unsigned(div_up(pixels / kQuad, kBlock)), kBlock},
           composite_rgb_grad_kernel, pixels / kQuad, a, x, c, gy, ga, gx, gc);
  else
    launch(where, {"attention_composite_grad", unsigned(div_up(pixels, kBlock)), kBlock},
           composite_grad_kernel, pixels, channels, a, x, c, gy, ga, gx, gc);
}

}  // namespace sga::kernels
