// Distance of the patches of two pictures, without any trained network: how well a sample has the look of the
// picture it was learnt from, wherever things stand in it.
#pragma once
#include <vector>

#include "models/evaluation/gaussian.h"

namespace sga::evaluation {

constexpr int64_t kPatch = 7;         ///< side of a patch, pixels
constexpr int64_t kResolutions = 3;   ///< full, half, quarter: each the means of 2x2 pixels of the one before
constexpr int64_t kDirections = 64;   ///< patches are projected on
constexpr int64_t kQuantiles = 2000;  ///< of each projection
constexpr int64_t kSmallestPicture = kPatch << (kResolutions - 1);  ///< shorter side, pixels

/// All kPatch x kPatch RGB patches of one resolution: their projections' quantiles (kDirections, kQuantiles),
/// and a Gaussian of the 147 values.
struct PatchStatistics {
  std::vector<float> quantiles;
  Gaussian gaussian;
};
/// picture (1,H,W,3) in [0,1] -> one for each resolution. A last odd row or column has no 2x2 neighbours and
/// is left out. Error if a side is below kSmallestPicture.
///   direction j  v_k = sin(0.731 k + 1.37 j + fmod(0.11 k^2, 7)), scaled to length 1; k counts the values of
///                a patch colour by colour, row by row. Fixed: the same for every picture.
///   quantile i   at i / (kQuantiles - 1), between sorted values linearly
std::vector<PatchStatistics> patch_statistics(const Tensor& picture);

/// Sliced Wasserstein distance: mean |difference| of the quantiles. In units of the picture's values.
/// Source  Rabin et al. 2011; for patches of one picture, Elnekave and Weiss 2022, arXiv:2203.12285.
double sliced_wasserstein(const PatchStatistics& a, const PatchStatistics& b);
/// Frechet distance of the Gaussians, divided by the 147 values.
double patch_frechet(const PatchStatistics& a, const PatchStatistics& b);

}  // namespace sga::evaluation
