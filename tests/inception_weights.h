// Weights for a whole Inception v3 by a formula, so that no file of 90 MB is needed.
#pragma once
#include <cmath>

#include "models/evaluation/inception_v3.h"

namespace sga::evaluation {

/// Numbers in [-0.5,0.5): a hash of the index, another for every seed.
inline std::vector<double> hashed_numbers(int64_t count, uint64_t seed) {
  std::vector<double> v;
  for (int64_t i = 0; i < count; ++i) {
    uint64_t h = (uint64_t(i) + seed * 1000003) * 0x9E3779B97F4A7C15u;
    h ^= h >> 29, h *= 0xBF58476D1CE4E5B9u, h ^= h >> 32;
    v.push_back(double(h >> 40) / 0x1p24 - 0.5);
  }
  return v;
}

/// In torchvision's names, without a classifier: filters of variance 2 / fan_in, scales and variances
/// around 1.
inline Checkpoint inception_weights() {
  std::map<std::string, Shape> shapes;
  for (const auto& [name, s] : inception_v3_layers()) {
    shapes[name + ".conv.weight"] = {s.out, s.in, s.height, s.width};
    for (const char* part : {"weight", "bias", "running_mean", "running_var"})
      shapes[name + ".bn." + part] = {s.out};
  }
  Checkpoint weights;
  uint64_t seed = 0;
  for (const auto& [name, shape] : shapes) {
    std::vector<double> v = hashed_numbers(shape.numel(), ++seed);
    const bool filters = name.ends_with("conv.weight");
    const bool around_one = name.ends_with("bn.weight") || name.ends_with("running_var");
    const double scale = filters ? std::sqrt(24.0 / double(shape[1] * shape[2] * shape[3])) : 0.2;
    for (double& x : v) x = around_one ? 1 + 0.5 * x : scale * x;
    weights.tensors[name] = from_host(shape, v, Dtype::f32);
  }
  return weights;
}

}  // namespace sga::evaluation
