#include "models/singan/noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/ops.h"

namespace sga::singan {

NoiseField draw_field(Rng& rng, Dtype dtype) {
  const Rng picture = rng.fork(rng.below(uint64_t{1} << 53));
  return [picture, dtype](int level, Size size, int64_t channels, const Window& w) {
    return picture.fork(uint64_t(level))
        .normal_window({1, size.h, size.w, channels}, w.top, w.left, w.h, w.w, dtype);
  };
}

NoiseField fix_levels(const NoiseField& others, const NoiseField& fixed, const std::vector<int>& levels) {
  return [=](int level, Size size, int64_t channels, const Window& window) {
    const bool is_fixed = std::find(levels.begin(), levels.end(), level) != levels.end();
    return (is_fixed ? fixed : others)(level, size, channels, window);
  };
}

NoiseField between(const NoiseField& a, const NoiseField& b, double t) {
  const double turn = t * std::numbers::pi / 2;
  return [=](int level, Size size, int64_t channels, const Window& window) {
    return blend(a(level, size, channels, window), std::cos(turn), b(level, size, channels, window),
                 std::sin(turn));
  };
}

}  // namespace sga::singan
