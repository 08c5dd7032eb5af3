#include "models/evaluation/similarity.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"

namespace sga::evaluation {
namespace {

constexpr int64_t kWindow = 11;
constexpr double kSigma = 1.5, kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;

// Gaussian means of every window inside an axis of n pixels.
Taps windows(int64_t n) {
  double weights[kWindow], sum = 0;
  for (int64_t i = 0; i < kWindow; ++i) {
    const double x = double(i - kWindow / 2) / kSigma;
    sum += weights[i] = std::exp(-x * x / 2);
  }
  Taps taps{n, n - kWindow + 1, {}, {}, {}};
  for (int64_t o = 0; o < taps.n_out; ++o) {
    taps.first.push_back(int32_t(o * kWindow));
    for (int64_t i = 0; i < kWindow; ++i)
      taps.index.push_back(int32_t(o + i)), taps.weight.push_back(weights[i] / sum);
  }
  taps.first.push_back(int32_t(taps.n_out * kWindow));
  return taps;
}

double ssim(const Tensor& a, const Tensor& b) {
  const Taps rows = windows(a.dim(1)), columns = windows(a.dim(2));
  const auto local_mean = [&](const Tensor& x) { return resize(x, rows, columns); };
  const Tensor ma = local_mean(a), mb = local_mean(b);
  const Tensor maa = mul(ma, ma), mab = mul(ma, mb), mbb = mul(mb, mb);
  const Tensor variances = sub(add(local_mean(mul(a, a)), local_mean(mul(b, b))), add(maa, mbb));
  const Tensor covariance = sub(local_mean(mul(a, b)), mab);
  const Tensor above = mul(affine(mab, 2, kC1), affine(covariance, 2, kC2));
  const Tensor below = mul(affine(add(maa, mbb), 1, kC1), affine(variances, 1, kC2));
  return mean(mul(above, power(below, -1))).item();
}

}  // namespace

Similarity similarity(const Tensor& a, const Tensor& b) {
  SGA_CHECK(a.rank() == 4 && b.rank() == 4, "similarity: pictures are (1,H,W,C), got ", a.shape(), " and ",
            b.shape());
  SGA_CHECK(a.shape() == b.shape(), "the pictures must have one size, got ", a.dim(2), "x", a.dim(1), " and ",
            b.dim(2), "x", b.dim(1));
  SGA_CHECK(std::min(a.dim(1), a.dim(2)) >= kWindow, "the pictures have ", a.dim(2), "x", a.dim(1),
            " pixels, SSIM needs at least ", kWindow, " on each side");
  NoGrad off;
  Similarity s;
  s.rmse = 255 * std::sqrt(mse(a, b).item());
  s.psnr = 20 * std::log10(255 / s.rmse);
  s.ssim = ssim(a, b);
  return s;
}

}  // namespace sga::evaluation
