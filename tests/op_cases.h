// One table of op calls, read by the tests: float against double, gradient, second gradient.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/ops.h"

namespace sga {

struct OpCase {
  std::string name;
  std::vector<Shape> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> f;
  double terms = 1;               ///< numbers summed for one output, for the tolerance
  double low = -1.5, high = 1.5;  ///< range of the inputs
  bool second = true;             ///< has a second derivative that is not identically zero or empty
};

/// Small shapes that exercise every op of ops.h, odd extents included.
std::vector<OpCase> op_cases();

/// Fixed pseudo-random values in [low, high], none within 0.05 of 0: away from the kinks of |x| and max(x,
/// 0).
Tensor case_input(const Shape& shape, int seed, double low, double high, Dtype dtype);

}  // namespace sga
