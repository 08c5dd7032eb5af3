// What a ConSinGAN is trained with.
#pragma once
#include <string>

#include "engine/checkpoint.h"
#include "models/singan/pyramid.h"

namespace sga::consingan {

/// Defaults are those of the paper (Hinz et al. 2021, arXiv:2003.11512) for generation.
struct Config {
  int64_t min_size = 25;   ///< short side of the coarsest level, pixels
  int64_t max_size = 250;  ///< longest side of the finest level, pixels
  int64_t stages = 6;      ///< of the generator, one a level; more keep the layout of the picture better
  int64_t concurrent = 3;  ///< so many of the newest stages are trained together, those before stand still
  double lr_scale = 0.1;   ///< each stage below the newest learns at this times the rate of the one above
  int64_t channels = 64;
  int64_t layers = 3;  ///< convolutions of a stage

  int64_t iterations = 2000;                          ///< for each level
  int64_t critic_updates = 3, generator_updates = 3;  ///< Adam steps of each in one iteration
  double lr = 5e-4, decay = 0.1;                      ///< lr falls to lr * decay after 0.8 * iterations
  double penalty_weight = 0.1;                        ///< of the gradient penalty
  double reconstruction_weight = 10;
  double noise_weight = 0.1;  ///< noise of level n >= 1: this times RMSE(real, reconstruction without it)
  int64_t bits = 8;  ///< 8 or 16 a channel, of pictures the model makes: as in the file it was trained on
  uint64_t seed = 1;

  int64_t decay_at() const { return iterations * 4 / 5; }
};

/// quick 400 iterations a level with one critic step, standard 800 with one, full 2000 with three, as
/// published. More than SinGAN's: without normalisation the start is slow. Error on another name.
void set_quality(Config& config, const std::string& name);
/// Error naming the first value that is out of range.
void check(const Config& config);
/// As metadata "config.NAME"; numbers survive the round trip exactly.
void store(const Config& config, Checkpoint& checkpoint);
Config load_config(const Checkpoint& checkpoint);

/// Sizes of the levels of a picture of `height` x `width`, coarsest first. With N = stages - 1, s the short
/// side of the finest level and r = (min_size / s)^(1/N), level n < N is the finest one times
///   r^(1 + (N-1) / ln N * ln(N-n))                                              rounded up
/// so neighbours lie closer at coarse levels, where layout is learned, than at fine ones: 188x250 (h x w)
/// gives 25x34, 32x42, 42x56, 63x84, 126x167, 188x250. `ratio` of the result is r. Errors as
/// singan::make_pyramid.
singan::Pyramid make_pyramid(int64_t height, int64_t width, const Config& config);

}  // namespace sga::consingan
