#include "models/singan/sampling.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"
#include "models/singan/palette.h"

namespace sga::singan {
namespace {

void check_start(const Model& model, int start, int lowest) {
  SGA_CHECK(model.finished() > 0, "singan: the model has no finished level yet; train it further");
  SGA_CHECK(start >= lowest && start < model.finished(), "singan: the start level must lie between ", lowest,
            " and ", model.finished() - 1, " for this model, got ", start);
}

// Levels `start`... with fresh noise, on a prior that has the size of level `start` times the factors.
Tensor climb(const Model& model, Tensor x, int start, double factor_h, double factor_w, Rng& rng) {
  const auto scaled = [&](Size s) {
    return Size{int64_t(std::nearbyint(double(s.h) * factor_h)),
                int64_t(std::nearbyint(double(s.w) * factor_w))};
  };
  for (int n = start; n < model.finished(); ++n) {
    const Size size = scaled(model.size(n));
    if (n > start) x = rise(model, x, size);
    x = run_level(model, n, draw_noise(model, n, size, rng), x);
  }
  return x;
}

// The mask and the reconstruction at a level.
struct Masked {
  Tensor mask, reconstruction;
};

// From start_level on.
std::vector<Masked> mask_levels(const Model& model, const SampleOptions& o, const Tensor& mask) {
  SGA_CHECK(
      o.scale_h == 1 && o.scale_v == 1,
      "singan: a noise mask keeps parts of the reconstruction, which has the size of the training picture; "
      "leave the factors of width and height at 1");
  const int last = model.finished() - 1;
  const Size size = model.size(last);
  SGA_CHECK((mask.shape() == Shape{1, size.h, size.w, 1}), "singan: the noise mask is ", mask.dim(2), "x",
            mask.dim(1), " pixels, the samples are ", size.w, "x", size.h, "; make the mask that size");
  std::vector<Masked> masked;
  Tensor x;
  for (int n = 0; n <= last; ++n) {
    const Tensor prior = n ? rise(model, x, model.size(n)) : zeros(model.reals[0].shape(), model.dtype());
    x = run_level(model, n, n ? Tensor() : code_noise(model), prior);
    if (n >= o.start_level)
      masked.push_back({clamp(imresize_to(mask, model.size(n), ResizeStyle::smooth), 0, 1), x});
  }
  return masked;
}

}  // namespace

Climb sample_climb(const Model& model, const SampleOptions& o, const NoiseField& field,
                   const NoiseOptions& noise) {
  check_start(model, o.start_level, 0);
  for (double factor : {o.scale_h, o.scale_v})
    SGA_CHECK(factor >= 0.1 && factor <= 100, "singan: scale factors must lie between 0.1 and 100, got ",
              factor);
  SGA_CHECK(noise.gain >= 0 && noise.gain <= 100, "singan: the noise gain must lie between 0 and 100, got ",
            noise.gain);
  NoGrad off;
  std::vector<Rung> rungs;
  for (int n = o.start_level; n < model.finished(); ++n)
    rungs.push_back({n,
                     {int64_t(std::nearbyint(double(model.size(n).h) * o.scale_v)),
                      int64_t(std::nearbyint(double(model.size(n).w) * o.scale_h))},
                     1 / model.pyramid.ratio});
  const int64_t channels = model.image.dim(3);
  const Size start = rungs.front().size;
  Tensor base = o.start_level == 0 ? zeros({1, start.h, start.w, channels}, model.dtype())
                                   : reconstruction_prior(model, o.start_level);
  if (Size{base.dim(1), base.dim(2)} != start) base = imresize_to(base, start, model.config.resize);
  const std::vector<Masked> masked = noise.mask ? mask_levels(model, o, noise.mask) : std::vector<Masked>{};
  const int64_t border = model.config.noise_padding ? kBorder : 0;
  const auto level_noise = [=, code = model.code, config = model.config](int rung, const Window& w) {
    const auto& [level, size, scale] = rungs[size_t(rung)];
    const Window map{w.top, w.left, w.h + 2 * border, w.w + 2 * border};  // of the noise, border and all
    // One channel at level 0, as in training.
    Tensor z = affine(field(level, noise_size(config, size), level ? channels : 1, map), noise.gain);
    if (!masked.empty()) {
      const Tensor kept = level ? zeros_like(z) : crop(code, map.top, map.left, map.h, map.w);
      const Tensor mask = pad(masked[size_t(rung)].mask, all_sides(border));
      z = attention_composite(crop(mask, map.top, map.left, map.h, map.w), z, kept);
    }
    return expand(z, {1, map.h, map.w, channels});
  };
  const FrozenNorm norm = o.norm.value_or(masked.empty() ? model.config.sample_norm : FrozenNorm::running);
  if (masked.empty()) return Climb(model, base, rungs, level_noise, {}, norm);
  return Climb(
      model, base, rungs, level_noise,
      [=](int rung, const Window& w, const Tensor& y) {
        const Masked& m = masked[size_t(rung)];
        return attention_composite(crop(m.mask, w.top, w.left, w.h, w.w), y,
                                   crop(m.reconstruction, w.top, w.left, w.h, w.w));
      },
      norm);
}

Tensor random_sample(const Model& model, const SampleOptions& options, Rng& rng) {
  return sample_climb(model, options, draw_field(rng, model.dtype())).whole();
}

Tensor reconstruction(const Model& model) {
  check_start(model, 0, 0);
  const int last = model.finished() - 1;
  return run_level(model, last, last == 0 ? code_noise(model) : Tensor(), reconstruction_prior(model, last));
}

Tensor inject(const Model& model, const Tensor& picture, int start_level, Rng& rng) {
  check_start(model, start_level, 1);
  SGA_CHECK(picture.rank() == 4 && picture.dim(0) == 1 && picture.dim(3) == model.channels(),
            "singan: the picture to inject must be a tensor (1,H,W,", model.channels(), "), got ",
            picture.shape());
  NoGrad off;
  const Size finest = model.pyramid.finest(), below = model.size(start_level - 1);
  const bool official = model.config.resize == ResizeStyle::official;
  Tensor x = Size{picture.dim(1), picture.dim(2)} == finest
                 ? picture
                 : imresize_to(picture, finest, model.config.resize);
  const Level& level = model.levels[size_t(start_level)];
  if (official && level.palette) {
    const Size size = model.size(start_level);
    x = imresize(to_palette_of_runs(x, level.palette),
                 std::pow(model.pyramid.ratio, model.pyramid.count() - 1 - start_level),
                 ResizeStyle::official);
    return climb(model, crop(x, 0, 0, size.h, size.w), start_level, 1, 1, rng);
  }
  if (official) {
    x = imresize(x, std::pow(model.pyramid.ratio, model.pyramid.count() - start_level),
                 ResizeStyle::official);
    x = crop(x, 0, 0, std::min(x.dim(1), below.h), std::min(x.dim(2), below.w));
  } else {
    x = imresize_to(x, below, ResizeStyle::smooth);
  }
  return climb(model, rise(model, x, model.size(start_level)), start_level, 1, 1, rng);
}

}  // namespace sga::singan
