// Initialisers: fresh tensors of random values.
#pragma once
#include "engine/random.h"

namespace sga {

/// N(mean, stddev^2)
Tensor init_normal(Rng& rng, const Shape& shape, double mean, double stddev, Dtype dtype);
/// U(-bound, bound); PyTorch's default for a convolution and its bias is bound = 1/sqrt(fan_in).
Tensor init_uniform(Rng& rng, const Shape& shape, double bound, Dtype dtype);

}  // namespace sga
