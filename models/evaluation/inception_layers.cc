#include "models/evaluation/inception_layers.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace sga::evaluation {
namespace {

constexpr double kEps = 1e-3;

// One row for each output, from what each is made of.
Taps taps_of(int64_t n_in, const std::vector<std::vector<std::pair<int64_t, double>>>& rows) {
  Taps taps{n_in, int64_t(rows.size()), {0}, {}, {}};
  for (const auto& row : rows) {
    for (const auto& [index, weight] : row) {
      taps.index.push_back(int32_t(index));
      taps.weight.push_back(weight);
    }
    taps.first.push_back(int32_t(taps.index.size()));
  }
  return taps;
}

// Entries begin, begin + 2, ... of an axis: one of the three that a pool of 3 and stride 2 compares.
Taps every_second(int64_t n, int64_t begin) {
  std::vector<std::vector<std::pair<int64_t, double>>> rows;
  for (int64_t o = 0; o < (n - 3) / 2 + 1; ++o) rows.push_back({{2 * o + begin, 1.0}});
  return taps_of(n, rows);
}

// The entry `by` further on; at the end the last again, which changes no maximum.
Taps shifted(int64_t n, int64_t by) {
  std::vector<std::vector<std::pair<int64_t, double>>> rows;
  for (int64_t o = 0; o < n; ++o) rows.push_back({{std::clamp<int64_t>(o + by, 0, n - 1), 1.0}});
  return taps_of(n, rows);
}

Taps mean_of_three(int64_t n) {
  std::vector<std::vector<std::pair<int64_t, double>>> rows;
  for (int64_t o = 0; o < n; ++o) {
    const int64_t begin = std::max<int64_t>(o - 1, 0), end = std::min(o + 2, n);
    rows.emplace_back();
    for (int64_t i = begin; i < end; ++i) rows.back().emplace_back(i, 1 / double(end - begin));
  }
  return taps_of(n, rows);
}

Tensor maximum(const Tensor& a, const Tensor& b) { return add(b, leaky_relu(sub(a, b), 0)); }

Tensor largest_of(const Tensor& x, Taps (*picked)(int64_t, int64_t), int64_t from) {
  Tensor pooled;
  for (int64_t r = from; r < from + 3; ++r)
    for (int64_t s = from; s < from + 3; ++s) {
      const Tensor part = resize(x, picked(x.dim(1), r), picked(x.dim(2), s));
      pooled = pooled ? maximum(pooled, part) : part;
    }
  return pooled;
}

}  // namespace

Tensor NormedConv::operator()(const Tensor& x) const {
  const Tensor& padded = border.top || border.left ? pad(x, border) : x;
  return leaky_relu(conv_bias_act(padded, weight, bias, {stride, 0}), 0);
}

NormedConv load_normed_conv(const Checkpoint& weights, const std::string& name, const NormedConvShape& s) {
  const auto numbers = [&](const char* part) {
    return to_host<double>(weights.get(name + ".bn." + part, {s.out}));
  };
  const auto gamma = numbers("weight"), beta = numbers("bias"), mean = numbers("running_mean"),
             var = numbers("running_var");
  const auto filters = to_host<double>(weights.get(name + ".conv.weight", {s.out, s.in, s.height, s.width}));
  const int64_t area = s.height * s.width;
  std::vector<double> folded(filters.size()), bias(size_t(s.out));
  for (int64_t k = 0; k < s.out; ++k) {
    const auto i = size_t(k);
    SGA_CHECK(var[i] + kEps > 0, weights.origin, ": ", name, ".bn.running_var holds ", var[i],
              ", a variance is not negative");
    const double scale = gamma[i] / std::sqrt(var[i] + kEps);
    bias[i] = beta[i] - mean[i] * scale;
    for (int64_t c = 0; c < s.in; ++c)  // (K,C,R,S) to (K,R,S,C)
      for (int64_t p = 0; p < area; ++p)
        folded[size_t((k * area + p) * s.in + c)] = scale * filters[size_t((k * s.in + c) * area + p)];
  }
  return {from_host({s.out, s.height, s.width, s.in}, folded, Dtype::f32),
          from_host({s.out}, bias, Dtype::f32),
          s.stride,
          {s.pad_height, s.pad_height, s.pad_width, s.pad_width}};
}

std::string inception_prefix(const Checkpoint& weights) {
  const std::string name = "Conv2d_1a_3x3.conv.weight";
  for (const auto& [key, tensor] : weights.tensors)
    if (key.ends_with(name)) return key.substr(0, key.size() - name.size());
  fail(weights.origin, " holds no tensor ", name,
       "; give the weights of Inception v3 as safetensors, with the names torchvision gives them");
}

bool enters_centred(const Checkpoint& weights) {
  const auto range = weights.metadata.find("input_range");
  if (range == weights.metadata.end()) return true;
  SGA_CHECK(range->second == "0 1" || range->second == "-1 1", weights.origin,
            ": the metadata \"input_range\" must be \"0 1\" or \"-1 1\", got \"", range->second, "\"");
  return range->second == "-1 1";
}

Tensor max_pool(const Tensor& x) { return largest_of(x, every_second, 0); }
Tensor max_around(const Tensor& x) { return largest_of(x, shifted, -1); }
Tensor mean_around(const Tensor& x) { return resize(x, mean_of_three(x.dim(1)), mean_of_three(x.dim(2))); }

}  // namespace sga::evaluation
