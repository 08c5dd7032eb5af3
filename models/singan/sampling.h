// Pictures from a trained model. Each call gives one picture (1,H,W,C), in about [-1,1]; partly trained
// models work.
#pragma once
#include <optional>

#include "models/singan/noise.h"

namespace sga::singan {

struct SampleOptions {
  int start_level = 0;               ///< levels below it reconstruct the picture (z*, no noise)
  double scale_h = 1;                ///< factor of the width
  double scale_v = 1;                ///< factor of the height
  std::optional<FrozenNorm> norm{};  ///< empty: Config::sample_norm, with a mask running
};

/// How noise acts on a sample, beside what it is drawn from.
struct NoiseOptions {
  double gain = 1;  ///< factor of the noise at every level from start_level on, 0 to 100
  /// Where the sample may differ from the reconstruction: (1,H,W,1) in [0,1], of the size of the sample, 0 is
  /// nowhere; or empty. Every level has the mask m, antialiased to its size, and takes as noise
  ///   m * noise + (1 - m) * z*         z* is zero above level 0
  /// and as its output m * output + (1 - m) * reconstruction at this level. So the sample equals the
  /// reconstruction wherever the mask is 0, and what surrounds a hole at a level is what the levels above it
  /// see around it.
  Tensor mask = {};
};

/// Levels from start_level on with the noise of `field`. Sizes are round(factor * level size), half to even.
/// With a start level above 0 and factors other than 1, the reconstruction below it is stretched. Errors: no
/// finished level; start_level not finished; factors outside [0.1, 100] or a picture beyond the limits of
/// engine/image.h; a mask of another size, or with factors.
Climb sample_climb(const Model& model, const SampleOptions& options, const NoiseField& field,
                   const NoiseOptions& noise = {});
/// Fresh noise: the whole of sample_climb.
Tensor random_sample(const Model& model, const SampleOptions& options, Rng& rng);

/// z* at level 0 and no noise above: close to the picture if training went well.
Tensor reconstruction(const Model& model);

/// The picture re-drawn from `start_level` on: it loses its detail above level start_level - 1, and the
/// levels from start_level on put detail of the training picture back, with fresh noise. Spec A.10, rule 2.
/// picture (1,H,W,C) in [-1,1]; brought to the training size first. start_level >= 1 and finished.
Tensor inject(const Model& model, const Tensor& picture, int start_level, Rng& rng);

}  // namespace sga::singan
