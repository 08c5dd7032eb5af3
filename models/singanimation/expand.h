// SinGANimation: one photograph, N expressions by GANimation, each generated again M times by a SinGAN of its
// own. Source: the thesis, 5.1 and 5.4.4.
#pragma once
#include <string>

#include "models/ganimation/photo_edit.h"
#include "models/singan/sampling.h"
#include "models/singan/training.h"

namespace sga::singanimation {

/// Where a SinGAN takes the edit in. The thesis counts scales down from N, the coarsest: "N-1" is level 1,
/// "N-2" level 2 of the pyramid. The earlier, the more the face may change. Error on any other name.
int inject_level(const std::string& name);

/// The square of an edited photograph that a SinGAN learns: (1,size,size,3) in [-1,1].
Tensor training_picture(const Image& photo, const FaceBox& box, int64_t size);

/// A SinGAN configuration for faces of `size` pixels.
///   quality  quick, standard, full: iterations for each level
singan::Config face_config(const std::string& quality, uint64_t seed);

/// Iterations for each level of a SinGAN that starts from that of another expression of the same face, where
/// one from fresh weights takes `iterations`: a quarter, but not below 150.
int64_t warm_iterations(int64_t iterations);

/// Seed of sample `index` of expression number `expression`: any sample can be made again without those
/// before it.
uint64_t sample_seed(uint64_t seed, int64_t expression, int64_t index);

/// One variant: the down-sampled edit enters at `level`, every level from there on adds detail with fresh
/// noise.
Image regenerate(const singan::Model& model, const Tensor& picture, int level, uint64_t seed);

}  // namespace sga::singanimation
