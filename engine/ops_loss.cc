// Losses and the fused pieces of the models.
#include "engine/device.h"
#include "engine/ops.h"
#include "kernels/composite.h"
#include "kernels/penalty.h"
#include "kernels/reduce.h"
#include "kernels/tv.h"

namespace sga {
namespace {

// A scalar beside a tensor, by repetition: keeps it on the device.
Tensor like(const Tensor& scalar, const Tensor& x) {
  return expand(reshape(scalar, Shape(std::vector<int64_t>(size_t(x.rank()), 1))), x.shape());
}

void check_pair(const char* op, const Tensor& a, const Tensor& b) {
  SGA_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), op,
            ": needs two tensors of one shape and dtype, got ", a.shape(), " and ", b.shape());
}

}  // namespace

Tensor mse(const Tensor& a, const Tensor& b) {
  check_pair("mse", a, b);
  Tensor y = empty({1}, a.dtype());
  const double n = double(a.numel());
  run(a, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::mean_squared_difference(where, a.data<T>(), b.data<T>(), a.numel(), y.data<T>());
  });
  return record(y, "mse", {a, b}, [a, b, n](const Tensor&, const Tensor& g, Needs needs) {
    const Tensor ga = mul(sub(a, b), like(affine(g, 2 / n), a));
    return std::vector<Tensor>{ga, needs[1] ? affine(ga, -1) : Tensor{}};
  });
}

Tensor l1(const Tensor& a, const Tensor& b) {
  check_pair("l1", a, b);
  Tensor y = empty({1}, a.dtype());
  const double n = double(a.numel());
  run(a, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::mean_absolute_difference(where, a.data<T>(), b.data<T>(), a.numel(), y.data<T>());
  });
  return record(y, "l1", {a, b}, [a, b, n](const Tensor&, const Tensor& g, Needs needs) {
    const Tensor ga = sign_gate(like(affine(g, 1 / n), a), sub(a, b));
    return std::vector<Tensor>{ga, needs[1] ? affine(ga, -1) : Tensor{}};
  });
}

Tensor attention_composite(const Tensor& a, const Tensor& x, const Tensor& c) {
  check_pair("attention_composite", x, c);
  SGA_CHECK(x.rank() == 4 && a.shape() == (Shape{x.dim(0), x.dim(1), x.dim(2), 1}) && a.dtype() == x.dtype(),
            "attention_composite: the attention must be (N,H,W,1) beside x ", x.shape(), ", got ", a.shape());
  Tensor y = empty(x.shape(), x.dtype());
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::attention_composite(where, a.numel(), x.dim(3), a.data<T>(), x.data<T>(), c.data<T>(),
                                 y.data<T>());
  });
  return record(y, "attention_composite", {a, x, c}, [a, x, c](const Tensor&, const Tensor& g, Needs needs) {
    if (grad_enabled()) {
      const Tensor wide = expand(a, x.shape()), ag = mul(wide, g);
      return std::vector<Tensor>{needs[0] ? sum_to(mul(sub(x, c), g), a.shape()) : Tensor{}, ag, sub(g, ag)};
    }
    const auto output = [&](size_t i, const Tensor& of) {
      return needs[i] ? empty(of.shape(), of.dtype()) : Tensor{};
    };
    const Tensor ga = output(0, a), gx = output(1, x), gc = output(2, c);
    run(x, [&](auto where, auto zero) {
      using T = decltype(zero);
      const auto data = [](const Tensor& t) { return t ? t.data<T>() : nullptr; };
      kernels::attention_composite_grad(where, a.numel(), x.dim(3), a.data<T>(), x.data<T>(), c.data<T>(),
                                        g.data<T>(), data(ga), data(gx), data(gc));
    });
    return std::vector<Tensor>{ga, gx, gc};
  });
}

Tensor total_variation(const Tensor& x, Variation kind) {
  SGA_CHECK(x.rank() == 4, "total_variation: x must be (N,H,W,C), got ", x.shape());
  const bool squared = kind == Variation::squared;
  Tensor y = empty({1}, x.dtype());
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::total_variation(where, x.dim(0), x.dim(1), x.dim(2), x.dim(3), squared, x.data<T>(),
                             y.data<T>());
  });
  return record(y, "total_variation", {x}, [x, squared](const Tensor&, const Tensor& g, Needs) {
    if (grad_enabled()) {
      // Differences down and right, and the transposes of both, as pads and crops.
      const int64_t h = x.dim(1), w = x.dim(2);
      const auto direction = [&](Border minuend, Border subtrahend) {
        const Tensor d = sub(pad(x, minuend), pad(x, subtrahend));
        const Tensor s = squared ? mul(affine(d, 2), like(g, d)) : sign_gate(like(g, d), d);
        const auto back = [](Border b) { return Border{-b.top, -b.bottom, -b.left, -b.right}; };
        return sub(pad(s, back(minuend)), pad(s, back(subtrahend)));
      };
      Tensor total = zeros_like(x);
      if (h > 1) total = add(total, direction({-1, 0, 0, 0}, {0, -1, 0, 0}));
      if (w > 1) total = add(total, direction({0, 0, -1, 0}, {0, 0, 0, -1}));
      return std::vector<Tensor>{total};
    }
    Tensor gx = empty(x.shape(), x.dtype());
    run(x, [&](auto where, auto zero) {
      using T = decltype(zero);
      kernels::total_variation_grad(where, x.dim(0), x.dim(1), x.dim(2), x.dim(3), squared, x.data<T>(),
                                    g.data<T>(), gx.data<T>());
    });
    return std::vector<Tensor>{gx};
  });
}

Tensor gradient_penalty(const Tensor& g, NormOver over, double eps) {
  SGA_CHECK(g.rank() == 4 && g.numel() > 0, "gradient_penalty: g must be (N,H,W,C) and not empty, got ",
            g.shape());
  const int64_t groups = over == NormOver::sample ? g.dim(0) : g.dim(0) * g.dim(1) * g.dim(2);
  const int64_t size = g.numel() / groups;
  const Tensor norm = empty({groups}, g.dtype());
  Tensor y = empty({1}, g.dtype());
  run(g, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::gradient_penalty(where, groups, size, g.data<T>(), T(eps), norm.data<T>(), y.data<T>());
  });
  return record(y, "gradient_penalty", {g}, [=](const Tensor&, const Tensor& seed, Needs) {
    if (grad_enabled()) {
      const Tensor flat = reshape(g, {groups, size});
      const Tensor n = power(affine(sum_to(mul(flat, flat), {groups, 1}), 1, eps), 0.5);
      const Tensor factor = affine(mul(affine(n, 1, -1), power(n, -1)), 2.0 / double(groups));
      return std::vector<Tensor>{
          reshape(mul(mul(flat, expand(factor, flat.shape())), like(seed, flat)), g.shape())};
    }
    Tensor gg = empty(g.shape(), g.dtype());
    run(g, [&](auto where, auto zero) {
      using T = decltype(zero);
      kernels::gradient_penalty_grad(where, groups, size, g.data<T>(), norm.data<T>(), seed.data<T>(),
                                     gg.data<T>());
    });
    return std::vector<Tensor>{gg};
  });
}

}  // namespace sga
