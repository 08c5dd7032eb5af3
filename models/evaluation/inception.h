// The first layers of Inception v3, whose features SIFID compares.
#pragma once
#include <vector>

#include "models/evaluation/inception_layers.h"

namespace sga::evaluation {

/// Convolution, batch normalisation (eps 1e-3, running statistics) and ReLU, in torchvision's names:
///   Conv2d_1a_3x3  3 -> 32, 3x3, stride 2     Conv2d_3b_1x1  64 -> 80, 1x1, after a 3x3 max-pool of stride 2
///   Conv2d_2a_3x3  32 -> 32, 3x3              Conv2d_4a_3x3  80 -> 192, 3x3
///   Conv2d_2b_3x3  32 -> 64, 3x3, padded by 1
/// No resizing. Source: Szegedy et al. 2016, arXiv:1512.00567.
class InceptionStem {
 public:
  /// Tensors NAME.conv.weight (K,C,R,S) and NAME.bn.{weight,bias,running_mean,running_var}, all under one
  /// prefix or none. The last two layers may be missing. The metadata "input_range" is "0 1" where pictures
  /// enter as they are, and "-1 1", or absent, where as 2x - 1 (torchvision's weights). Errors naming the
  /// tensor that is missing or has another shape.
  explicit InceptionStem(const Checkpoint& weights);

  struct Features {
    Tensor first;   ///< (M,64): one row for each place of the map before the first max-pool
    Tensor second;  ///< (M',192): the same before the second, or empty
  };
  /// picture (1,H,W,3) in [0,1]; at least smallest_picture() on each side.
  Features operator()(const Tensor& picture) const;
  bool has_second() const { return layers_.size() == 5; }
  int64_t smallest_picture() const { return has_second() ? 19 : 7; }

 private:
  std::vector<NormedConv> layers_;
  bool centred_ = true;  // pictures enter as 2x - 1
};

}  // namespace sga::evaluation
