// What a training will cost, as a user is told before it starts.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/memory.h"
#include "models/singan/forecast.h"
#include "tools/singan.h"

namespace sga {
namespace {

std::string gigabytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, bytes < 10'000'000'000 ? "%.2f GB" : "%.0f GB", double(bytes) / 1e9);
  return text;
}

std::string duration_text(double seconds) {
  const auto whole = [](double v) { return std::to_string(std::llround(v)); };
  if (seconds < 99.5) return whole(std::max(1.0, seconds)) + " s";
  if (seconds < 99.5 * 60) return whole(seconds / 60) + " min";
  if (seconds < 48 * 3600) return singan::to_text(std::round(seconds / 360) / 10) + " h";
  return whole(seconds / 86400) + " days";
}

}  // namespace

void check_memory(singan::Config config, singan::Size picture, int64_t channels, int64_t available) {
  const auto needed = [&] {
    return process_bytes(
        singan::peak_bytes(config, singan::make_pyramid(picture.h, picture.w, config.pyramid), channels));
  };
  const int64_t need = needed();
  if (available < 0 || need <= available) return;
  const std::string size = text_of(singan::make_pyramid(picture.h, picture.w, config.pyramid).finest());
  int64_t& side = config.pyramid.max_size;
  for (side = std::min(side, std::max(picture.h, picture.w)) / 10 * 10; side > config.pyramid.min_size;
       side -= 10) {
    // Some sizes are refused for another reason: the short side would be below --min-size.
    if (double(std::min(picture.h, picture.w)) * double(side) / double(std::max(picture.h, picture.w)) <
        double(config.pyramid.min_size))
      break;
    if (needed() <= available)
      fail("singan: training up to ", size, " takes about ", gigabytes(need), " of memory and ",
           gigabytes(available), " are available; give --max-size ", side, " or less");
  }
  fail("singan: training up to ", size, " takes about ", gigabytes(need), " of memory and only ",
       gigabytes(available), " are available; end other programs");
}

std::string forecast(const singan::Config& config, const singan::Pyramid& pyramid, int64_t channels,
                     int level, int64_t begun, int64_t available) {
  const std::vector<double> seconds = singan::iteration_seconds(config, pyramid, channels);
  double total = 0;
  for (int i = level; i < pyramid.count(); ++i)
    total += seconds[size_t(i)] * double(config.iterations - (i == level ? begun : 0));
  return "forecast: " + std::to_string(pyramid.count()) + " levels up to " + text_of(pyramid.finest()) +
         ", " + std::to_string(config.iterations) + " iterations each, in about " + duration_text(total) +
         " and " + gigabytes(process_bytes(singan::peak_bytes(config, pyramid, channels))) + " of memory" +
         (available < 0 ? "" : " (" + gigabytes(available) + " available)");
}

}  // namespace sga
