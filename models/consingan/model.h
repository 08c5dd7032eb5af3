// A ConSinGAN: the pyramid of one picture, the generator grown on it so far, and pictures from it.
#pragma once
#include <functional>
#include <vector>

#include "engine/checkpoint.h"
#include "models/consingan/config.h"
#include "models/consingan/networks.h"
#include "models/singan/sampling.h"

namespace sga::consingan {

/// Level 0 is the coarsest. The generator is that of the last finished level: it has one stage for each, and
/// draws pictures of that level's size. Copies share their tensors.
struct Model {
  Config config;
  singan::Pyramid pyramid;
  Tensor image;               ///< (1,H,W,C) in [-1,1], of the finest level's size
  std::vector<Tensor> reals;  ///< the picture at every level
  GrowingGenerator generator;
  std::vector<double> noise_amp;  ///< of every finished level

  int finished() const { return static_cast<int>(noise_amp.size()); }
  Size size(int level) const { return pyramid.levels[static_cast<size_t>(level)]; }
  int64_t channels() const { return image.dim(3); }
  Dtype dtype() const { return image.dtype(); }
};

/// No level yet. picture (1,H,W,C) in [-1,1], any size the pyramid accepts.
Model make_model(const Config& config, const Tensor& picture);

void store(const Model& model, Checkpoint& checkpoint);
/// Error if the checkpoint holds another kind of model or does not fit together.
Model load_model(const Checkpoint& checkpoint);
/// One safetensors file, with the metadata model=consingan.
void save_model(const fs::path& path, const Model& model);

/// The reconstruction's noise of level n >= 1: standard normal, always the same for a seed, so no file holds
/// it.
Tensor fixed_noise(const Model& model, const GrowingGenerator& generator, int n);
/// The features after level n of what enters level 0, with the fixed noise above; those of the reconstruction
/// if that is model.reals[0]. noise_amp: of levels 0..n.
Tensor fixed_features(const Model& model, const GrowingGenerator& generator,
                      const std::vector<double>& noise_amp, const Tensor& x, int n);

// ---- pictures (1,H,W,C) of a partly or fully trained model; nothing here records a graph

/// Fresh noise at every level from start_level on; the levels below it are those of the reconstruction. Sizes
/// are round(factor * level size), half to even. Errors: no finished level; start_level not finished; factors
/// outside [0.1, 10].
Tensor random_sample(const Model& model, const singan::SampleOptions& options, Rng& rng);

/// Close to the picture if training went well.
Tensor reconstruction(const Model& model);

/// The picture re-drawn: shrunk to the coarsest level it takes the place that the training picture has in the
/// reconstruction; the levels from start_level on get fresh noise. So it gives the layout, and all detail is
/// that of the training picture; the start level decides how much that varies. A model trained with a larger
/// coarsest level keeps more of the picture. picture (1,H,W,C) in [-1,1], of any size; start_level >= 1 and
/// finished.
Tensor inject(const Model& model, const Tensor& picture, int start_level, Rng& rng);

}  // namespace sga::consingan
