// Initialisers: fresh tensors of random values.
#pragma once
#include "engine/random.h"

namespace sga {

/// N(mean, stddev^2)
Tensor init_normal(Rng& rng, const Shape& shape, double mean, double stddev, Dtype dtype);
/// U(-bound, bound); PyTorch's default for a convolution and its bias is bound = 1/sqrt(fan_in).
Tensor init_uniform(Rng& rng, const Shape& shape, double bound, Dtype dtype);

/// While one lives, this thread's initialisers draw nothing and give zeros: for networks whose weights are loaded
/// right after. Drawing them takes longer than reading them.
class NoInit {
 public:
  NoInit();
  ~NoInit();
  NoInit(const NoInit&) = delete;
  NoInit& operator=(const NoInit&) = delete;

 private:
  bool before_;
};

}  // namespace sga
