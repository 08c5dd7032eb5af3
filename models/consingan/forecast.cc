#include "models/consingan/forecast.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "engine/device.h"
#include "engine/memory.h"
#include "engine/step_graph.h"
#include "models/consingan/training.h"

namespace sga::consingan {
namespace {

using Sizes = std::vector<Size>;

// Seconds of an iteration of the last of these levels.
double measured_seconds(const Config& config, const Sizes& sizes, int64_t channels) {
  using Clock = std::chrono::steady_clock;
  Rng rng(0);
  const auto picture = [&](Size s) { return rng.normal({1, s.h, s.w, channels}); };
  singan::Pyramid pyramid;
  pyramid.levels = sizes;
  const GrowingGenerator grown({.colours = channels, .width = config.channels, .layers = config.layers});
  Model model{config, pyramid, picture(sizes.back()), {}, grown, {}};
  for (const Size size : sizes) model.reals.push_back(picture(size));
  model.generator.initialise(rng);
  while (model.generator.stages() < int(sizes.size())) model.generator.grow();
  ConvStack critic = make_critic(model.generator.options());
  critic.initialise(rng);
  LevelTraining level(model, model.generator, critic, std::vector<double>(sizes.size(), 0.1));
  StepGraph step;
  Draws draws;
  singan::LossesOf<Tensor> losses;
  const auto run = [&] {
    const auto start = Clock::now();
    step.run([&] {
      draws = {};
      for (int n = 0; n < model.generator.stages(); ++n)
        draws.noise.push_back(rng.normal(model.generator.noise_shape(n, sizes[size_t(n)])));
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

// With g the forward pass of the stages that learn and d that of the critic: a critic step is 3d for the real
// image, 3d for the fake, 6d for the penalty; the fake is made once, its gradient is 2g, its score took 2d;
// the reconstruction is 3g.
double iteration_flops(const Config& config, const Sizes& sizes, int64_t channels) {
  const auto c = double(channels), width = double(config.channels);
  const auto conv = [](Size size, int64_t more, double from, double to) {
    return 2 * 9 * double(size.h + more) * double(size.w + more) * from * to;
  };
  const auto level = int(sizes.size()) - 1, first = std::max(0, level - int(config.concurrent) + 1);
  const double head = conv(sizes[0], 0, c, width), tail = conv(sizes.back(), 0, width, c);
  double still = first > 0 ? head : 0, learning = tail + (first > 0 ? 0 : head);
  for (int n = 0; n <= level; ++n)
    for (int64_t i = 0; i < config.layers; ++i)
      (n < first ? still : learning) += conv(sizes[size_t(n)], 2 * i, width, width);
  double critic = conv(sizes.back(), -2, c, width) + conv(sizes.back(), -2 * (config.layers + 2), width, 1);
  for (int64_t i = 0; i < config.layers; ++i) critic += conv(sizes.back(), -2 * (i + 2), width, width);
  return double(config.critic_updates) * 12 * critic + still + 6 * learning + 2 * critic;
}

std::vector<double> iteration_seconds(const Config& config, const singan::Pyramid& pyramid,
                                      int64_t channels) {
  // Maps that no longer fit into a core's cache, as those of the large levels; on a GPU, that fill it.
  const double pixels = (on_gpu() ? 5e6 : 1e6) / double(config.channels);
  constexpr Size kTiny{16, 16};
  const double shrink =
      std::min(1.0, std::sqrt(pixels / (double(pyramid.finest().h) * double(pyramid.finest().w))));
  Sizes sizes = pyramid.levels, tiny;
  for (Size& s : sizes)
    s = {std::max(kTiny.h, int64_t(std::nearbyint(double(s.h) * shrink))),
         std::max(kTiny.w, int64_t(std::nearbyint(double(s.w) * shrink)))};
  std::vector<double> seconds, beyond;  // at tiny levels; FLOP more than those
  for (int n = 0; n < pyramid.count(); ++n) {
    tiny.push_back(kTiny);
    seconds.push_back(measured_seconds(config, tiny, channels));
    const Sizes levels(pyramid.levels.begin(), pyramid.levels.begin() + n + 1);
    beyond.push_back(iteration_flops(config, levels, channels) - iteration_flops(config, tiny, channels));
  }
  const double flops = iteration_flops(config, sizes, channels) - iteration_flops(config, tiny, channels);
  if (flops > 0) {
    const double rate = std::max(0.0, measured_seconds(config, sizes, channels) - seconds.back()) / flops;
    for (size_t n = 0; n < seconds.size(); ++n) seconds[n] += std::max(0.0, beyond[n]) * rate;
  }
  release_cached_memory();
  reset_memory_peak();
  return seconds;
}

}  // namespace sga::consingan
