// Running statistics: a few hundred numbers, in one launch instead of eight small ones for every image.
//
//   track_statistics   grid c / 256, block 256, shared 0: a thread a channel, images in order; bytes 8 n c +
//   16 c
#include "kernels/access.cuh"
#include "kernels/statistics.h"

namespace sga::kernels {
namespace {

__global__ void __launch_bounds__(kBlock)
    track_kernel(int64_t n, int64_t c, float unbiased, const float* mean, const float* rstd, float eps,
                 float momentum, float* running_mean, float* running_var) {
  const int64_t channel = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (channel >= c) return;
  float m = running_mean[channel], v = running_var[channel];
  for (int64_t i = 0; i < n; ++i) {
    const float r = rstd[i * c + channel];
    m = (1 - momentum) * m + momentum * mean[i * c + channel];
    v = (1 - momentum) * v + momentum * unbiased * (1 / (r * r) - eps);
  }
  running_mean[channel] = m;
  running_var[channel] = v;
}

}  // namespace

void track_statistics(Cuda where, int64_t n, int64_t c, int64_t pixels, const float* mean, const float* rstd,
                      float eps, float momentum, float* running_mean, float* running_var) {
  if (n == 0 || c == 0) return;
  launch(where, {"track_statistics", dim3(unsigned(div_up(c, kBlock))), kBlock}, track_kernel, n, c,
         float(double(pixels) / double(pixels - 1)), mean, rstd, eps, momentum, running_mean, running_var);
}

}  // namespace sga::kernels
