#include "models/consingan/forecast.h"

#include <algorithm>

namespace sga::consingan {

int64_t peak_bytes(const Config& config, const singan::Pyramid& pyramid) {
  const auto width = double(config.channels);
  const double stage = 9 * width * width * double(config.layers);  // weights; about those of the critic, too
  const auto learning = int(std::min(config.stages, config.concurrent));
  double pixels = 22.5 * double(pyramid.finest().h * pyramid.finest().w);
  for (int i = pyramid.count() - learning; i < pyramid.count(); ++i) {
    const singan::Size size = pyramid.levels[size_t(i)];
    const int64_t rim = 2 * config.layers;
    pixels += 12.2 * double((size.h + rim) * (size.w + rim));
  }
  return int64_t(4 * (width * pixels + stage * double(2 * config.stages + 3 * learning + 5)));
}

int64_t sample_bytes(const Config& config, singan::Size size) {
  return int64_t(4 * 7 * double(config.channels) * double(size.h) * double(size.w));
}

}  // namespace sga::consingan
