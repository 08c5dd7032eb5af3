#include "layers/init.h"

#include "engine/ops.h"

namespace sga {
namespace {
thread_local bool zeros_only = false;
}

NoInit::NoInit() : before_(zeros_only) { zeros_only = true; }
NoInit::~NoInit() { zeros_only = before_; }

Tensor init_normal(Rng& rng, const Shape& shape, double mean, double stddev, Dtype dtype) {
  if (zeros_only) return zeros(shape, dtype);
  NoGrad off;
  return affine(rng.normal(shape, dtype), stddev, mean);
}

Tensor init_uniform(Rng& rng, const Shape& shape, double bound, Dtype dtype) {
  if (zeros_only) return zeros(shape, dtype);
  NoGrad off;
  return affine(rng.uniform(shape, dtype), 2 * bound, -bound);
}

}  // namespace sga
