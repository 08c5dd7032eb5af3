// Super-resolution: the finest generator applied again and again, each time after a small enlargement.
// Source: SinGAN 4.1, spec A.9.
#pragma once
#include "models/singan/climb.h"

namespace sga::singan {

/// The enlargement by `factor` in `count` equal steps.
struct SuperResolutionSteps {
  int count = 1;
  double step = 1;  ///< factor^(1/count)
};
/// As many steps as bring one closest to 1/ratio, at least one. A ratio above 0.95, which no --scale-factor
/// asks for, comes of a picture hardly larger than its coarsest level or of a pyramid of one level, and says
/// nothing about steps: they are then those of the official code, 2^(1/3). Error unless factor is 1 to 16 and
/// ratio in (0,1].
SuperResolutionSteps super_resolution_steps(double factor, double ratio);

/// What to train with so that the finest generator fits the steps: reconstruction weight 100, the fake made
/// again for every generator step, coarsest side 18, ratio 1/step exactly (factors below 1.13 have larger
/// ones: 2^(-1/3)) and no limit on the finest level but the picture's own size. `name` as in preset();
/// "official" has the pyramid of spec A.9, whose ratio is not that of the steps.
Config super_resolution_preset(const std::string& name, double factor);

struct SuperResolution {
  Climb climb;
  Size size;  ///< round(factor * picture); the climb may be a few pixels larger at the right and the bottom
};
/// picture (1,h,w,C) in [-1,1], of any size. Every step enlarges, adds fresh noise of the finest level's
/// amplitude unless `noise` is false, and applies the finest generator; with `back_project` it then puts
/// right what the result, shrunk, shows otherwise than the picture. Error if the model is not fully trained.
SuperResolution super_resolution(const Model& model, const Tensor& picture, double factor, bool noise,
                                 bool back_project, Rng& rng);

}  // namespace sga::singan
