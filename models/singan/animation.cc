#include "models/singan/animation.h"

#include <cmath>
#include <utility>

#include "engine/ops.h"

namespace sga::singan {
namespace {

using Matrix = std::array<std::array<double, 2>, 2>;

Matrix multiply(const Matrix& a, const Matrix& b) {
  Matrix c{};
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 2; ++j) c[i][j] = a[i][0] * b[0][j] + a[i][1] * b[1][j];
  return c;
}

Matrix power(Matrix base, int64_t exponent) {
  Matrix result = {{{1, 0}, {0, 1}}};
  for (; exponent > 0; exponent /= 2, base = multiply(base, base))
    if (exponent % 2) result = multiply(result, base);
  return result;
}

// M of the header.
Matrix transition(const AnimationOptions& o) {
  return {{{(1 - o.alpha) * (1 + o.beta), -(1 - o.alpha) * o.beta}, {1, 0}}};
}

}  // namespace

void check(const Model& model, const AnimationOptions& o) {
  SGA_CHECK(model.finished() > 0, "singan: the model has no finished level yet; train it further");
  SGA_CHECK(o.start_level >= 0 && o.start_level < model.finished(),
            "singan: the start level must lie between 0 and ", model.finished() - 1, " for this model, got ",
            o.start_level);
  SGA_CHECK(o.alpha >= 0 && o.alpha <= 1, "singan: alpha must lie between 0 and 1, got ", o.alpha);
  SGA_CHECK(o.beta >= 0 && o.beta < 1, "singan: beta must be at least 0 and below 1, got ", o.beta);
  SGA_CHECK(o.frames >= 1, "singan: an animation has at least 1 frame, got ", o.frames);
  SGA_CHECK(!o.loop || o.alpha > 0,
            "singan: a closed walk needs an alpha above 0, as nothing else brings it back");
  for (double factor : {o.scale_h, o.scale_v})
    SGA_CHECK(factor >= 0.1 && factor <= 10, "singan: scale factors must lie between 0.1 and 10, got ",
              factor);
}

Animation::Animation(const Model& model, const AnimationOptions& options) : model_(model), options_(options) {
  check(model, options);
  NoGrad off;
  const int start = options.start_level;
  const Rng rng(options.seed);
  prior_ = reconstruction_prior(model, start);
  code_ = code_noise(model);
  if (size(start) != model.size(start)) {
    prior_ = start == 0 ? zeros({1, size(0).h, size(0).w, prior_.dim(3)}, model.dtype())
                        : imresize_to(prior_, size(start), model.config.resize);
    Rng fresh = rng.fork(uint64_t(model.pyramid.count()));  // the levels have the labels below
    code_ = draw_noise(model, 0, size(0), fresh);
  }
  for (int n = start; n < model.finished(); ++n) {
    Walk walk{{}, rng.fork(uint64_t(n))};
    Rng first = walk.noise.fork(~uint64_t{0});  // the frames count from 0
    const Tensor u = draw_noise(model, n, size(n), first);
    walk.y = {blend(u, 0.05, n == 0 ? code_ : zeros_like(u), -0.05), zeros_like(u)};
    walks_.push_back(walk);
    if (options.loop) close(walks_.back(), n);
  }
}

Size Animation::size(int level) const {
  const Size s = model_.size(level);
  return {int64_t(std::nearbyint(double(s.h) * options_.scale_v)),
          int64_t(std::nearbyint(double(s.w) * options_.scale_h))};
}

void Animation::move(Walk& walk, int level) const {
  const double alpha = options_.alpha, beta = options_.beta;
  const Matrix m = transition(options_);
  Rng rng = walk.noise.fork(uint64_t(next_ % options_.frames));
  const Tensor u = draw_noise(model_, level, size(level), rng);
  const Tensor kept = blend(walk.y[0], m[0][0], walk.y[1], m[0][1]);
  walk.y = {blend(kept, 1, u, (1 - alpha) * (1 - beta)), walk.y[0]};
}

void Animation::close(Walk& walk, int level) {
  walk.y = {walk.y[1], walk.y[1]};  // zero
  for (next_ = 0; next_ < options_.frames; ++next_) move(walk, level);
  next_ = 0;
  const Matrix round = power(transition(options_), options_.frames);
  // (1 - M^T)^{-1}; alpha > 0 keeps the eigenvalues of M below 1.
  const double a = 1 - round[0][0], b = -round[0][1], c = -round[1][0], d = 1 - round[1][1];
  const double det = a * d - b * c;
  const auto& [now, before] = walk.y;
  walk.y = {blend(now, d / det, before, -b / det), blend(now, -c / det, before, a / det)};
}

void Animation::step() {
  NoGrad off;
  int level = options_.start_level;
  for (Walk& walk : walks_) move(walk, level++);
  ++next_;
}

Tensor Animation::frame() const {
  NoGrad off;
  Tensor x = prior_;
  for (int n = options_.start_level; n < model_.finished(); ++n) {
    if (n > options_.start_level) x = rise(model_, x, size(n));
    x = run_level(model_, n, noise(n), x);
  }
  return x;
}

Tensor Animation::noise(int level) const {
  NoGrad off;
  const Tensor& y = walks_.at(size_t(level - options_.start_level)).y[0];
  return level == 0 ? add(y, code_) : y;
}

}  // namespace sga::singan
