// What a training will cost, as a user is told before it starts.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include "engine/memory.h"
#include "models/consingan/forecast.h"
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

std::string forecast_line(const singan::Pyramid& pyramid, int64_t iterations,
                          const std::vector<double>& seconds, int64_t bytes, int level, int64_t begun,
                          int64_t available) {
  double total = 0;
  for (int i = level; i < pyramid.count(); ++i)
    total += seconds[size_t(i)] * double(iterations - (i == level ? begun : 0));
  return "forecast: " + std::to_string(pyramid.count()) + " levels up to " + text_of(pyramid.finest()) +
         ", " + std::to_string(iterations) + " iterations each, in about " + duration_text(total) + " and " +
         gigabytes(process_bytes(bytes)) + " of memory" +
         (available < 0 ? "" : " (" + gigabytes(available) + " available)");
}

struct Demand {
  singan::Size finest;
  int64_t bytes;
};

// Error if training takes more than is available. training_at: what it is with another --max-size.
void refuse_beyond(
    int64_t available, singan::Size picture, int64_t max_size, int64_t min_size,
    const std::function<Demand(int64_t max_size)>& training_at,
    const std::function<std::string()>& other_way = [] { return std::string(); }) {
  const auto [finest, need] = training_at(max_size);
  if (available < 0 || need <= available) return;
  const std::string size = text_of(finest);
  const int64_t longest = std::max(picture.h, picture.w), shortest = std::min(picture.h, picture.w);
  for (int64_t side = std::min(max_size, longest) / 10 * 10; side > min_size; side -= 10) {
    // Some sizes are refused for another reason: the short side would be below --min-size.
    if (double(shortest) * double(side) / double(longest) < double(min_size)) break;
    if (training_at(side).bytes <= available)
      throw DoesNotFit("singan: training up to " + size + " takes about " + gigabytes(need) +
                       " of memory and " + gigabytes(available) + " are available; give --max-size " +
                       std::to_string(side) + " or less" + other_way());
  }
  throw DoesNotFit("singan: training up to " + size + " takes about " + gigabytes(need) +
                   " of memory and only " + gigabytes(available) + " are available; end other programs");
}

}  // namespace

void check_memory(const singan::Config& config, singan::Size picture, int64_t channels, int64_t available) {
  refuse_beyond(
      available, picture, config.pyramid.max_size, config.pyramid.min_size,
      [&](int64_t max_size) {
        singan::PyramidOptions options = config.pyramid;
        options.max_size = max_size;
        const singan::Pyramid pyramid = singan::make_pyramid(picture.h, picture.w, options);
        return Demand{pyramid.finest(), process_bytes(singan::peak_bytes(config, pyramid, channels))};
      },
      [&]() -> std::string {
        if (config.pyramid.super_resolution) return "";  // that tool has no --crop
        const singan::Pyramid pyramid = singan::make_pyramid(picture.h, picture.w, config.pyramid);
        singan::Config cropped = config;
        for (const int64_t side : {512, 384, 256, 192, 128}) {
          if (config.crop && side >= config.crop) continue;
          cropped.crop = side;
          if (process_bytes(singan::peak_bytes(cropped, pyramid, channels)) <= available)
            return ", or --crop " + std::to_string(side);
        }
        return "";
      });
}

void check_memory(const consingan::Config& config, singan::Size picture, int64_t available) {
  refuse_beyond(available, picture, config.max_size, config.min_size, [&](int64_t max_size) {
    consingan::Config changed = config;
    changed.max_size = max_size;
    const singan::Pyramid pyramid = consingan::make_pyramid(picture.h, picture.w, changed);
    return Demand{pyramid.finest(), process_bytes(consingan::peak_bytes(changed, pyramid))};
  });
}

void check_memory_to_go_on(int64_t bytes, int64_t available) {
  if (available >= 0 && bytes > available)
    throw DoesNotFit("singan: to go on with this training takes about " + gigabytes(bytes) +
                     " of memory and " + gigabytes(available) +
                     " are available; end other programs, or go on where there is more");
}

void check_memory(const consingan::Model& model, const singan::SampleOptions& options, int64_t available) {
  const auto fine = [](double factor) { return factor >= 0.1 && factor <= 10; };
  if (model.finished() == 0 || !fine(options.scale_v) || !fine(options.scale_h))
    return;  // random_sample says what is wrong
  const singan::Size finest = model.size(model.finished() - 1);
  const singan::Size size{std::llround(double(finest.h) * options.scale_v),
                          std::llround(double(finest.w) * options.scale_h)};
  const int64_t need = process_bytes(consingan::sample_bytes(model.config, size));
  SGA_CHECK(available < 0 || need <= available, "singan: a sample of ", text_of(size), " takes about ",
            gigabytes(need), " of memory and ", gigabytes(available), " are available; give lower factors");
}

std::string forecast(const singan::Config& config, const singan::Pyramid& pyramid, int64_t channels,
                     int level, int64_t begun, int64_t available) {
  return forecast_line(pyramid, config.iterations, singan::iteration_seconds(config, pyramid, channels),
                       singan::peak_bytes(config, pyramid, channels), level, begun, available);
}

std::string forecast(const consingan::Config& config, const singan::Pyramid& pyramid, int64_t channels,
                     int level, int64_t begun, int64_t available) {
  return forecast_line(pyramid, config.iterations, consingan::iteration_seconds(config, pyramid, channels),
                       consingan::peak_bytes(config, pyramid), level, begun, available);
}

}  // namespace sga
