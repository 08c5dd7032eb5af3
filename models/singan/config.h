// What a SinGAN is trained with.
#pragma once
#include <algorithm>
#include <string>

#include "engine/checkpoint.h"
#include "models/singan/imresize.h"
#include "models/singan/networks.h"
#include "models/singan/pyramid.h"

namespace sga::singan {

/// How the generator takes its steps of an iteration. The critic stands still meanwhile.
///   official  The fake of the last critic step is never made again: every step walks back through its
///             old activations with the weights as they are by then, as the official code did under
///             PyTorch <= 1.4.
///   fresh     The fake is made again for every step.
///   accum     One gradient, Adam applied with it each time (ConSinGAN).
enum class GeneratorSteps { official, fresh, accum };

/// Fewer iterations hold too few measurements to tell a plateau from noise.
constexpr int64_t kShortestPlateau = 50;

/// Half of what a pixel of a window is made from would be outside of a smaller one.
constexpr int64_t kSmallestCrop = 32;

struct Config {
  PyramidOptions pyramid;
  ResizeStyle resize = ResizeStyle::smooth;
  GeneratorSteps generator_steps = GeneratorSteps::accum;
  bool fixed_code = true;  ///< keep z* of the coarsest level; the official code draws it anew every iteration
  /// Of random samples. Whatever stays close to a picture (priors, reconstructions, injected pictures, walks
  /// around z*, super-resolution) takes running statistics.
  FrozenNorm sample_norm = FrozenNorm::instance;
  bool keep_bias = false;  ///< see NetOptions
  /// Noise maps cover the padding around a level too, where the prior stays zero: the border of the picture
  /// then varies as its middle does, which animation wants (spec A.11). Else they are zero-padded.
  bool noise_padding = false;
  int64_t base_channels = 32;

  int64_t iterations = 2000;  ///< for each level
  int64_t milestone = 0;      ///< iteration at which lr falls to lr * decay; 0 means 0.8 * iterations
  int64_t snapshot_every =
      0;  ///< official: every 500 iterations one more reconstruction enters the statistics; 0: none
  int64_t critic_updates = 3, generator_updates = 3;  ///< Adam steps of each in one iteration
  double lr = 5e-4, decay = 0.1;
  double penalty_weight = 0.1;        ///< of the gradient penalty
  double reconstruction_weight = 10;  ///< alpha
  double noise_weight = 0.1;  ///< noise of level n >= 1: this times RMSE(real, reconstruction from level n-1)
  /// 0, or the iterations after which a level that no longer learns goes on: on the first plateau (plateau.h)
  /// the rate falls as it would at the milestone, on the next the level ends. Compared are the means over
  /// `plateau` iterations and over as many before them.
  int64_t plateau = 0;
  /// 0, or the longest side of what an iteration sees of a level: of a larger one it trains on a window at a
  /// random place, with what lies around it as its border. Memory then follows from the window.
  int64_t crop = 0;
  int64_t bits = 8;  ///< 8 or 16 a channel, of pictures the model makes: as in the file it was trained on
  uint64_t seed = 1;

  int64_t decay_at() const { return milestone ? milestone : iterations * 4 / 5; }
};

/// Whether iterations of a level of this size train on windows of it.
inline bool crops(const Config& config, Size size) {
  return config.crop > 0 && std::max(size.h, size.w) > config.crop;
}

/// "default": the recommended column of spec A.13. "official": everything as tamarott/SinGAN 286d3cd does it.
Config preset(const std::string& name);
/// How long a training is, in iterations a level:
///   quick     150 with one critic step each: at 96 px sharper in less time than 60 with three
///   standard  600 with one critic step
///   full      2000 with three, as published
/// With the official preset the critic keeps its three steps. Error on another name.
void set_quality(Config& config, const std::string& name);

/// Error naming the first value that is out of range.
void check(const Config& config);
/// As metadata "config.NAME"; numbers survive the round trip exactly.
void store(const Config& config, Checkpoint& checkpoint);
/// What a checkpoint of an earlier version does not hold has the value of Config{}.
Config load_config(const Checkpoint& checkpoint);

/// Locale-independent text of a number (shortest that reads back equal) and back; `what` is used in the
/// Error.
std::string to_text(double value);
double parse_double(const std::string& text, const std::string& what);
int64_t parse_int(const std::string& text, const std::string& what);
uint64_t parse_seed(const std::string& text, const std::string& what);

}  // namespace sga::singan
