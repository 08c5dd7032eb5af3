// The training steps that are timed and compared: networks drawn from a seed, random inputs of the right
// extents.
#pragma once
#include <string>

#include "engine/ops.h"
#include "models/ganimation/training.h"
#include "models/singan/training.h"

namespace sga::bench {

/// An iteration of one SinGAN level. Priors are given: making them is the work of the levels below.
struct SinganStep {
  singan::Config config;
  singan::LevelTraining level;
  singan::Draws draws;

  singan::LossesOf<Tensor> run() {
    return singan::train_iteration(level, config, draws, [] { return 5e-4; });
  }
};

inline SinganStep make_singan_step(const std::string& preset, int64_t h, int64_t w, int64_t width) {
  const singan::Config config = singan::preset(preset);
  Rng rng(1);
  const Tensor real = rng.uniform({1, h, w, 3});
  SinganStep step{config,
                  singan::LevelTraining({.width = width, .keep_bias = config.keep_bias}, affine(real, 2, -1)),
                  {}};
  step.level.generator.net.initialise(rng);
  step.level.critic.net.initialise(rng);
  step.level.noise_amp = 0.1;
  step.level.rec_prior = affine(rng.uniform({1, h, w, 3}), 2, -1);
  step.draws.noise = rng.normal({1, h, w, 3});
  step.draws.priors = affine(rng.uniform({config.critic_updates, h, w, 3}), 2, -1);
  for (int64_t i = 0; i < config.critic_updates; ++i)
    step.draws.mix.push_back(full({1}, 0.3 + 0.1 * double(i)));
  return step;
}

/// Sizes of the ten levels of a 188x250 picture in the official pyramid; the default one has eight.
inline std::vector<singan::Size> singan_levels() {
  return singan::make_pyramid(188, 250, singan::preset("official").pyramid).levels;
}

inline ganimation::TrainingConfig ganimation_config(const std::string& recipe, int64_t size, int64_t batch) {
  ganimation::TrainingConfig config = ganimation::recipe(recipe);
  config.generator.size = config.discriminator.size = size;
  config.batch = batch;
  config.epoch_iterations = 1000 * config.critic_steps;
  return config;
}

inline ganimation::Batch ganimation_batch(int64_t size, int64_t batch) {
  Rng rng(1);
  return {affine(rng.uniform({batch, size, size, 3}), 2, -1), rng.uniform({batch, 17}),
          rng.uniform({batch, 17})};
}

}  // namespace sga::bench
