// A SinGAN: the pyramid of one picture and the generators trained on it so far.
#pragma once
#include <functional>
#include <vector>

#include "engine/checkpoint.h"
#include "engine/random.h"
#include "models/singan/config.h"

namespace sga::singan {

struct Level {
  Generator generator;
  FrozenGenerator frozen;
  double noise_amp = 1;
  Tensor palette{};  ///< (K,C): the colours that its priors are reduced to; empty but for a level trained for
                     ///< painting
};

/// Level 0 is the coarsest. `levels` holds the finished ones: it may be shorter than the pyramid.
struct Model {
  Config config;
  Pyramid pyramid;
  Tensor image;  ///< (1,H,W,C) in [-1,1], of the finest level's size; C is 1, 3 or 4 (alpha last)
  std::vector<Tensor> reals;  ///< the picture at every level
  std::vector<Level> levels;
  Tensor code;  ///< z* (1,h,w,1) of level 0's noise_size, the noise that reconstructs the picture

  int finished() const { return static_cast<int>(levels.size()); }
  Size size(int level) const { return pyramid.levels[static_cast<size_t>(level)]; }
  int64_t channels() const { return image.dim(3); }
  Dtype dtype() const { return image.dtype(); }
};

/// No level yet; z* is drawn when training starts. picture (1,H,W,C) in [-1,1], any size the pyramid accepts.
Model make_model(const Config& config, const Tensor& picture);
NetOptions net_options(const Model& model, int level);

void store(const Model& model, Checkpoint& checkpoint);
/// The palette stored under `key`, or an empty tensor.
Tensor load_palette(const Checkpoint& checkpoint, const std::string& key);
/// Error if the checkpoint holds another kind of model or does not fit together.
Model load_model(const Checkpoint& checkpoint);
/// One safetensors file.
void save_model(const fs::path& path, const Model& model);
Model load_model(const fs::path& path);

// ---- passing an image up the pyramid; nothing here records a graph

/// Size of the noise map for a level of `size`: the same, or kBorder more on every side with noise padding.
Size noise_size(const Config& config, Size size);
/// Standard normal (1,h,w,C) for a level of `size`, h and w of its noise_size; at level 0 one channel, C
/// times.
Tensor draw_noise(const Model& model, int level, Size size, Rng& rng);
/// z* for level 0's generator: (1,h,w,C).
Tensor code_noise(const Model& model);

/// What a generator takes: noise_amp * noise + prior, and the prior, both zero-padded by kBorder. `noise` may
/// be empty, or have the padded size already (noise padding).
struct GeneratorInput {
  Tensor z, prev;
};
GeneratorInput generator_input(const Tensor& noise, double noise_amp, const Tensor& prior);
/// The same for a prior that is padded already.
GeneratorInput padded_input(const Tensor& noise, double noise_amp, const Tensor& prev);

/// Finished level n applied to a prior (N,h,w,C) and noise of its noise_size or empty -> (N,h,w,C).
Tensor run_level(const Model& model, int n, const Tensor& noise, const Tensor& prior,
                 FrozenNorm norm = FrozenNorm::running);
/// From one level to the next, of size `size`. Official: by 1/r, then cut at the right and the bottom.
Tensor rise(const Model& model, const Tensor& x, Size size);

/// The image below level n, at level n's size: zeros at level 0, else the outputs of levels 0..n-1 with the
/// noise that `noise_at(level)` gives (empty: none).
Tensor prior(const Model& model, int n, const std::function<Tensor(int)>& noise_at);
/// `count` independent priors as one batch.
Tensor random_priors(const Model& model, int n, int64_t count, Rng& rng);
/// The prior of the reconstruction: z* at level 0, no noise above.
Tensor reconstruction_prior(const Model& model, int n);

}  // namespace sga::singan
