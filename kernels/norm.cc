// All three kernels have one shape: sums over the pixels of every (image, channel), then one pass that writes.
// Pixels are taken in blocks of fixed size, so that the result does not depend on the number of threads.
#include "kernels/norm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace sga::kernels {
namespace {

constexpr int64_t kBlock = 128;  // pixels summed in a row before partial sums are combined

// For each image and channel, K sums over pixels: f(offset of the pixel's first channel, channel, sums).
// Result: K arrays of (n,c), in double so that the combination of blocks adds no error.
template <int K, class T, class F>
std::vector<double> pixel_sums(const NormShape& s, F f) {
  const int64_t blocks = (s.pixels + kBlock - 1) / kBlock;
  std::vector<T> partial(static_cast<size_t>(s.n * blocks * K * s.c));
#pragma omp parallel for if (s.n * s.pixels * s.c > (1 << 14))
  for (int64_t task = 0; task < s.n * blocks; ++task) {
    const int64_t image = task / blocks, begin = task % blocks * kBlock, end = std::min(s.pixels, begin + kBlock);
    T* out = partial.data() + task * K * s.c;
    // Channels outside, in strips that fit registers: the sums never leave them.
    constexpr int64_t kStrip = 16;
    for (int64_t c0 = 0; c0 < s.c; c0 += kStrip) {
      const int64_t strip = std::min(kStrip, s.c - c0);
      T sums[K][kStrip] = {};
      if (strip == kStrip) {
        for (int64_t p = begin; p < end; ++p) {
          const int64_t at = (image * s.pixels + p) * s.c + c0;
#pragma omp simd
          for (int64_t j = 0; j < kStrip; ++j) {
            const std::array<T, K> terms = f(at + j, image * s.c + c0 + j);
            for (int k = 0; k < K; ++k) sums[k][j] += terms[size_t(k)];
          }
        }
      } else {
        for (int64_t p = begin; p < end; ++p) {
          const int64_t at = (image * s.pixels + p) * s.c + c0;
          for (int64_t j = 0; j < strip; ++j) {
            const std::array<T, K> terms = f(at + j, image * s.c + c0 + j);
            for (int k = 0; k < K; ++k) sums[k][j] += terms[size_t(k)];
          }
        }
      }
      for (int k = 0; k < K; ++k)
        for (int64_t j = 0; j < strip; ++j) out[k * s.c + c0 + j] = sums[k][j];
    }
  }
  std::vector<double> total(static_cast<size_t>(K * s.n * s.c));
  for (int64_t image = 0; image < s.n; ++image)
    for (int64_t b = 0; b < blocks; ++b)
      for (int k = 0; k < K; ++k)
        for (int64_t c = 0; c < s.c; ++c)
          total[size_t((k * s.n + image) * s.c + c)] += double(partial[size_t(((image * blocks + b) * K + k) * s.c + c)]);
  return total;
}

// Writes with f(offset, index into the per-(image,channel) arrays).
template <class F>
void each_pixel(const NormShape& s, F f) {
#pragma omp parallel for if (s.n * s.pixels * s.c > (1 << 14))
  for (int64_t row = 0; row < s.n * s.pixels; ++row) {
    const int64_t image = row / s.pixels;
#pragma omp simd
    for (int64_t c = 0; c < s.c; ++c) f(row * s.c + c, image * s.c + c);
  }
}

// One number per (image, channel), whatever the sharing of gamma and beta.
template <class T>
std::vector<T> per_image(const NormShape& s, const T* values, T otherwise) {
  std::vector<T> all(static_cast<size_t>(s.n * s.c), otherwise);
  if (values)
    for (int64_t i = 0; i < s.n * s.c; ++i) all[size_t(i)] = values[s.per_image ? i : i % s.c];
  return all;
}

}  // namespace

template <class T>
void instance_norm(Cpu, NormShape s, const T* x, const T* gamma, const T* beta, T eps, T slope, T* y, T* mean,
                   T* rstd) {
  const int64_t count = s.n * s.c;
  const std::vector<double> sums = pixel_sums<1, T>(s, [=](int64_t i, int64_t) { return std::array<T, 1>{x[i]}; });
  for (int64_t i = 0; i < count; ++i) mean[i] = T(sums[size_t(i)] / double(s.pixels));
  // The correction by the mean of the residue makes float variance as good as double for offsets up to 1e3 sigma.
  const std::vector<double> squares = pixel_sums<2, T>(s, [=](int64_t i, int64_t at) {
    const T d = x[i] - mean[at];
    return std::array<T, 2>{d * d, d};
  });
  const std::vector<T> g = per_image(s, gamma, T(1)), b = per_image(s, beta, T(0));
  std::vector<T> scale(static_cast<size_t>(count)), shift(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const double residue = squares[size_t(count + i)] / double(s.pixels);
    const double variance = squares[size_t(i)] / double(s.pixels) - residue * residue;
    mean[i] = T(double(mean[i]) + residue);
    rstd[i] = T(1 / std::sqrt(std::max(variance, 0.0) + double(eps)));
    scale[size_t(i)] = g[size_t(i)] * rstd[i];
    shift[size_t(i)] = b[size_t(i)];
  }
  const T *a = scale.data(), *d = shift.data();
  each_pixel(s, [=](int64_t i, int64_t at) {
    const T u = a[at] * (x[i] - mean[at]) + d[at];
    y[i] = u > 0 ? u : slope * u;
  });
}

template <class T>
void instance_norm_grad(Cpu, NormShape s, const T* x, const T* y, const T* gy, const T* gamma, const T* mean,
                        const T* rstd, T slope, T* gx, T* ggamma, T* gbeta) {
  const int64_t count = s.n * s.c;
  const std::vector<double> sums = pixel_sums<2, T>(s, [=](int64_t i, int64_t at) {
    const T h = gy[i] * (y[i] > 0 ? T(1) : slope);
    return std::array<T, 2>{h, h * ((x[i] - mean[at]) * rstd[at])};
  });
  if (ggamma)
    for (int64_t i = 0; i < count; ++i) gbeta[i] = T(sums[size_t(i)]), ggamma[i] = T(sums[size_t(count + i)]);
  if (!gx) return;
  const std::vector<T> g = per_image(s, gamma, T(1));
  // gx = a h + b (x - mean) + d
  std::vector<T> coefficient(static_cast<size_t>(3 * count));
  for (int64_t i = 0; i < count; ++i) {
    const T a = g[size_t(i)] * rstd[i];
    coefficient[size_t(i)] = a;
    coefficient[size_t(count + i)] = T(-double(a) * double(rstd[i]) * sums[size_t(count + i)] / double(s.pixels));
    coefficient[size_t(2 * count + i)] = T(-double(a) * sums[size_t(i)] / double(s.pixels));
  }
  const T *a = coefficient.data(), *b = a + count, *d = b + count;
  each_pixel(s, [=](int64_t i, int64_t at) {
    const T h = gy[i] * (y[i] > 0 ? T(1) : slope);
    gx[i] = a[at] * h + b[at] * (x[i] - mean[at]) + d[at];
  });
}

template <class T>
void instance_norm_grad2(Cpu, NormShape s, const T* x, const T* y, const T* gy, const T* v, const T* gamma,
                         const T* mean, const T* rstd, T slope, T* ggy, T* gx2, T* ggamma) {
  const int64_t count = s.n * s.c;
  const std::vector<double> sums = pixel_sums<5, T>(s, [=](int64_t i, int64_t at) {
    const T h = gy[i] * (y[i] > 0 ? T(1) : slope), q = (x[i] - mean[at]) * rstd[at], w = v[i];
    return std::array<T, 5>{w, h, w * q, h * q, w * h};
  });
  const std::vector<T> g = per_image(s, gamma, T(1));
  // ggy = act' (a (v - mean_v - q b)),   gx2 = e (q f + c (v - mean_v) + b (h - mean_h))
  std::vector<T> coefficient(static_cast<size_t>(7 * count));
  T *ca = coefficient.data(), *cv = ca + count, *ch = cv + count, *cb = ch + count, *cc = cb + count,
    *ce = cc + count, *cf = ce + count;
  for (int64_t i = 0; i < count; ++i) {
    const auto average = [&](int k) { return sums[size_t(k * count + i)] / double(s.pixels); };
    const double b = average(2), c = average(3), cross = average(4) - average(0) * average(1);
    ca[i] = g[size_t(i)] * rstd[i];
    cv[i] = T(average(0));
    ch[i] = T(average(1));
    cb[i] = T(b);
    cc[i] = T(c);
    ce[i] = -ca[i] * rstd[i];
    cf[i] = T(cross - 3 * b * c);
    if (ggamma) ggamma[i] = T(double(s.pixels) * double(rstd[i]) * (cross - b * c));
  }
  if (ggy && gx2)
    each_pixel(s, [=](int64_t i, int64_t at) {
      const T act = y[i] > 0 ? T(1) : slope;
      const T q = (x[i] - mean[at]) * rstd[at], dv = v[i] - cv[at], dh = gy[i] * act - ch[at];
      ggy[i] = act * ca[at] * (dv - q * cb[at]);
      gx2[i] = ce[at] * (q * cf[at] + cc[at] * dv + cb[at] * dh);
    });
  else if (ggy)
    each_pixel(s, [=](int64_t i, int64_t at) {
      const T act = y[i] > 0 ? T(1) : slope, q = (x[i] - mean[at]) * rstd[at];
      ggy[i] = act * ca[at] * (v[i] - cv[at] - q * cb[at]);
    });
  else if (gx2)
    each_pixel(s, [=](int64_t i, int64_t at) {
      const T h = gy[i] * (y[i] > 0 ? T(1) : slope), q = (x[i] - mean[at]) * rstd[at];
      gx2[i] = ce[at] * (q * cf[at] + cc[at] * (v[i] - cv[at]) + cb[at] * (h - ch[at]));
    });
}

#define INSTANTIATE(T)                                                                                             \
  template void instance_norm(Cpu, NormShape, const T*, const T*, const T*, T, T, T*, T*, T*);                     \
  template void instance_norm_grad(Cpu, NormShape, const T*, const T*, const T*, const T*, const T*, const T*, T,  \
                                   T*, T*, T*);                                                                    \
  template void instance_norm_grad2(Cpu, NormShape, const T*, const T*, const T*, const T*, const T*, const T*,    \
                                    const T*, T, T*, T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace sga::kernels
