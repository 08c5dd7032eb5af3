// The noise that makes one picture differ from the next, as functions of place that can be combined.
#pragma once
#include <functional>
#include <vector>

#include "models/singan/climb.h"

namespace sga::singan {

/// Standard normal noise of a window of level n, whose whole is `size`: (1,window.h,window.w,channels). A
/// pure function of place.
using NoiseField = std::function<Tensor(int level, Size size, int64_t channels, const Window& window)>;

/// Fresh noise: level n is stream n of a stream that `rng` gives.
NoiseField draw_field(Rng& rng, Dtype dtype);
/// `fixed` at the levels listed, `others` elsewhere.
NoiseField fix_levels(const NoiseField& others, const NoiseField& fixed, const std::vector<int>& levels);
/// On the way from a (t = 0) to b (t = 1), which must be independent of each other:
///   cos(t pi/2) a + sin(t pi/2) b
/// Spherical interpolation: vectors of independent normal numbers stand at right angles up to 1/sqrt(their
/// length), and every pixel stays standard normal on the way.
NoiseField between(const NoiseField& a, const NoiseField& b, double t);

}  // namespace sga::singan
