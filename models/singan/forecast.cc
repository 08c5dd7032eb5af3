#include "models/singan/forecast.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>

#include "engine/device.h"
#include "engine/memory.h"
#include "engine/ops.h"
#include "engine/step_graph.h"
#include "models/singan/training.h"

namespace sga::singan {
namespace {

// Forward pass of five 3x3 convolutions on an image of size `in`.
double forward_flops(Size in, int64_t from, int64_t width, int64_t to) {
  double flops = 0;
  for (int i = 0; i < 5; ++i) {
    const double pixels = double(in.h - 2 * (i + 1)) * double(in.w - 2 * (i + 1));
    flops += 2 * 9 * pixels * double(i == 0 ? from : width) * double(i == 4 ? to : width);
  }
  return flops;
}

double generator_flops(Size size, int64_t channels, int64_t width) {
  return forward_flops({size.h + 2 * kBorder, size.w + 2 * kBorder}, channels, width, channels);
}

// Of the steps alone. With g and d one forward pass of each network on one image: a critic step is 3d for the
// real image, 3d for the fake, 6d for the penalty and g for the fake; the generator's gradient is 2g through
// the fake, whose score took 2d, and 3g for the reconstruction.
double step_flops(const Config& config, Size size, int64_t channels, int64_t width) {
  const double g = generator_flops(size, channels, width), d = forward_flops(size, channels, width, 1);
  const auto updates = double(config.generator_updates);
  const bool once = config.generator_steps == GeneratorSteps::accum;
  const bool again = config.generator_steps == GeneratorSteps::fresh;
  return double(config.critic_updates) * (12 * d + g) + (once ? 1 : updates) * 5 * g +
         (again ? updates : 1) * 2 * d + (again ? updates - 1 : 0) * g;
}

// What an iteration trains on of a level.
Size seen_of(const Config& config, Size size) {
  return crops(config, size) ? Size{std::min(size.h, config.crop), std::min(size.w, config.crop)} : size;
}

// Seconds of an iteration on a map of size `size`, without its priors.
double measured_seconds(const Config& config, Size size, int64_t channels, int64_t width) {
  using Clock = std::chrono::steady_clock;
  Rng rng(0);
  const Shape shape{1, size.h, size.w, channels};
  LevelTraining level(
      {.in_channels = channels, .out_channels = channels, .width = width, .keep_bias = config.keep_bias},
      rng.normal(shape));
  level.generator.net.initialise(rng);
  level.critic.net.initialise(rng);
  level.rec_prior = rng.normal(shape);
  StepGraph step;
  Draws draws;
  LossesOf<Tensor> losses;
  const auto run = [&] {
    const auto start = Clock::now();
    step.run([&] {
      draws = {rng.normal(shape), {}, rng.normal({config.critic_updates, size.h, size.w, channels}), {}};
      for (int64_t i = 0; i < config.critic_updates; ++i) draws.mix.push_back(rng.uniform({1}));
      losses = train_iteration(level, config, draws, [&] { return config.lr; });
    });
    losses.g_rec.item();  // waits for the device
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  for (int i = 0; i < (on_gpu() ? 4 : 1); ++i) run();  // plans of convolutions; on a GPU the capture
  double best = std::numeric_limits<double>::infinity(), spent = 0;
  for (int i = 0; i < 5 && spent < 0.2; ++i) {
    const double seconds = run();
    spent += seconds;
    best = std::min(best, seconds);
  }
  return best;
}

}  // namespace

double iteration_flops(const Config& config, const Pyramid& pyramid, int64_t channels, int level) {
  double priors = 0;
  for (int i = 0; i < level; ++i)
    priors += generator_flops(pyramid.levels[size_t(i)], channels, channels_at(i, config.base_channels));
  return step_flops(config, seen_of(config, pyramid.levels[size_t(level)]), channels,
                    channels_at(level, config.base_channels)) +
         double(config.critic_updates) * priors;
}

int64_t peak_bytes(const Config& config, const Pyramid& pyramid, int64_t channels) {
  double most = 0, below = 0;  // below: generators and pictures of the levels below
  for (int i = 0; i < pyramid.count(); ++i) {
    const Size size = pyramid.levels[size_t(i)];
    const auto n = double(channels_at(i, config.base_channels)), c = double(channels);
    // Of the maps of the generator's five layers and those of the critic's, a little smaller than the
    // picture.
    const double weights = 9 * n * (3 * n + 2 * c) + 8 * n;
    Size seen = size;
    double whole = 0;  // beside a window
    if (i > 0 && crops(config, size)) {
      seen = seen_of(config, size);
      // Pictures and noise of the level; the frozen generators that make the priors below it and the samples
      // for the page. Their blocks have other sizes than those of windows, so both stay in the cache.
      const Size prior = pyramid.levels[size_t(i - 1)];
      const auto width = double(channels_at(i - 1, config.base_channels));
      whole = double(size.h * size.w) * (c * double(12 + 4 * config.critic_updates) + 3 * n) +
              double(config.critic_updates * prior.h * prior.w) * 3 * width;
    }
    const double pixels = double((seen.h - 2) * (seen.w - 2));
    most = std::max(most, below + whole + pixels * (46.5 * n + 30 * c) + 2 * 5 * weights);
    below += 2 * weights + pixels * c;
  }
  return int64_t(4 * most);
}

std::vector<double> iteration_seconds(const Config& config, const Pyramid& pyramid, int64_t channels) {
  // Maps that no longer fit into a core's cache, as those of the large levels; on a GPU, that fill it.
  const double map_elements = on_gpu() ? 5e6 : 1e6;
  constexpr Size kTiny{12, 12};
  const double floor = measured_seconds(config, kTiny, channels, config.base_channels);
  std::map<int64_t, double> seconds_per_flop;  // by hidden channels
  std::vector<double> seconds(size_t(pyramid.count()));
  for (int i = pyramid.count() - 1; i >= 0; --i) {  // the largest level of each number of channels first
    const int64_t width = channels_at(i, config.base_channels);
    if (!seconds_per_flop.contains(width)) {
      Size size = seen_of(config, pyramid.levels[size_t(i)]);
      const auto most = int64_t(std::sqrt(map_elements / double(width)));
      if (size.h * size.w > most * most) size = {most, most};
      const double measured = measured_seconds(config, size, channels, width) - floor;
      seconds_per_flop[width] = std::max(measured, 0.0) / step_flops(config, size, channels, width);
    }
    seconds[size_t(i)] = floor + seconds_per_flop[width] * iteration_flops(config, pyramid, channels, i);
  }
  release_cached_memory();
  reset_memory_peak();
  return seconds;
}

}  // namespace sga::singan
