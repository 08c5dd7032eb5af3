// A small network that reads action units off a face, trained for judging: no generator ever learns from it.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/random.h"
#include "layers/parameters.h"
#include "models/ganimation/action_units.h"

namespace sga::judge {

struct RegressorConfig {
  int64_t size = 96;   ///< side of the square it sees, a multiple of 16
  int64_t width = 16;  ///< channels of the first stage; they double from stage to stage
};

/// Four stages of two 3x3 convolutions with batch normalisation and leaky ReLU 0.1, the first of each with
/// stride 2, channels w, 2w, 4w, 8w; then one linear map of all that is left to 17 numbers, which are scaled
/// and shifted by deviation and mean of the training labels.
/// Initial filters N(0, 2 / fan_in) (He et al. 2015, arXiv:1502.01852).
class AuRegressor {
 public:
  AuRegressor(const RegressorConfig& config, Rng& rng);

  /// For training: x (N,S,S,3) in [-1,1] -> (N,17), standardised: (label - mean) / deviation. Normalises with
  /// the statistics of the batch and moves the running ones.
  Tensor train_forward(const Tensor& x);
  /// x (N,h,h,3) in [-1,1], enlarged or shrunk to S where it is not -> (N,17), unclamped; 1 is OpenFace's 5.
  /// The mean of what is read off the face and off its mirror image, since AUs know no sides.
  Tensor forward(const Tensor& x) const;
  /// What the linear map reads, averaged over places: (N, 8 * width), for distances between sets of faces.
  Tensor features(const Tensor& x) const;

  /// Mean and standard deviation of each AU in the training labels.
  void set_scale(const ActionUnits& mean, const ActionUnits& deviation);

  const RegressorConfig& config() const { return config_; }
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }

 private:
  struct Layer {
    Tensor w, gamma, beta, mean, var;
    int64_t stride;
  };
  Tensor read(const Tensor& face) const;
  Tensor body(const Tensor& face) const;
  Tensor fitted(const Tensor& x) const;

  RegressorConfig config_;
  Parameters parameters_;
  std::vector<Layer> layers_;
  Tensor head_, bias_, label_mean_, label_deviation_;
};

/// Metadata and weights as a model file, `card` with what is known about it, and back. Error naming what is
/// missing or does not fit.
Checkpoint export_regressor(const AuRegressor& regressor, const std::map<std::string, std::string>& card);
AuRegressor load_regressor(const Checkpoint& checkpoint);

}  // namespace sga::judge
