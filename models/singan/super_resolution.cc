#include "models/singan/super_resolution.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/ops.h"
#include "models/singan/noise.h"

namespace sga::singan {
namespace {

const double kThirdOfAnOctave = std::pow(0.5, 1.0 / 3);  // the official ratio, about 0.794

}  // namespace

SuperResolutionSteps super_resolution_steps(double factor, double ratio) {
  SGA_CHECK(factor >= 1 && factor <= 16, "super-resolution: the factor must lie between 1 and 16, got ",
            factor);
  SGA_CHECK(ratio > 0 && ratio <= 1, "super-resolution: the ratio must lie above 0 and up to 1, got ", ratio);
  const double used = ratio > 0.95 ? kThirdOfAnOctave : ratio;
  const int count = std::max(1, int(std::lround(std::log(1 / factor) / std::log(used))));
  return {count, std::pow(factor, 1.0 / count)};
}

Config super_resolution_preset(const std::string& name, double factor) {
  Config config = preset(name);
  const double ratio = 1 / super_resolution_steps(factor, kThirdOfAnOctave).step;
  config.reconstruction_weight = 100;
  // One gradient taken three times overshoots at this weight; see docs/singan.md.
  if (!config.pyramid.official) config.generator_steps = GeneratorSteps::fresh;
  config.pyramid.min_size = 18;
  config.pyramid.max_size = std::numeric_limits<int32_t>::max();
  config.pyramid.scale_factor = ratio < 1 / 1.13 ? ratio : kThirdOfAnOctave;
  config.pyramid.super_resolution = true;
  return config;
}

SuperResolution super_resolution(const Model& model, const Tensor& picture, double factor, bool noise,
                                 bool back_project, Rng& rng) {
  SGA_CHECK(model.finished() == model.pyramid.count(), "super-resolution: the model has ", model.finished(),
            " of its ", model.pyramid.count(), " levels; train it to the end");
  SGA_CHECK(picture.rank() == 4 && picture.dim(0) == 1 && picture.dim(3) == model.image.dim(3),
            "super-resolution: the picture must be a tensor (1,H,W,", model.image.dim(3), "), got ",
            picture.shape());
  const bool official = model.config.resize == ResizeStyle::official;
  const auto [count, step] =
      super_resolution_steps(factor, official ? kThirdOfAnOctave : model.pyramid.ratio);
  const auto scaled = [&](double by) {
    return Size{std::lround(double(picture.dim(1)) * by), std::lround(double(picture.dim(2)) * by)};
  };
  const Size size = scaled(factor);
  std::vector<Rung> rungs;
  Size from{picture.dim(1), picture.dim(2)};
  for (int i = 1; i <= count; ++i) {
    const Size ceiled{int64_t(std::ceil(double(from.h) * step)), int64_t(std::ceil(double(from.w) * step))};
    const Size to = official ? ceiled : i == count ? size : scaled(std::pow(step, i));
    rungs.push_back({model.finished() - 1, to, step});
    from = to;
  }
  const int64_t channels = picture.dim(3);
  const NoiseField field = draw_field(rng, model.dtype());
  const int64_t border = model.config.noise_padding ? kBorder : 0;
  const Climb::Noise draw = [=, config = model.config](int rung, const Window& w) {
    const Window map{w.top, w.left, w.h + 2 * border, w.w + 2 * border};  // of the noise, border and all
    const Size padded = noise_size(config, rungs[size_t(rung)].size);
    const Tensor z = field(rung, padded, official && rung == 0 ? 1 : channels, map);
    return expand(z, {1, map.h, map.w, channels});
  };
  return {Climb(model, picture, rungs, noise ? draw : Climb::Noise{}, {}, FrozenNorm::running, back_project),
          {std::min(size.h, from.h), std::min(size.w, from.w)}};
}

}  // namespace sga::singan
