// Training a judge of action units on labelled faces.
#pragma once
#include <vector>

#include "models/ganimation/face_set.h"
#include "models/judge/au_regressor.h"
#include "models/judge/augment.h"
#include "optim/adam.h"

namespace sga::judge {

struct TrainingConfig {
  RegressorConfig regressor;
  Augmentation augmentation;
  int64_t batch = 32, iterations = 9000;
  double lr = 1e-3;  ///< falls to 0 along half a cosine
  uint64_t seed = 0;
};

/// Adam (0.9, 0.999) on the mean squared error of the standardised labels, so that rare units count as much
/// as common ones. Faces are drawn with replacement, each seen in another view every time.
class Trainer {
 public:
  /// `faces`: indices into `set`, which must outlive this. Error if there are none.
  Trainer(const TrainingConfig& config, const FaceSet& set, std::vector<int64_t> faces);

  void step();
  /// Of the last step, read from the device. Error if it is not finite.
  double loss() const;
  int64_t iteration() const { return iteration_; }
  bool finished() const { return iteration_ >= config_.iterations; }
  const AuRegressor& regressor() const { return regressor_; }

  /// Everything that decides the rest; load: Error if the checkpoint is of another configuration.
  void store(Checkpoint& checkpoint) const;
  void load(const Checkpoint& checkpoint);

 private:
  TrainingConfig config_;
  const FaceSet& set_;
  std::vector<int64_t> faces_;
  Rng rng_;
  AuRegressor regressor_;
  Adam adam_;
  ActionUnits mean_{}, deviation_{};
  Tensor loss_;
  int64_t iteration_ = 0;
};

/// A judge's readings of faces of a set, one row a face.
std::vector<ActionUnits> read_faces(const AuRegressor& judge, const FaceSet& set,
                                    const std::vector<int64_t>& faces);
/// One row a face of (N,S,S,3) in [-1,1].
std::vector<ActionUnits> read_faces(const AuRegressor& judge, const Tensor& faces);

}  // namespace sga::judge
