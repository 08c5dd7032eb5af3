#include "models/ganimation/networks.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "layers/init.h"

namespace sga::ganimation {
namespace {

constexpr double kWeightStddev = 0.02;
constexpr double kNormEps = 1e-5;
constexpr double kLeakySlope = 0.01;
/// Halvings after which the discriminator's map is 2x2.
int64_t halvings(int64_t size) {
  int64_t n = 0;
  for (; size > 2; size /= 2) ++n;
  return n;
}

void check(const GeneratorConfig& c) {
  SGA_CHECK(c.size >= 8 && c.size <= 1024 && c.size % 4 == 0,
            "ganimation: the generator's size must be a multiple of 4 from 8 to 1024, got ", c.size);
  SGA_CHECK(c.conv_dim >= 1 && c.conv_dim <= 512, "ganimation: the generator's conv-dim must be 1..512, got ",
            c.conv_dim);
  SGA_CHECK(c.blocks >= 0 && c.blocks <= 64, "ganimation: blocks must be 0..64, got ", c.blocks);
  SGA_CHECK(c.conditioning != Conditioning::bottleneck || c.blocks >= 1,
            "ganimation: bottleneck conditioning needs at least 1 residual block, got 0");
  SGA_CHECK(c.aus >= 1 && c.aus <= 256, "ganimation: the number of action units must be 1..256, got ", c.aus);
}

void check(const DiscriminatorConfig& c) {
  SGA_CHECK(
      c.size >= 8 && c.size <= 1024 && (int64_t{2} << halvings(c.size)) == c.size,
      "ganimation: the discriminator halves its image down to 2x2, so size must be 8, 16, 32, .., 1024, got ",
      c.size);
  SGA_CHECK(c.conv_dim >= 1 && c.conv_dim <= 512,
            "ganimation: the discriminator's conv-dim must be 1..512, got ", c.conv_dim);
  SGA_CHECK(c.aus >= 1 && c.aus <= 256, "ganimation: the number of action units must be 1..256, got ", c.aus);
}

int64_t whole_number(const Checkpoint& checkpoint, const std::string& key) {
  const std::string& text = checkpoint.meta(key);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  SGA_CHECK(error == std::errc{} && end == text.data() + text.size(), "ganimation: the model's ", key,
            " must be a whole number, got '", text, "'");
  return value;
}

constexpr std::string_view kConditionings[] = {"tiled", "film", "bottleneck"};
constexpr std::string_view kUnits[] = {"absolute", "relative"};
constexpr std::string_view kPaddings[] = {"zero", "reflect"};
constexpr std::string_view kUpsamples[] = {"transposed", "resize"};

template <class E, size_t N>
E choice(const Checkpoint& checkpoint, const std::string& key, const std::string_view (&names)[N]) {
  const std::string& text = checkpoint.meta(key);
  const auto found = std::ranges::find(names, text);
  std::string all;
  for (std::string_view name : names) all += (all.empty() ? "" : ", ") + std::string(name);
  SGA_CHECK(found != std::end(names), "ganimation: the model's ", key, " must be one of ", all, ", got '",
            text, "'");
  return E(found - std::begin(names));
}

}  // namespace

// ---- generator

Generator::Layer Generator::add_layer(const std::string& name, const Shape& filter, int64_t channels,
                                      Rng& rng, Dtype dtype) {
  Layer layer;
  layer.w = parameters_.add(name + ".w", init_normal(rng, filter, 0, kWeightStddev, dtype));
  layer.gamma = parameters_.add(name + ".gamma", full({channels}, 1, dtype), config_.affine);
  layer.beta = parameters_.add(name + ".beta", zeros({channels}, dtype), config_.affine);
  if (config_.conditioning == Conditioning::film)
    layer.film = parameters_.add(name + ".film",
                                 init_normal(rng, {config_.aus, 2 * channels}, 0, kWeightStddev, dtype));
  return layer;
}

Generator::Generator(const GeneratorConfig& config, Rng& rng, Dtype dtype) : config_(config) {
  check(config);
  const int64_t c = config.conv_dim;
  const int64_t c_in = config.conditioning == Conditioning::tiled ? 3 + config.aus : 3;
  stem_ = add_layer("stem", {c, 7, 7, c_in}, c, rng, dtype);
  down1_ = add_layer("down1", {2 * c, 4, 4, c}, 2 * c, rng, dtype);
  down2_ = add_layer("down2", {4 * c, 4, 4, 2 * c}, 4 * c, rng, dtype);
  for (int64_t i = 0; i < config.blocks; ++i)
    for (const char* half : {"a", "b"}) {
      const bool planes = config.conditioning == Conditioning::bottleneck && blocks_.empty();
      blocks_.push_back(add_layer("res" + std::to_string(i) + half,
                                  {4 * c, 3, 3, 4 * c + (planes ? config.aus : 0)}, 4 * c, rng, dtype));
    }
  // A transposed convolution is conv_dx, whose filter is that of the convolution it undoes: (in,4,4,out).
  const bool transposed = config.upsample == Upsample::transposed;
  up1_ =
      add_layer("up1", transposed ? Shape{4 * c, 4, 4, 2 * c} : Shape{2 * c, 3, 3, 4 * c}, 2 * c, rng, dtype);
  up2_ = add_layer("up2", transposed ? Shape{2 * c, 4, 4, c} : Shape{c, 3, 3, 2 * c}, c, rng, dtype);
  colour_ = parameters_.add("colour.w", init_normal(rng, {3, 7, 7, c}, 0, kWeightStddev, dtype));
  attention_ = parameters_.add("attention.w", init_normal(rng, {1, 7, 7, c}, 0, kWeightStddev, dtype));
}

Tensor Generator::norm(const Tensor& x, const Layer& layer, const Tensor& y, double slope) const {
  if (!layer.film) return instance_norm(x, layer.gamma, layer.beta, kNormEps, slope).y;
  const int64_t k = x.dim(3);
  const Shape per_image{x.dim(0), k};
  const Tensor change = matmul(y, layer.film);
  const Tensor gamma = add(expand(reshape(layer.gamma, {1, k}), per_image), slice(change, 1, 0, k));
  const Tensor beta = add(expand(reshape(layer.beta, {1, k}), per_image), slice(change, 1, k, k));
  return instance_norm(x, gamma, beta, kNormEps, slope).y;
}

Tensor Generator::doubled(const Tensor& x, const Layer& layer, const Tensor& y) const {
  const int64_t h = x.dim(1), w = x.dim(2);
  const Tensor wide = config_.upsample == Upsample::transposed
                          ? conv_dx(x, layer.w, {.stride = 2, .pad = 1}, 2 * h, 2 * w)
                          : conv(resize(x, nearest_taps(h, 2), nearest_taps(w, 2)), layer.w, {.pad = 1});
  return norm(wide, layer, y, 0);
}

// y as constant planes beside x.
Tensor Generator::beside_planes(const Tensor& x, const Tensor& y) const {
  const int64_t n = x.dim(0), aus = config_.aus;
  return concat({x, expand(reshape(y, {n, 1, 1, aus}), {n, x.dim(1), x.dim(2), aus})}, 3);
}

GeneratorOutput Generator::forward(const Tensor& x, const Tensor& y) const {
  SGA_CHECK(x.rank() == 4 && x.dim(3) == 3 && x.dim(1) % 4 == 0 && x.dim(2) % 4 == 0,
            "ganimation: the generator needs images (N,H,W,3) with sides that are multiples of 4, got ",
            x.shape());
  SGA_CHECK(y.rank() == 2 && y.dim(0) == x.dim(0) && y.dim(1) == config_.aus, "ganimation: ", x.dim(0),
            " images need action units (", x.dim(0), ",", config_.aus, "), got ", y.shape());
  const Tensor in = config_.conditioning == Conditioning::tiled ? beside_planes(x, y) : x;
  Tensor t = config_.stem_padding == StemPadding::zero ? conv(in, stem_.w, {.pad = 3})
                                                       : conv(pad_reflect(in, 3), stem_.w);
  t = norm(t, stem_, y, 0);
  t = norm(conv(t, down1_.w, {.stride = 2, .pad = 1}), down1_, y, 0);
  t = norm(conv(t, down2_.w, {.stride = 2, .pad = 1}), down2_, y, 0);
  for (size_t i = 0; i < blocks_.size(); i += 2) {
    const bool planes = config_.conditioning == Conditioning::bottleneck && i == 0;
    const Tensor inner =
        norm(conv(planes ? beside_planes(t, y) : t, blocks_[i].w, {.pad = 1}), blocks_[i], y, 0);
    t = add(t, norm(conv(inner, blocks_[i + 1].w, {.pad = 1}), blocks_[i + 1], y, 1));
  }
  t = doubled(t, up1_, y);
  t = doubled(t, up2_, y);
  // Both heads read the same map: one convolution with four outputs.
  const Tensor heads = conv(t, concat({colour_, attention_}, 0), {.pad = 3});
  return {tanh(slice(heads, 3, 0, 3)), sigmoid(slice(heads, 3, 3, 1))};
}

GeneratorOutput Generator::repaint(const Tensor& x, const Tensor& wanted, const Tensor& shown) const {
  return forward(x, config_.units == Units::relative ? sub(wanted, shown) : wanted);
}

Tensor composite(const GeneratorOutput& g, const Tensor& x) {
  return attention_composite(g.attention, x, g.colour);
}

// ---- discriminator

Discriminator::Discriminator(const DiscriminatorConfig& config, Rng& rng, Dtype dtype) : config_(config) {
  check(config);
  int64_t c_in = 3, c = config.conv_dim;
  for (int64_t i = 0; i < halvings(config.size); ++i) {
    const std::string name = "conv" + std::to_string(i);
    weights_.push_back(
        parameters_.add(name + ".w", init_normal(rng, {c, 4, 4, c_in}, 0, kWeightStddev, dtype)));
    biases_.push_back(parameters_.add(name + ".b", zeros({c}, dtype)));
    c_in = c;
    c *= 2;
  }
  realism_ = parameters_.add("realism.w", init_normal(rng, {1, 3, 3, c_in}, 0, kWeightStddev, dtype));
  aus_ = parameters_.add("aus.w", init_normal(rng, {config.aus, 2, 2, c_in}, 0, kWeightStddev, dtype));
}

Tensor Discriminator::features(const Tensor& x) const {
  SGA_CHECK(x.rank() == 4 && x.dim(1) == config_.size && x.dim(2) == config_.size && x.dim(3) == 3,
            "ganimation: the discriminator needs images (N,", config_.size, ",", config_.size, ",3), got ",
            x.shape());
  Tensor t = x;
  for (size_t i = 0; i < weights_.size(); ++i)
    t = conv_bias_act(t, weights_[i], biases_[i], {.stride = 2, .pad = 1}, kLeakySlope);
  return t;
}

Tensor Discriminator::realism(const Tensor& features) const { return conv(features, realism_, {.pad = 1}); }

Tensor Discriminator::aus(const Tensor& features) const {
  return reshape(conv(features, aus_), {features.dim(0), config_.aus});
}

DiscriminatorOutput Discriminator::forward(const Tensor& x) const {
  const Tensor f = features(x);
  return {realism(f), aus(f)};
}

// ---- configs as text

std::string name_of(Conditioning conditioning) { return std::string(kConditionings[size_t(conditioning)]); }

void store(const GeneratorConfig& c, std::map<std::string, std::string>& metadata,
           const std::string& prefix) {
  metadata[prefix + "size"] = std::to_string(c.size);
  metadata[prefix + "conv_dim"] = std::to_string(c.conv_dim);
  metadata[prefix + "blocks"] = std::to_string(c.blocks);
  metadata[prefix + "aus"] = std::to_string(c.aus);
  metadata[prefix + "conditioning"] = name_of(c.conditioning);
  metadata[prefix + "stem_padding"] = kPaddings[size_t(c.stem_padding)];
  metadata[prefix + "upsample"] = kUpsamples[size_t(c.upsample)];
  // What models of version 0.1 do not hold.
  if (!c.affine) metadata[prefix + "affine"] = "no";
  if (c.units == Units::relative) metadata[prefix + "units"] = kUnits[size_t(c.units)];
}

void store(const DiscriminatorConfig& c, std::map<std::string, std::string>& metadata,
           const std::string& prefix) {
  metadata[prefix + "size"] = std::to_string(c.size);
  metadata[prefix + "conv_dim"] = std::to_string(c.conv_dim);
  metadata[prefix + "aus"] = std::to_string(c.aus);
}

GeneratorConfig generator_config(const Checkpoint& checkpoint, const std::string& prefix) {
  GeneratorConfig c;
  c.size = whole_number(checkpoint, prefix + "size");
  c.conv_dim = whole_number(checkpoint, prefix + "conv_dim");
  c.blocks = whole_number(checkpoint, prefix + "blocks");
  c.aus = whole_number(checkpoint, prefix + "aus");
  c.conditioning = choice<Conditioning>(checkpoint, prefix + "conditioning", kConditionings);
  c.stem_padding = choice<StemPadding>(checkpoint, prefix + "stem_padding", kPaddings);
  c.upsample = choice<Upsample>(checkpoint, prefix + "upsample", kUpsamples);
  if (checkpoint.metadata.contains(prefix + "units"))
    c.units = choice<Units>(checkpoint, prefix + "units", kUnits);
  if (const auto affine = checkpoint.metadata.find(prefix + "affine"); affine != checkpoint.metadata.end()) {
    SGA_CHECK(affine->second == "no", "ganimation: ", prefix, "affine can only be no, got '", affine->second,
              "'");
    c.affine = false;
  }
  check(c);
  return c;
}

DiscriminatorConfig discriminator_config(const Checkpoint& checkpoint, const std::string& prefix) {
  DiscriminatorConfig c;
  c.size = whole_number(checkpoint, prefix + "size");
  c.conv_dim = whole_number(checkpoint, prefix + "conv_dim");
  c.aus = whole_number(checkpoint, prefix + "aus");
  check(c);
  return c;
}

}  // namespace sga::ganimation
