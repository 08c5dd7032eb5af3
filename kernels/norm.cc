// All three kernels have one shape: sums over the pixels of every (image, channel), then one pass that
// writes. Pixels are taken in blocks of fixed size, so that the result does not depend on the number of
// threads.
#include "kernels/norm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/lanes.h"

namespace sga::kernels {
namespace {

constexpr int64_t kBlock = 128;  // pixels summed in a row before partial sums are combined

// For each image and channel, K sums over pixels of the terms f gives for a Spot.
// Result: K arrays of (n,c), in double so that the combination of blocks adds no error.
template <int K, class T, class F>
std::vector<double> pixel_sums(const NormShape& s, F f) {
  using V = typename LanesOf<T>::type;
  const int64_t blocks = (s.pixels + kBlock - 1) / kBlock;
  std::vector<T> partial(static_cast<size_t>(s.n * blocks * K * s.c));
#pragma omp parallel for if (s.n * s.pixels * s.c > (1 << 14))
  for (int64_t task = 0; task < s.n * blocks; ++task) {
    const int64_t image = task / blocks, begin = task % blocks * kBlock,
                  end = std::min(s.pixels, begin + kBlock);
    T* out = partial.data() + task * K * s.c;
    // Channels outside, pixels inside: the sums of a strip never leave their registers.
    const auto strip = [&]<class W>(W, int64_t c) {
      W sums[K] = {};
      for (int64_t p = begin; p < end; ++p) {
        const std::array<W, K> terms = f(Spot<W, T>{(image * s.pixels + p) * s.c + c, image * s.c + c});
        for (int k = 0; k < K; ++k) sums[k] += terms[size_t(k)];
      }
      for (int k = 0; k < K; ++k) std::memcpy(out + k * s.c + c, &sums[k], sizeof(W));
    };
    constexpr int64_t kLanes = sizeof(V) / sizeof(T);
    int64_t c = 0;
    for (; c + kLanes <= s.c; c += kLanes) strip(V{}, c);
    for (; c < s.c; ++c) strip(T{}, c);
  }
  std::vector<double> total(static_cast<size_t>(K * s.n * s.c));
  for (int64_t image = 0; image < s.n; ++image)
    for (int64_t b = 0; b < blocks; ++b)
      for (int k = 0; k < K; ++k)
        for (int64_t c = 0; c < s.c; ++c)
          total[size_t((k * s.n + image) * s.c + c)] +=
              double(partial[size_t(((image * blocks + b) * K + k) * s.c + c)]);
  return total;
}

// Calls f with a Spot for every strip of every pixel.
template <class T, class F>
void each_pixel(const NormShape& s, F f) {
  using V = typename LanesOf<T>::type;
#pragma omp parallel for if (s.n * s.pixels * s.c > (1 << 14))
  for (int64_t row = 0; row < s.n * s.pixels; ++row) {
    const int64_t image = row / s.pixels;
    constexpr int64_t kLanes = sizeof(V) / sizeof(T);
    int64_t c = 0;
    for (; c + kLanes <= s.c; c += kLanes) f(Spot<V, T>{row * s.c + c, image * s.c + c});
    for (; c < s.c; ++c) f(Spot<T, T>{row * s.c + c, image * s.c + c});
  }
}

// x > 0 ? g : slope * g
template <class V, class T>
V gated(V g, V x, T slope) {
  const V zero = {};
  return x > zero ? g : slope * g;
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
  const std::vector<double> sums =
      pixel_sums<1, T>(s, [=]<class V>(Spot<V, T> spot) { return std::array<V, 1>{spot.pixel(x)}; });
  for (int64_t i = 0; i < count; ++i) mean[i] = T(sums[size_t(i)] / double(s.pixels));
  // The correction by the mean of the residue makes float variance as good as double for offsets up to 1e3
  // sigma.
  const std::vector<double> squares = pixel_sums<2, T>(s, [=]<class V>(Spot<V, T> spot) {
    const V d = spot.pixel(x) - spot.channel(mean);
    return std::array<V, 2>{d * d, d};
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
  each_pixel<T>(s, [=]<class V>(Spot<V, T> spot) {
    const V u = spot.channel(a) * (spot.pixel(x) - spot.channel(mean)) + spot.channel(d);
    spot.store(y, gated(u, u, slope));
  });
}

template <class T>
void instance_norm_grad(Cpu, NormShape s, const T* x, const T* y, const T* gy, const T* gamma, const T* mean,
                        const T* rstd, T slope, T* gx, T* ggamma, T* gbeta) {
  const int64_t count = s.n * s.c;
  const std::vector<double> sums = pixel_sums<2, T>(s, [=]<class V>(Spot<V, T> spot) {
    const V h = gated(spot.pixel(gy), spot.pixel(y), slope);
    return std::array<V, 2>{h, h * ((spot.pixel(x) - spot.channel(mean)) * spot.channel(rstd))};
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
    coefficient[size_t(count + i)] =
        T(-double(a) * double(rstd[i]) * sums[size_t(count + i)] / double(s.pixels));
    coefficient[size_t(2 * count + i)] = T(-double(a) * sums[size_t(i)] / double(s.pixels));
  }
  const T *a = coefficient.data(), *b = a + count, *d = b + count;
  each_pixel<T>(s, [=]<class V>(Spot<V, T> spot) {
    const V h = gated(spot.pixel(gy), spot.pixel(y), slope);
    spot.store(
        gx, spot.channel(a) * h + spot.channel(b) * (spot.pixel(x) - spot.channel(mean)) + spot.channel(d));
  });
}

template <class T>
void instance_norm_grad2(Cpu, NormShape s, const T* x, const T* y, const T* gy, const T* v, const T* gamma,
                         const T* mean, const T* rstd, T slope, T* ggy, T* gx2, T* ggamma) {
  const int64_t count = s.n * s.c;
  const std::vector<double> sums = pixel_sums<5, T>(s, [=]<class V>(Spot<V, T> spot) {
    const V h = gated(spot.pixel(gy), spot.pixel(y), slope), w = spot.pixel(v);
    const V q = (spot.pixel(x) - spot.channel(mean)) * spot.channel(rstd);
    return std::array<V, 5>{w, h, w * q, h * q, w * h};
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
  each_pixel<T>(s, [=]<class V>(Spot<V, T> spot) {
    const V sign = spot.pixel(y), q = (spot.pixel(x) - spot.channel(mean)) * spot.channel(rstd);
    const V dv = spot.pixel(v) - spot.channel(cv), dh = gated(spot.pixel(gy), sign, slope) - spot.channel(ch);
    if (ggy) spot.store(ggy, gated(V(spot.channel(ca) * (dv - q * spot.channel(cb))), sign, slope));
    if (gx2)
      spot.store(gx2,
                 spot.channel(ce) * (q * spot.channel(cf) + spot.channel(cc) * dv + spot.channel(cb) * dh));
  });
}

#define INSTANTIATE(T)                                                                                \
  template void instance_norm(Cpu, NormShape, const T*, const T*, const T*, T, T, T*, T*, T*);        \
  template void instance_norm_grad(Cpu, NormShape, const T*, const T*, const T*, const T*, const T*,  \
                                   const T*, T, T*, T*, T*);                                          \
  template void instance_norm_grad2(Cpu, NormShape, const T*, const T*, const T*, const T*, const T*, \
                                    const T*, const T*, T, T*, T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace sga::kernels
