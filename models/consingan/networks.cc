#include "models/consingan/networks.h"

#include <cmath>

#include "engine/ops.h"
#include "layers/init.h"

namespace sga::consingan {
namespace {

constexpr double kSlope = 0.05;
constexpr int64_t kMargin = 2;  // pixels that stage 0 gets by enlarging; the rest of what it eats are zeros

Tensor enlarge(const Tensor& x, int64_t h, int64_t w) {
  const auto taps = [](int64_t in, int64_t out) {
    return bicubic_taps(in, out, double(out) / double(in), false, false);
  };
  if (x.dim(1) == h && x.dim(2) == w) return x;
  return resize(x, taps(x.dim(1), h), taps(x.dim(2), w));
}

std::vector<int64_t> stage_channels(const NetOptions& o) {
  return std::vector<int64_t>(size_t(o.layers) + 1, o.width);
}

}  // namespace

ConvStack::ConvStack(const std::vector<int64_t>& channels, End end, Dtype dtype) : end_(end) {
  for (size_t i = 0; i + 1 < channels.size(); ++i) {
    const std::string name = "conv" + std::to_string(i) + ".";
    const bool last = i + 2 == channels.size();
    Conv conv;
    conv.weight = parameters_.add(name + "weight", zeros({channels[i + 1], 3, 3, channels[i]}, dtype));
    if (!last || end != End::scores)
      conv.bias = parameters_.add(name + "bias", zeros({channels[i + 1]}, dtype));
    convs_.push_back(conv);
  }
}

void ConvStack::initialise(Rng& rng) {
  for (Conv& conv : convs_) {
    const Tensor& w = conv.weight;
    const double bound = 1 / std::sqrt(double(w.numel() / w.dim(0)));
    conv.weight.assign(init_normal(rng, w.shape(), 0, 0.02, w.dtype()));
    if (conv.bias) conv.bias.assign(init_uniform(rng, conv.bias.shape(), bound, w.dtype()));
  }
}

Tensor ConvStack::operator()(Tensor x) const {
  for (const Conv& conv : convs_) {
    const bool last = &conv == &convs_.back();
    x = conv_bias_act(x, conv.weight, conv.bias, {}, last && end_ != End::leaky ? 1 : kSlope);
  }
  return x;
}

ConvStack make_critic(const NetOptions& o) {
  std::vector<int64_t> channels = stage_channels(o);
  channels.insert(channels.begin(), o.colours);
  channels.push_back(1);
  return ConvStack(channels, ConvStack::End::scores, o.dtype);
}

GrowingGenerator::GrowingGenerator(const NetOptions& o)
    : options_(o),
      head_({o.colours, o.width}, ConvStack::End::leaky, o.dtype),
      tail_({o.width, o.colours}, ConvStack::End::linear, o.dtype) {}

void GrowingGenerator::initialise(Rng& rng) {
  stages_.clear();
  grow();
  head_.initialise(rng);
  stages_[0].initialise(rng);
  tail_.initialise(rng);
}

void GrowingGenerator::grow() {
  ConvStack stage(stage_channels(options_), ConvStack::End::leaky, options_.dtype);
  if (!stages_.empty()) Parameters(stage.parameters()).copy_from(stages_.back().parameters());
  stages_.push_back(stage);
}

GrowingGenerator GrowingGenerator::clone() const {
  GrowingGenerator copy(options_);
  for (int n = 0; n < stages(); ++n) copy.grow();
  const std::vector<Part> from = parts();
  std::vector<Part> to = copy.parts();
  for (size_t i = 0; i < from.size(); ++i) to[i].parameters.copy_from(from[i].parameters);
  return copy;
}

Tensor GrowingGenerator::begin(const Tensor& x) const {
  const Tensor head = head_(pad(x, all_sides(1)));
  return stages_[0](
      pad(enlarge(head, x.dim(1) + kMargin, x.dim(2) + kMargin), all_sides(options_.layers - kMargin / 2)));
}

Tensor GrowingGenerator::rise(int n, const Tensor& features, Size size, const Tensor& noise) const {
  const int64_t rim = 2 * options_.layers;
  const Tensor wide = enlarge(features, size.h + rim, size.w + rim);
  return add(enlarge(features, size.h, size.w), stages_[size_t(n)](noise ? add(wide, noise) : wide));
}

Tensor GrowingGenerator::draw(const Tensor& features) const {
  return tanh(tail_(pad(features, all_sides(1))));
}

Shape GrowingGenerator::noise_shape(int n, Size size) const {
  const int64_t rim = n == 0 ? 0 : 2 * options_.layers;
  return {1, size.h + rim, size.w + rim, n == 0 ? options_.colours : options_.width};
}

std::vector<GrowingGenerator::Part> GrowingGenerator::parts() const {
  std::vector<Part> parts{{"head", head_.parameters()}};
  for (int n = 0; n < stages(); ++n)
    parts.push_back({"stage" + std::to_string(n), stages_[size_t(n)].parameters()});
  parts.push_back({"tail", tail_.parameters()});
  return parts;
}

}  // namespace sga::consingan
