// What the layers of Inception v3 are made of, from torchvision's tensors.
#pragma once
#include <string>

#include "engine/checkpoint.h"
#include "engine/ops.h"

namespace sga::evaluation {

/// Convolution, batch normalisation (eps 1e-3, running statistics) and ReLU; the normalisation is folded in.
struct NormedConv {
  Tensor weight, bias;  ///< (K,R,S,C), (K)
  int64_t stride = 1;
  Border border;  ///< zeros around x
  Tensor operator()(const Tensor& x) const;
};

/// x (N,H,W,C) of `in` channels -> `out`, by filters of height x width.
struct NormedConvShape {
  int64_t in = 0, out = 0, height = 1, width = 1, stride = 1, pad_height = 0, pad_width = 0;
};
/// Tensors NAME.conv.weight (K,C,R,S) and NAME.bn.{weight,bias,running_mean,running_var}. Errors naming the
/// tensor that is missing or has another shape.
NormedConv load_normed_conv(const Checkpoint& weights, const std::string& name, const NormedConvShape& shape);

/// What stands before Conv2d_1a_3x3.conv.weight, for example "backbone."; Error if there is no such tensor.
std::string inception_prefix(const Checkpoint& weights);
/// Whether pictures enter as 2x - 1: the metadata "input_range", "-1 1" (or absent) or "0 1".
bool enters_centred(const Checkpoint& weights);

/// The largest of 3x3, stride 2, no padding: (H-3)/2+1 of each side.
Tensor max_pool(const Tensor& x);
/// The largest of 3x3 around every pixel, and the mean; what lies outside does not count.
Tensor max_around(const Tensor& x);
Tensor mean_around(const Tensor& x);

}  // namespace sga::evaluation
