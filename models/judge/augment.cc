#include "models/judge/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sga::judge {
namespace {

// The mean of four neighbours, again and again: about a Gaussian of sqrt(passes / 2) pixels.
void soften(std::vector<float>& x, int64_t side, int passes) {
  const auto at = [&](int64_t i, int64_t j, int c) -> float& { return x[size_t((i * side + j) * 3 + c)]; };
  for (int pass = 0; pass < passes; ++pass)
    for (int c = 0; c < 3; ++c) {
      for (int64_t i = 0; i < side; ++i)
        for (int64_t j = 0; j + 1 < side; ++j) at(i, j, c) = (at(i, j, c) + at(i, j + 1, c)) / 2;
      for (int64_t i = 0; i + 1 < side; ++i)
        for (int64_t j = 0; j < side; ++j) at(i, j, c) = (at(i, j, c) + at(i + 1, j, c)) / 2;
      // Shifted by half a pixel up and left, so back again.
      for (int64_t i = 0; i < side; ++i)
        for (int64_t j = side; j-- > 1;) at(i, j, c) = (at(i, j, c) + at(i, j - 1, c)) / 2;
      for (int64_t i = side; i-- > 1;)
        for (int64_t j = 0; j < side; ++j) at(i, j, c) = (at(i, j, c) + at(i - 1, j, c)) / 2;
    }
}

}  // namespace

void random_view(std::span<const uint8_t> rgb, int64_t from, int64_t to, const Augmentation& bounds, Rng& rng,
                 float* out) {
  const auto within = [&](double bound) { return bound * (2 * rng.uniform() - 1); };
  const bool mirrored = rng.below(2) == 1;
  const double angle = within(bounds.rotation) * std::numbers::pi / 180, zoom = 1 + within(bounds.scale);
  const double dx = within(bounds.shift), dy = within(bounds.shift);
  const double gain = 1 + within(bounds.light), lift = within(bounds.light) / 2;
  const bool soft = rng.uniform() < bounds.softness;
  const int passes = 1 + int(rng.below(2));
  const double step = double(from) / double(to), c = std::cos(angle) * zoom * step,
               s = std::sin(angle) * zoom * step;
  std::vector<float> view(size_t(to * to * 3));
  const auto pixel = [&](int64_t y, int64_t x, int k) {
    y = std::clamp<int64_t>(y, 0, from - 1), x = std::clamp<int64_t>(x, 0, from - 1);
    return double(rgb[size_t((y * from + x) * 3 + k)]);
  };
  for (int64_t i = 0; i < to; ++i)
    for (int64_t j = 0; j < to; ++j) {
      const double v = double(i) + 0.5 - double(to) / 2, u = double(j) + 0.5 - double(to) / 2;
      double x = c * u - s * v + (0.5 + dx) * double(from) - 0.5;
      const double y = s * u + c * v + (0.5 + dy) * double(from) - 0.5;
      if (mirrored) x = double(from) - 1 - x;
      const auto x0 = int64_t(std::floor(x)), y0 = int64_t(std::floor(y));
      const double fx = x - double(x0), fy = y - double(y0);
      for (int k = 0; k < 3; ++k) {
        const double value = (1 - fy) * ((1 - fx) * pixel(y0, x0, k) + fx * pixel(y0, x0 + 1, k)) +
                             fy * ((1 - fx) * pixel(y0 + 1, x0, k) + fx * pixel(y0 + 1, x0 + 1, k));
        view[size_t((i * to + j) * 3 + k)] = float(std::clamp((value / 127.5 - 1) * gain + lift, -1.0, 1.0));
      }
    }
  if (soft) soften(view, to, passes);
  std::copy(view.begin(), view.end(), out);
}

}  // namespace sga::judge
