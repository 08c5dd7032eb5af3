// Every kernel family at the shapes of SinGAN's scales and of GANimation, once for the CPU and the GPU.
#pragma once
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "engine/ops.h"
#include "engine/random.h"
#include "kernels/composite.h"
#include "kernels/layout.h"
#include "kernels/norm.h"
#include "kernels/penalty.h"
#include "kernels/pointwise.h"
#include "kernels/reduce.h"
#include "kernels/resize.h"
#include "kernels/tv.h"

namespace sga::bench {

/// Extents (n,h,w,c) and what they are the extents of.
struct Extent {
  const char* name;
  int64_t n, h, w, c;
  int64_t numel() const { return n * h * w * c; }
  Shape shape() const { return {n, h, w, c}; }
};

inline const Extent kActivations[] = {{"singan scale 3", 1, 49, 66, 32},
                                      {"singan scale 7", 1, 121, 160, 64},
                                      {"singan scale 9", 1, 188, 250, 128},
                                      {"ganimation 64 px", 16, 64, 64, 32},
                                      {"ganimation residual", 16, 32, 32, 256}};
inline const Extent kImages[] = {{"188x250 picture", 1, 188, 250, 3}, {"25 faces", 25, 128, 128, 3}};

inline Tensor noise(const Shape& shape, uint64_t seed) { return Rng(seed).normal(shape); }
inline float* address(const Tensor& t) { return t.data<float>(); }

/// A row runs f, which runs a kernel once; `arrays` is how many arrays of the extent it must read and write.
///   row(const std::string& family, const Extent&, double arrays, std::function<void()> f)
template <class Where, class Row>
void register_activation_rows(Where where, const Extent& e, Row row) {
  const auto p = address;
  const Tensor x = noise(e.shape(), 1), y = noise(e.shape(), 2), g = noise(e.shape(), 3),
               v = noise(e.shape(), 4);
  const Tensor out = empty(e.shape()), out2 = empty(e.shape());
  const Tensor gamma = noise({e.c}, 5), beta = noise({e.c}, 6), sums = empty({e.n, e.c}),
               sums2 = empty({e.n, e.c});
  const Tensor mean = zeros({e.n, e.c}), rstd = full({e.n, e.c}, 1);
  const kernels::NormShape s{e.n, e.h * e.w, e.c, false};
  const int64_t n = e.numel();

  row("pointwise/blend", e, 3, [=] { kernels::blend(where, p(x), 1.0f, p(y), 1.0f, p(out), n); });
  row("pointwise/gate", e, 3, [=] { kernels::gate(where, p(g), p(y), 0.2f, p(out), n); });
  row("reduce/channel_sum", e, 1, [=] {
    kernels::sum_to(where, {{1, 1, 1, e.c}, {1, 1, n / e.c, e.c}}, p(x), p(sums));
  });
  // What must move once: the statistics are a second read that a single pass cannot avoid.
  row("norm/forward", e, 2, [=] {
    kernels::instance_norm(where, s, p(x), p(gamma), p(beta), 1e-5f, 0.2f, p(out), p(sums), p(sums2));
  });
  row("norm/first", e, 4, [=] {
    kernels::instance_norm_grad(where, s, p(x), p(y), p(g), p(gamma), p(mean), p(rstd), 0.2f, p(out), p(sums),
                                p(sums2));
  });
  row("norm/second", e, 6, [=] {
    kernels::instance_norm_grad2(where, s, p(x), p(y), p(g), p(v), p(gamma), p(mean), p(rstd), 0.2f, p(out),
                                 p(out2), p(sums));
  });
}

template <class Where, class Row>
void register_image_rows(Where where, const Extent& e, Row row) {
  const auto p = address;
  const Tensor x = noise(e.shape(), 1), c = noise(e.shape(), 2), g = noise(e.shape(), 3),
               out = empty(e.shape());
  const Tensor a = noise({e.n, e.h, e.w, 1}, 4), ga = empty(a.shape()), out2 = empty(e.shape()),
               one = full({1}, 1);
  const Tensor norms = empty({e.n * e.h * e.w}), y = empty({1});
  const int64_t pixels = e.n * e.h * e.w;

  row("pointwise/tanh", e, 2, [=] { kernels::tanh(where, p(x), p(out), e.numel()); });
  row("reduce/mse", e, 2, [=] { kernels::mean_squared_difference(where, p(x), p(c), e.numel(), p(y)); });
  row("composite/forward", e, 3 + 1.0 / 3,
      [=] { kernels::attention_composite(where, pixels, e.c, p(a), p(x), p(c), p(out)); });
  row("composite/gradient", e, 5 + 2.0 / 3, [=] {
    kernels::attention_composite_grad(where, pixels, e.c, p(a), p(x), p(c), p(g), p(ga), p(out), p(out2));
  });
  row("penalty/pixels", e, 1 + 1.0 / 3,
      [=] { kernels::gradient_penalty(where, pixels, e.c, p(g), 0.0f, p(norms), p(y)); });
  row("penalty/pixels gradient", e, 2 + 1.0 / 3,
      [=] { kernels::gradient_penalty_grad(where, pixels, e.c, p(g), p(norms), p(one), p(out)); });
  row("penalty/samples", e, 1,
      [=] { kernels::gradient_penalty(where, e.n, e.numel() / e.n, p(g), 1e-12f, p(norms), p(y)); });
  row("tv/absolute", e, 1, [=] { kernels::total_variation(where, e.n, e.h, e.w, e.c, false, p(x), p(y)); });
  row("tv/gradient", e, 2,
      [=] { kernels::total_variation_grad(where, e.n, e.h, e.w, e.c, false, p(x), p(one), p(out)); });
  const Tensor padded = empty({e.n, e.h + 10, e.w + 10, e.c});
  row("layout/pad 5", e, 2,
      [=] { kernels::shift_window(where, e.n, e.h, e.w, e.c, 5, 5, e.h + 10, e.w + 10, p(x), p(padded)); });
  const Taps rows = bicubic_taps(e.h, e.h * 5 / 4, 1.25, true, false),
             columns = bicubic_taps(e.w, e.w * 5 / 4, 1.25, true, false);
  row("resize/bicubic 1.25", e, 2.56, [=] { resize(x, rows, columns); });
}

/// A picture with as much of every size of detail, as photographs have it: noise of many sizes, enlarged.
inline Tensor fractal(int64_t h, int64_t w, uint64_t seed) {
  Tensor x = zeros({1, h, w, 3});
  for (int64_t side = 4; side < h; side *= 2) {
    const int64_t columns = side * w / h;
    const Tensor coarse = noise({1, side, columns, 3}, seed + uint64_t(side));
    x = blend(x, 1,
              resize(coarse, bicubic_taps(side, h, double(h) / double(side), true, false),
                     bicubic_taps(columns, w, double(w) / double(columns), true, false)),
              1.6 / double(side));
  }
  return x;
}

/// One exchange of all patches of 7x7 pixels, against the matrix product that comparing all with all is.
///   row(const std::string& name, double flops, double bytes, std::function<void()> f)
template <class Row>
void register_nearest_rows(Row row) {
  for (const auto& [h, w] : {std::pair<int64_t, int64_t>{79, 105}, {188, 250}}) {
    const Tensor guess = fractal(h, w, 1), keys = fractal(h, w, 2);
    const double patches = double((h - 6) * (w - 6)), numbers = 7 * 7 * 3;
    const std::string size = std::to_string(h) + "x" + std::to_string(w);
    for (const double alpha : {std::numeric_limits<double>::infinity(), 0.02})
      row("nearest/" + size + (alpha < 1 ? " with completeness" : ""),
          (alpha < 1 ? 2 : 1) * 2 * patches * patches * numbers, 4 * 4 * patches * numbers,
          [=] { exchange_patches(guess, keys, keys, {.alpha = alpha}); });
  }
}

}  // namespace sga::bench
