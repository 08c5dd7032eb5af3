#include "models/singan/networks.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"
#include "layers/init.h"

namespace sga::singan {
namespace {

constexpr double kSlope = 0.2, kEps = 1e-5, kMomentum = 0.1;

Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return bias ? conv_bias_act(x, weight, bias, {}) : conv(x, weight);
}

Tensor add_prior(const Tensor& residual, const Tensor& prev) {
  SGA_CHECK(prev.dim(1) >= residual.dim(1) && prev.dim(2) >= residual.dim(2), "singan generator: the prior ",
            prev.shape(), " is smaller than the output ", residual.shape());
  const int64_t offset =
      (prev.dim(1) - residual.dim(1)) / 2;  // the same for both axes, as in the official code
  return add(tanh(residual), crop(prev, offset, offset, residual.dim(1), residual.dim(2)));
}

}  // namespace

int64_t channels_at(int level, int64_t base) { return base << std::min(level / 4, 2); }

PatchNet::PatchNet(const NetOptions& options) : options_(options) {
  const auto& o = options;
  int64_t in = o.in_channels;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const std::string name = "block" + std::to_string(i) + ".";
    const int64_t width = o.width.of[i];
    Block& b = blocks_[i];
    b.weight = parameters_.add(name + "weight", zeros({width, 3, 3, in}, o.dtype));
    if (o.keep_bias) b.bias = parameters_.add(name + "bias", zeros({width}, o.dtype));
    b.gamma = parameters_.add(name + "gamma", full({width}, 1, o.dtype));
    b.beta = parameters_.add(name + "beta", zeros({width}, o.dtype));
    b.mean = parameters_.add(name + "mean", zeros({width}, o.dtype), false);
    b.var = parameters_.add(name + "var", full({width}, 1, o.dtype), false);
    in = width;
  }
  head_weight_ = parameters_.add("head.weight", zeros({o.out_channels, 3, 3, in}, o.dtype));
  if (o.head_bias) head_bias_ = parameters_.add("head.bias", zeros({o.out_channels}, o.dtype));
}

void PatchNet::initialise(Rng& rng) {
  const auto draw_conv = [&](Tensor weight, Tensor bias) {
    const double bound = 1 / std::sqrt(double(weight.numel() / weight.dim(0)));
    weight.assign(init_normal(rng, weight.shape(), 0, 0.02, options_.dtype));
    if (bias) bias.assign(init_uniform(rng, bias.shape(), bound, options_.dtype));
  };
  for (Block& b : blocks_) {
    draw_conv(b.weight, b.bias);
    b.gamma.assign(init_normal(rng, b.gamma.shape(), 1, 0.02, options_.dtype));
    b.beta.assign(zeros(b.beta.shape(), options_.dtype));
    b.mean.assign(zeros(b.mean.shape(), options_.dtype));
    b.var.assign(full(b.var.shape(), 1, options_.dtype));
  }
  draw_conv(head_weight_, head_bias_);
}

template <class OnStatistics>
Tensor PatchNet::run(Tensor x, OnStatistics&& on_statistics) const {
  for (const Block& b : blocks_) {
    const NormResult norm = instance_norm(convolve(x, b.weight, b.bias), b.gamma, b.beta, kEps, kSlope);
    on_statistics(b, norm);
    x = norm.y;
  }
  return convolve(x, head_weight_, head_bias_);
}

Tensor PatchNet::forward(const Tensor& x) const {
  return run(x, [](const Block&, const NormResult&) {});
}

Tensor PatchNet::forward_and_track(const Tensor& x) {
  return run(x, [](const Block& b, const NormResult& norm) {
    track_statistics(norm, norm.y.dim(1) * norm.y.dim(2), kEps, kMomentum, b.mean, b.var);
  });
}

Tensor Generator::operator()(const Tensor& z, const Tensor& prev) {
  return add_prior(net.forward_and_track(z), prev);
}

FrozenGenerator::FrozenGenerator(const Generator& generator) : net_(generator.net) {
  NoGrad off;
  for (const PatchNet::Block& b : net_.blocks()) {
    // gamma (conv + bias - mean) / sqrt(var + eps) + beta = (gain w) * x + beta + gain (bias - mean)
    const Tensor gain = mul(b.gamma, power(affine(b.var, 1, kEps), -0.5));
    const Tensor centre = b.bias ? sub(b.bias, b.mean) : affine(b.mean, -1);
    const Tensor spread = expand(gain.view({gain.numel(), 1, 1, 1}), b.weight.shape());
    folded_.push_back({mul(b.weight, spread), add(b.beta, mul(gain, centre))});
  }
}

Tensor FrozenGenerator::operator()(const Tensor& z, const Tensor& prev, FrozenNorm norm) const {
  NoGrad off;
  if (norm == FrozenNorm::instance) return add_prior(net_.forward(z), prev);
  Tensor x = z;
  for (const Folded& f : folded_) x = conv_bias_act(x, f.weight, f.bias, {}, kSlope);
  return add_prior(conv_bias_act(x, net_.head_weight(), net_.head_bias(), {}), prev);
}

}  // namespace sga::singan
