#include "models/singan/sampling.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"

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

}  // namespace

Tensor random_sample(const Model& model, const SampleOptions& o, Rng& rng) {
  check_start(model, o.start_level, 0);
  for (double factor : {o.scale_h, o.scale_v})
    SGA_CHECK(factor >= 0.1 && factor <= 10, "singan: scale factors must lie between 0.1 and 10, got ",
              factor);
  NoGrad off;
  const Size size = model.size(o.start_level);
  const Size start{int64_t(std::nearbyint(double(size.h) * o.scale_v)),
                   int64_t(std::nearbyint(double(size.w) * o.scale_h))};
  Tensor x = reconstruction_prior(model, o.start_level);
  if (start != size)
    x = o.start_level == 0 ? zeros({1, start.h, start.w, model.channels()}, model.dtype())
                           : imresize_to(x, start, model.config.resize);
  return climb(model, x, o.start_level, o.scale_v, o.scale_h, rng);
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
