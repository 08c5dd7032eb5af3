#include "models/evaluation/inception.h"

#include <algorithm>
#include <cmath>

namespace sga::evaluation {
namespace {

constexpr double kEps = 1e-3;

struct LayerKind {
  const char* name;
  int64_t in, out, side;
  ConvGeometry geometry;
};
const LayerKind kLayers[] = {{"Conv2d_1a_3x3", 3, 32, 3, {2, 0}},
                             {"Conv2d_2a_3x3", 32, 32, 3, {1, 0}},
                             {"Conv2d_2b_3x3", 32, 64, 3, {1, 1}},
                             {"Conv2d_3b_1x1", 64, 80, 1, {1, 0}},
                             {"Conv2d_4a_3x3", 80, 192, 3, {1, 0}}};

std::string prefix_of(const Checkpoint& weights) {
  const std::string name = std::string(kLayers[0].name) + ".conv.weight";
  for (const auto& [key, tensor] : weights.tensors)
    if (key.ends_with(name)) return key.substr(0, key.size() - name.size());
  fail(weights.origin, " holds no tensor ", name,
       "; give the weights of Inception v3 as safetensors, with the names torchvision gives them");
}

// Entries begin, begin + 2, ... of an axis: one of the three that a pool of 3 and stride 2 compares.
Taps every_second(int64_t n, int64_t begin) {
  Taps taps{n, (n - 3) / 2 + 1, {}, {}, {}};
  for (int64_t o = 0; o < taps.n_out; ++o) {
    taps.first.push_back(int32_t(o));
    taps.index.push_back(int32_t(2 * o + begin));
    taps.weight.push_back(1);
  }
  taps.first.push_back(int32_t(taps.n_out));
  return taps;
}

Tensor maximum(const Tensor& a, const Tensor& b) { return add(b, leaky_relu(sub(a, b), 0)); }

// 3x3, stride 2, no padding.
Tensor max_pool(const Tensor& x) {
  Tensor pooled;
  for (int64_t r = 0; r < 3; ++r)
    for (int64_t s = 0; s < 3; ++s) {
      const Tensor picked = resize(x, every_second(x.dim(1), r), every_second(x.dim(2), s));
      pooled = pooled ? maximum(pooled, picked) : picked;
    }
  return pooled;
}

Tensor as_rows(const Tensor& map) { return reshape(map, {map.dim(1) * map.dim(2), map.dim(3)}); }

}  // namespace

InceptionStem::InceptionStem(const Checkpoint& weights) {
  const std::string prefix = prefix_of(weights);
  for (const LayerKind& kind : kLayers) {
    const std::string name = prefix + kind.name;
    if (layers_.size() == 3 && !weights.tensors.contains(name + ".conv.weight")) break;
    const auto numbers = [&](const char* part) {
      return to_host<double>(weights.get(name + ".bn." + part, {kind.out}));
    };
    const auto gamma = numbers("weight"), beta = numbers("bias"), mean = numbers("running_mean"),
               var = numbers("running_var");
    const auto filters =
        to_host<double>(weights.get(name + ".conv.weight", {kind.out, kind.in, kind.side, kind.side}));
    const int64_t area = kind.side * kind.side;
    std::vector<double> folded(filters.size()), bias(size_t(kind.out));
    for (int64_t k = 0; k < kind.out; ++k) {
      const auto i = size_t(k);
      SGA_CHECK(var[i] + kEps > 0, weights.origin, ": ", name, ".bn.running_var holds ", var[i],
                ", a variance is not negative");
      const double scale = gamma[i] / std::sqrt(var[i] + kEps);
      bias[i] = beta[i] - mean[i] * scale;
      for (int64_t c = 0; c < kind.in; ++c)  // (K,C,R,S) to (K,R,S,C)
        for (int64_t p = 0; p < area; ++p)
          folded[size_t((k * area + p) * kind.in + c)] =
              scale * filters[size_t((k * kind.in + c) * area + p)];
    }
    layers_.push_back({from_host({kind.out, kind.side, kind.side, kind.in}, folded, Dtype::f32),
                       from_host({kind.out}, bias, Dtype::f32), kind.geometry});
  }
  if (const auto range = weights.metadata.find("input_range"); range != weights.metadata.end()) {
    SGA_CHECK(range->second == "0 1" || range->second == "-1 1", weights.origin,
              ": the metadata \"input_range\" must be \"0 1\" or \"-1 1\", got \"", range->second, "\"");
    centred_ = range->second == "-1 1";
  }
}

Tensor InceptionStem::run(size_t layer, const Tensor& x) const {
  const Layer& l = layers_[layer];
  return leaky_relu(conv_bias_act(x, l.weight, l.bias, l.geometry), 0);
}

InceptionStem::Features InceptionStem::operator()(const Tensor& picture) const {
  SGA_CHECK(picture.rank() == 4 && picture.dim(0) == 1 && picture.dim(3) == 3,
            "InceptionStem: the picture must be (1,H,W,3), got ", picture.shape());
  SGA_CHECK(std::min(picture.dim(1), picture.dim(2)) >= smallest_picture(), "the picture has ",
            picture.dim(2), "x", picture.dim(1), " pixels, these features need at least ", smallest_picture(),
            " on each side");
  NoGrad off;
  Tensor x = centred_ ? affine(picture, 2, -1) : picture;
  for (size_t layer = 0; layer < 3; ++layer) x = run(layer, x);
  Features features{as_rows(x), {}};
  if (has_second()) features.second = as_rows(run(4, run(3, max_pool(x))));
  return features;
}

}  // namespace sga::evaluation
