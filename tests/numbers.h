// Fixed pseudo-random numbers for tests of kernels.
#pragma once
#include <vector>

#include "kernels/random.h"

namespace sga {

/// n standard normal numbers, others for another seed.
inline std::vector<float> noise(int64_t n, uint64_t seed) {
  std::vector<float> v(static_cast<size_t>(n));
  kernels::normal(Cpu{}, seed, 0, v.data(), n);
  return v;
}
/// n numbers in mean +- width, even.
inline std::vector<float> numbers_around(float mean, float width, int64_t n, uint64_t seed) {
  std::vector<float> v(static_cast<size_t>(n));
  kernels::uniform(Cpu{}, seed, 0, v.data(), n);
  for (float& x : v) x = mean + width * (2 * x - 1);
  return v;
}
/// n numbers in [-1,1).
inline std::vector<float> numbers(int64_t n, uint64_t seed) { return numbers_around(0, 1, n, seed); }

template <class T>
std::vector<double> doubles(const std::vector<T>& v) {
  return {v.begin(), v.end()};
}

}  // namespace sga
