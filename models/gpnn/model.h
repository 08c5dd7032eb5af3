// GPNN: pictures made of a picture's own patches, without training. Granot et al. 2022, arXiv:2103.15545.
//
// Coarse to fine, as SinGAN: a level takes the picture from below, enlarged, and exchanges every patch of it
// for its nearest neighbour. Neighbours are looked for among the patches of the training picture as blurred
// as what comes from below, and their sharp twins are taken.
#pragma once
#include <limits>
#include <vector>

#include "engine/checkpoint.h"
#include "engine/random.h"
#include "models/singan/sampling.h"

namespace sga::gpnn {

struct Config {
  singan::PyramidOptions pyramid{.min_size = 14};
  int64_t patch = 7;  ///< side of a patch, pixels
  int rounds = 10;    ///< exchanges a level; one alone where a sample begins
  /// Standard deviation of the noise where a sample begins, for pixels in [0,1].
  double noise = 0.75;
  /// Completeness where a sample has another shape than the picture, for pixels in [0,1]; see PatchSearch.
  double alpha = 0.005;
  int64_t bits = 8;  ///< 8 or 16 a channel, of pictures the model makes
  uint64_t seed = 1;
};

/// Level 0 is the coarsest. Nothing is learned: everything follows from the picture.
struct Model {
  Config config;
  singan::Pyramid pyramid;
  Tensor image;               ///< (1,H,W,C) in [-1,1], of the finest level's size
  std::vector<Tensor> reals;  ///< the picture at every level

  int finished() const { return pyramid.count(); }
  singan::Size size(int level) const { return pyramid.levels[static_cast<size_t>(level)]; }
};

/// Error naming the first value that is out of range.
void check(const Config& config);
/// picture (1,H,W,C) in [-1,1], any size the pyramid accepts.
Model make_model(const Config& config, const Tensor& picture);

void store(const Model& model, Checkpoint& checkpoint);
/// Error if the checkpoint holds another kind of model or does not fit together.
Model load_model(const Checkpoint& checkpoint);
void save_model(const fs::path& path, const Model& model);

/// The picture at the start level, stretched to the size asked for, with noise, is what all begins with.
/// Levels from there on exchange its patches. Factors other than 1 ask for completeness, so that nothing of
/// the picture is lost. Errors: start_level outside the model; factors outside [0.1, 10].
Tensor random_sample(const Model& model, const singan::SampleOptions& options, Rng& rng);
/// The picture itself.
Tensor reconstruction(const Model& model);
/// The given picture, made of the model's patches from `start_level` on: its layout as it is at level
/// start_level - 1, the details of the training picture. There is no noise in it. 1 <= start_level.
Tensor inject(const Model& model, const Tensor& picture, int start_level, Rng& rng);

}  // namespace sga::gpnn
