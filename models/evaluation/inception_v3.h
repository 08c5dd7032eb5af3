// Inception v3 up to its last average pool, whose features FID compares.
#pragma once
#include <map>
#include <string>

#include "models/evaluation/inception_layers.h"

namespace sga::evaluation {

/// Its 94 convolutions by torchvision's names.
std::map<std::string, NormedConvShape> inception_v3_layers();

/// The network in the form that FID is published with (pytorch-fid's FIDInceptionV3): means over 3x3 do not
/// count what lies outside, and the last block takes the maximum instead of the mean. Weights in
/// torchvision's names (Mixed_5b.branch1x1.conv.weight, ..), all under one prefix or none; what else the file
/// holds (fc, AuxLogits) is not looked at.
/// Sources: Szegedy et al. 2016, arXiv:1512.00567; Heusel et al. 2017, arXiv:1706.08500.
class InceptionV3 {
 public:
  static constexpr int64_t kSide = 299, kFeatures = 2048;

  /// Errors naming the tensor that is missing or has another shape.
  explicit InceptionV3(const Checkpoint& weights);

  /// pictures (N,h,w,3) in [0,1], at least 75 a side -> (N,2048).
  Tensor operator()(const Tensor& pictures) const;
  /// Whether the file holds a classifier of ImageNet's 1000 classes (torchvision's) instead of the network of
  /// the FID, which has 1008: the distances of its features are no published FID.
  bool is_torchvision() const { return torchvision_; }

 private:
  Tensor run(const std::string& layers, const Tensor& x) const;
  Tensor block_a(const std::string& name, const Tensor& x) const;
  Tensor block_b(const std::string& name, const Tensor& x) const;
  Tensor block_c(const std::string& name, const Tensor& x) const;
  Tensor block_d(const std::string& name, const Tensor& x) const;
  Tensor block_e(const std::string& name, const Tensor& x, bool last) const;

  std::map<std::string, NormedConv> layers_;
  bool centred_ = true, torchvision_ = false;
};

/// Bilinear between the centres of pixels, as torch's interpolate without aligned corners and without
/// antialiasing: what FID resizes to 299x299 by.
Taps bilinear_centre_taps(int64_t n_in, int64_t n_out);

}  // namespace sga::evaluation
