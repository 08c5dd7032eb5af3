// Pictures from a trained model. Each call gives one picture (1,H,W,C), in about [-1,1]; partly trained
// models work.
#pragma once
#include "models/singan/model.h"

namespace sga::singan {

struct SampleOptions {
  int start_level = 0;  ///< levels below it reconstruct the picture (z*, no noise)
  double scale_h = 1;   ///< factor of the width
  double scale_v = 1;   ///< factor of the height
};

/// Fresh noise at every level from start_level on. Sizes are round(factor * level size), half to even. With a
/// start level above 0 and factors other than 1, the reconstruction below it is stretched. Errors: no
/// finished level; start_level not finished; factors outside [0.1, 10].
Tensor random_sample(const Model& model, const SampleOptions& options, Rng& rng);

/// z* at level 0 and no noise above: close to the picture if training went well.
Tensor reconstruction(const Model& model);

/// The picture re-drawn from `start_level` on: it loses its detail above level start_level - 1, and the
/// levels from start_level on put detail of the training picture back, with fresh noise. Spec A.10, rule 2.
/// picture (1,H,W,C) in [-1,1]; brought to the training size first. start_level >= 1 and finished.
Tensor inject(const Model& model, const Tensor& picture, int start_level, Rng& rng);

}  // namespace sga::singan
