#include "models/judge/au_regressor.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"
#include "layers/init.h"

namespace sga::judge {
namespace {

constexpr int kStages = 4;
constexpr double kSlope = 0.1, kEps = 1e-5, kMomentum = 0.05;

ConvGeometry same(int64_t stride) { return {stride, 1}; }

// A vector (C) in front of every pixel of x.
Tensor along(const Tensor& v, const Tensor& x) { return expand(v.view({1, v.dim(0)}), {x.dim(0), v.dim(0)}); }

// Left and right exchanged, (N,S,S,3).
Tensor mirrored(const Tensor& x) {
  const auto order = [](int64_t n, bool backwards) {
    Taps taps{n, n, {0}, {}, {}};
    for (int64_t i = 0; i < n; ++i) {
      taps.index.push_back(int32_t(backwards ? n - 1 - i : i));
      taps.weight.push_back(1);
      taps.first.push_back(int32_t(i + 1));
    }
    return taps;
  };
  return resize(x, order(x.dim(1), false), order(x.dim(2), true));
}

}  // namespace

AuRegressor::AuRegressor(const RegressorConfig& config, Rng& rng) : config_(config) {
  SGA_CHECK(config.size >= 32 && config.size <= 512 && config.size % 16 == 0,
            "judge: the side must be a multiple of 16 from 32 to 512, got ", config.size);
  SGA_CHECK(config.width >= 4 && config.width <= 128, "judge: the width must be 4 to 128, got ",
            config.width);
  const auto filters = [&](const Shape& shape) {
    return init_normal(rng, shape, 0, std::sqrt(2.0 / double(shape[1] * shape[2] * shape[3])), Dtype::f32);
  };
  int64_t in = 3;
  for (int i = 0; i < 2 * kStages; ++i) {
    const int64_t out = config.width << (i / 2);
    const std::string name = "layer" + std::to_string(i) + ".";
    layers_.push_back({parameters_.add(name + "weight", filters({out, 3, 3, in})),
                       parameters_.add(name + "gamma", full({out}, 1)),
                       parameters_.add(name + "beta", zeros({out})),
                       parameters_.add(name + "mean", zeros({out}), false),
                       parameters_.add(name + "var", full({out}, 1), false), i % 2 == 0 ? 2 : 1});
    in = out;
  }
  const int64_t left = config.size >> kStages;
  head_ = parameters_.add("head.weight", init_normal(rng, {kActionUnitCount, left, left, in}, 0,
                                                     1 / std::sqrt(double(left * left * in)), Dtype::f32));
  bias_ = parameters_.add("head.bias", zeros({kActionUnitCount}));
  label_mean_ = parameters_.add("label.mean", zeros({kActionUnitCount}), false);
  label_deviation_ = parameters_.add("label.deviation", full({kActionUnitCount}, 1), false);
}

void AuRegressor::set_scale(const ActionUnits& mean, const ActionUnits& deviation) {
  const auto tensor = [](const ActionUnits& v) {
    return from_host<float>({kActionUnitCount}, std::vector<float>(v.begin(), v.end()));
  };
  label_mean_.assign(tensor(mean));
  label_deviation_.assign(tensor(deviation));
}

Tensor AuRegressor::train_forward(const Tensor& input) {
  Tensor x = input;
  for (const Layer& layer : layers_) {
    const Tensor u = conv(x, layer.w, same(layer.stride));
    const Shape shape = u.shape();
    // One image of all rows: statistics of the batch are those of that image.
    const NormResult norm = instance_norm(reshape(u, {1, shape[0] * shape[1], shape[2], shape[3]}),
                                          layer.gamma, layer.beta, kEps, kSlope);
    track_statistics(norm, shape[0] * shape[1] * shape[2], kEps, kMomentum, layer.mean, layer.var);
    x = reshape(norm.y, shape);
  }
  const Tensor y = conv_bias_act(x, head_, bias_, {});
  return reshape(y, {y.dim(0), kActionUnitCount});
}

Tensor AuRegressor::fitted(const Tensor& x) const {
  SGA_CHECK(x.rank() == 4 && x.dim(1) == x.dim(2) && x.dim(3) == 3,
            "judge: faces must be a tensor (N,S,S,3), got ", x.shape());
  if (x.dim(1) == config_.size) return x;
  const double scale = double(config_.size) / double(x.dim(1));
  const Taps taps = bicubic_taps(x.dim(1), config_.size, scale, scale < 1, false);
  return resize(x, taps, taps);
}

Tensor AuRegressor::body(const Tensor& face) const {
  Tensor x = face;
  for (const Layer& layer : layers_) {
    // gamma * (u - mean) / sqrt(var + eps) + beta, folded into the convolution
    const Tensor factor = mul(layer.gamma.detach(), power(affine(layer.var, 1, kEps), -0.5));
    const int64_t k = layer.w.dim(0);
    const Tensor w = mul(layer.w.detach(), expand(reshape(factor, {k, 1, 1, 1}), layer.w.shape()));
    const Tensor b = sub(layer.beta.detach(), mul(layer.mean, factor));
    x = conv_bias_act(x, w, b, same(layer.stride), kSlope);
  }
  return x;
}

Tensor AuRegressor::forward(const Tensor& x) const {
  NoGrad off;
  const Tensor face = fitted(x);
  return affine(add(read(face), read(mirrored(face))), 0.5);
}

Tensor AuRegressor::read(const Tensor& x) const {
  const Tensor y = conv_bias_act(body(x), head_.detach(), bias_.detach(), {});
  const Tensor standard = reshape(y, {y.dim(0), kActionUnitCount});
  return add(mul(standard, along(label_deviation_, standard)), along(label_mean_, standard));
}

Tensor AuRegressor::features(const Tensor& x) const {
  NoGrad off;
  const Tensor f = body(fitted(x));
  const Tensor sums = sum_to(f, {f.dim(0), 1, 1, f.dim(3)});
  return reshape(affine(sums, 1 / double(f.dim(1) * f.dim(2))), {f.dim(0), f.dim(3)});
}

Checkpoint export_regressor(const AuRegressor& regressor, const std::map<std::string, std::string>& card) {
  Checkpoint checkpoint;
  checkpoint.metadata = card;
  checkpoint.metadata["model"] = "au_regressor";
  checkpoint.metadata["format"] = "1";
  checkpoint.metadata["size"] = std::to_string(regressor.config().size);
  checkpoint.metadata["width"] = std::to_string(regressor.config().width);
  regressor.parameters().store(checkpoint, "");
  return checkpoint;
}

AuRegressor load_regressor(const Checkpoint& checkpoint) {
  const auto found = checkpoint.metadata.find("model");
  SGA_CHECK(found != checkpoint.metadata.end() && found->second == "au_regressor", checkpoint.origin,
            " is no judge of action units; give a file that 'evaluate au-train' wrote");
  SGA_CHECK(checkpoint.meta("format") == "1", checkpoint.origin, ": format ", checkpoint.meta("format"),
            " is unknown to this version; it reads format 1");
  const auto whole = [&](const char* key) {
    const std::string& text = checkpoint.meta(key);
    SGA_CHECK(!text.empty() && text.size() < 6 && text.find_first_not_of("0123456789") == std::string::npos,
              checkpoint.origin, ": ", key, " must be a whole number, got '", text, "'");
    return int64_t(std::stoi(text));
  };
  Rng rng(0);
  AuRegressor regressor({whole("size"), whole("width")}, rng);
  regressor.parameters().load(checkpoint, "");
  return regressor;
}

}  // namespace sga::judge
