// Training batches out of a data set of faces.
#pragma once
#include <array>
#include <vector>

#include "models/ganimation/face_set.h"
#include "models/ganimation/training.h"

namespace sga::ganimation {

/// Draws faces and target action units, always with replacement. Everything random comes from the Rng given,
/// so the same state draws the same batch.
class BatchSampler {
 public:
  /// Draws from `faces` (indices into `set`, which must outlive this). `balance` is the share of draws that
  /// first choose an action unit and then a face that shows it (intensity above 1 of 5): in photographs of
  /// people most units are rare, and what a model never sees it cannot draw. 0 is the official uniform draw.
  /// `shift`: every face is moved by up to so many pixels in each direction, its edge repeated.
  BatchSampler(const FaceSet& set, std::vector<int64_t> faces, double balance = 0, int64_t shift = 0);

  /// n faces, each mirrored with probability 1/2, and for each the labels of another draw plus U(-0.1,0.1) an
  /// AU.
  Batch draw(int64_t n, Rng& rng) const;

 private:
  int64_t draw_face(Rng& rng) const;

  const FaceSet& set_;
  std::vector<int64_t> faces_;
  std::vector<std::vector<int64_t>> showing_;  ///< for every AU that some face shows, those faces
  double balance_;
  int64_t shift_;
};

/// These faces without mirroring, their own labels as source and target.
Batch batch_of(const FaceSet& set, const std::vector<int64_t>& faces);

/// The value of every AU that a share `quantile` of the faces does not exceed.
ActionUnits label_quantiles(const FaceSet& set, const std::vector<int64_t>& faces, double quantile);

}  // namespace sga::ganimation
