#include "models/singan/pyramid.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"

namespace sga::singan {
namespace {

constexpr int64_t kReceptiveField = 11;  // five 3x3 convolutions without padding

void check_options(const PyramidOptions& o) {
  SGA_CHECK(o.min_size > kReceptiveField,
            "singan: --min-size must be at least 12 pixels (the critic sees 11x11 patches), got ",
            o.min_size);
  SGA_CHECK(o.max_size >= o.min_size, "singan: --max-size ", o.max_size, " is below --min-size ", o.min_size,
            "; raise it");
  SGA_CHECK(o.scale_factor >= 0.1 && o.scale_factor <= 0.95,
            "singan: --scale-factor must lie between 0.1 and 0.95 (0.75 is usual), got ", o.scale_factor);
}

// Double precision, in exactly this order: the ceilings depend on the last bit.
Pyramid official_pyramid(double h, double w, const PyramidOptions& o) {
  const auto log_r = [&](double x) { return std::log(x) / std::log(o.scale_factor); };
  const double longest = std::max(h, w), min_size = double(o.min_size), max_size = double(o.max_size);
  const auto whole = [&](double x) { return o.super_resolution ? int(x) : int(std::ceil(x)); };
  const int num_scales = whole(log_r(min_size / std::min(h, w))) + 1;
  const int scale2stop = whole(log_r(std::min(max_size, longest) / (o.super_resolution ? w : longest)));
  const int stop_scale = num_scales - scale2stop;
  Pyramid p;
  p.scale1 = std::min(max_size / longest, 1.0);
  const double real_h = std::ceil(h * p.scale1), real_w = std::ceil(w * p.scale1);
  SGA_CHECK(stop_scale >= 1, "singan: a ", h, "x", w, " picture gives no level with --max-size ", o.max_size,
            "; raise --max-size");
  p.ratio = std::pow(min_size / std::min(real_h, real_w), 1.0 / stop_scale);
  for (int i = 0; i <= stop_scale; ++i) {
    const double scale = std::pow(p.ratio, stop_scale - i);
    p.levels.push_back({int64_t(std::ceil(real_h * scale)), int64_t(std::ceil(real_w * scale))});
  }
  return p;
}

Pyramid exact_pyramid(double h, double w, const PyramidOptions& o) {
  Pyramid p;
  p.scale1 = std::min(double(o.max_size) / std::max(h, w), 1.0);
  const double real_h = std::round(h * p.scale1), real_w = std::round(w * p.scale1);
  const double whole = double(o.min_size) / std::min(real_h, real_w);  // finest -> coarsest
  const int n = std::max(1, int(std::lround(std::log(whole) / std::log(o.scale_factor))));
  const double coarsest = o.super_resolution ? std::pow(o.scale_factor, n) : whole;
  p.ratio = std::pow(coarsest, 1.0 / n);
  for (int i = 0; i <= n; ++i) {
    const double scale = std::pow(coarsest, double(n - i) / n);
    p.levels.push_back({std::lround(real_h * scale), std::lround(real_w * scale)});
  }
  return p;
}

}  // namespace

Pyramid make_pyramid(int64_t height, int64_t width, const PyramidOptions& options) {
  check_options(options);
  const int64_t shortest = std::min(height, width), longest = std::max(height, width);
  SGA_CHECK(shortest >= options.min_size, "singan: the picture is ", width, "x", height,
            " pixels; its short side must be at least ", options.min_size,
            ", so use a larger picture or lower --min-size");
  SGA_CHECK(double(shortest) * std::min(double(options.max_size) / double(longest), 1.0) >=
                double(options.min_size) - 0.5,
            "singan: the picture is ", width, "x", height, " pixels; shrunk to --max-size ", options.max_size,
            " its short side falls below --min-size ", options.min_size, ", so crop it or raise --max-size");
  Pyramid pyramid = options.official ? official_pyramid(double(height), double(width), options)
                                     : exact_pyramid(double(height), double(width), options);
  SGA_CHECK(pyramid.count() <= kMaxLevels, "singan: --scale-factor ", options.scale_factor, " gives a ",
            width, "x", height, " picture ", pyramid.count(), " levels, ", kMaxLevels,
            " are the limit; give a lower --scale-factor");
  return pyramid;
}

}  // namespace sga::singan
