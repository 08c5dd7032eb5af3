// Trainings of the official code (tamarott/SinGAN): its TrainedModels folder as a model of ours.
#pragma once
#include "models/singan/model.h"

namespace sga::singan {

/// The folder that holds Gs.pth: `given`, or the only folder scale_factor=... in it. Error if there is none,
/// or more than one.
fs::path official_folder(const fs::path& given);

/// The model in TrainedModels/NAME/scale_factor=...,alpha=..., finished or not: the generators of Gs.pth with
/// their running statistics, z* from Zs.pth, the noise of every level from NoiseAmp.pth, the sizes and the
/// picture from reals.pth. The configuration is the preset official with what the folder tells: scale factor
/// and alpha from its name, the iterations from the count of the running statistics, the widths from the
/// weights.
///   ratio   Nothing stores it. It is what the official formula gives for the sizes of reals.pth; for sizes
///           that its default pyramid of more levels would have, the ratio of that; else the middle of the
///           ratios that give these sizes.
///   image   The finest of reals.pth, a sixteenth of a level brighter, so that truncation to 8 bits gives
///   back
///           its bytes: 1..63 lose a level otherwise (spec A.3).
/// Errors, which name the file: those of decode_torch_file; a tensor that is missing, superfluous or of
/// another shape; networks of other depth, kernel or channels; noise in the border of z* (trained with noise
/// padding) or at a level above 0; levels that no ratio gives.
Model import_official(const fs::path& folder);

/// What the official training shows as N/G(z_opt).png: the reconstruction by level N, which is still in
/// training mode, so that the statistics of the image normalise it. The levels below use running statistics.
Tensor training_reconstruction(const Model& model, int level);

}  // namespace sga::singan
