#include "layers/init.h"

#include "engine/ops.h"

namespace sga {

Tensor init_normal(Rng& rng, const Shape& shape, double mean, double stddev, Dtype dtype) {
  NoGrad off;
  return affine(rng.normal(shape, dtype), stddev, mean);
}

Tensor init_uniform(Rng& rng, const Shape& shape, double bound, Dtype dtype) {
  NoGrad off;
  return affine(rng.uniform(shape, dtype), 2 * bound, -bound);
}

}  // namespace sga
