// Seeded random numbers: Philox 4x32-10, equal bits on every device.
#pragma once
#include <cstdint>

#include "engine/tensor.h"

namespace sga {

/// A stream of random tensors. Its whole state is (seed, counter): store both to resume exactly. A captured
/// step (StepGraph) draws new tensors at each replay; the Rng must live, at its place, as long as the step.
class Rng {
 public:
  explicit Rng(uint64_t seed = 0, uint64_t counter = 0) : seed_(seed), counter_(counter) {}
  /// Standard normal.
  Tensor normal(const Shape& shape, Dtype dtype = Dtype::f32);
  /// Rows [top, top + h) and columns [left, left + w) of what normal(whole) would draw now, bit by bit; the
  /// stream stays where it is. whole (1,H,W,C) -> (1,h,w,C). Not in a captured step.
  Tensor normal_window(const Shape& whole, int64_t top, int64_t left, int64_t h, int64_t w,
                       Dtype dtype = Dtype::f32) const;
  /// Uniform in [0,1).
  Tensor uniform(const Shape& shape, Dtype dtype = Dtype::f32);
  /// One uniform number in [0,1) on the host.
  double uniform();
  /// A whole number in [0, n) on the host.
  uint64_t below(uint64_t n);
  /// An independent stream, the same for the same label.
  Rng fork(uint64_t label) const;

  uint64_t seed() const { return seed_; }
  uint64_t counter() const { return counter_; }

 private:
  uint64_t seed_, counter_;
};

}  // namespace sga
