// Instance normalisation with its activation, fused up to the second derivative.
#include "engine/device.h"
#include "engine/norm_composite.h"
#include "engine/ops.h"
#include "kernels/norm.h"
#include "kernels/statistics.h"

namespace sga {
namespace {

// What the derivatives share. y decides the side of the activation; mean and rstd are those of the forward
// call, so a graph stays valid after parameters are updated in place.
struct Saved {
  Tensor x, y, mean, rstd, gamma;
  double eps, slope;
};

kernels::NormShape norm_shape(const Tensor& x, const Tensor& gamma) {
  return {x.dim(0), x.dim(1) * x.dim(2), x.dim(3), gamma && gamma.rank() == 2};
}

// (n,c) sums to the shape of gamma.
Tensor to_parameter(const Tensor& sums, const Tensor& gamma) {
  return gamma.rank() == 2 ? sums : reshape(sum_to(sums, {1, sums.dim(1)}), {sums.dim(1)});
}

// gx, the derivative by x, as an op of (gy, x, gamma) with its own fused derivative.
Tensor instance_norm_gx(const Saved& s, const Tensor& gy) {
  const kernels::NormShape shape = norm_shape(s.x, s.gamma);
  Tensor gx = empty(s.x.shape(), s.x.dtype());
  run(s.x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::instance_norm_grad(where, shape, s.x.data<T>(), s.y.data<T>(), gy.data<T>(),
                                s.gamma ? s.gamma.data<T>() : nullptr, s.mean.data<T>(), s.rstd.data<T>(),
                                T(s.slope), gx.data<T>(), static_cast<T*>(nullptr), static_cast<T*>(nullptr));
  });
  return record(gx, "instance_norm_gx", {gy, s.x, s.gamma},
                [s, gy, shape](const Tensor&, const Tensor& v, Needs needs) {
                  if (grad_enabled())
                    return norm_grad_composite_vjp(s.x, gy, s.gamma, s.y, s.eps, s.slope, v);
                  Tensor ggy = needs[0] ? empty(gy.shape(), gy.dtype()) : Tensor{};
                  Tensor gx2 = needs[1] ? empty(gy.shape(), gy.dtype()) : Tensor{};
                  Tensor ggamma = s.gamma && needs[2] ? empty(s.mean.shape(), gy.dtype()) : Tensor{};
                  run(gy, [&](auto where, auto zero) {
                    using T = decltype(zero);
                    const auto data = [](const Tensor& t) { return t ? t.data<T>() : nullptr; };
                    kernels::instance_norm_grad2(
                        where, shape, s.x.data<T>(), s.y.data<T>(), gy.data<T>(), v.data<T>(), data(s.gamma),
                        s.mean.data<T>(), s.rstd.data<T>(), T(s.slope), data(ggy), data(gx2), data(ggamma));
                  });
                  return std::vector<Tensor>{ggy, gx2, ggamma ? to_parameter(ggamma, s.gamma) : Tensor{}};
                });
}

}  // namespace

NormResult instance_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps, double slope) {
  SGA_CHECK(x.rank() == 4, "instance_norm: x must be (N,H,W,C), got ", x.shape());
  SGA_CHECK(x.dim(1) * x.dim(2) >= 2, "instance_norm: needs at least 2 pixels, got ", x.shape());
  SGA_CHECK(slope >= 0, "instance_norm: the activation's slope must be >= 0, got ", slope);
  SGA_CHECK(bool(gamma) == bool(beta), "instance_norm: gamma and beta must both be given or both be empty");
  if (gamma)
    SGA_CHECK((gamma.shape() == Shape{x.dim(3)} || gamma.shape() == Shape{x.dim(0), x.dim(3)}) &&
                  beta.shape() == gamma.shape(),
              "instance_norm: gamma and beta must be (C) or (N,C) for x ", x.shape(), ", got ", gamma.shape(),
              " and ", beta.shape());
  const kernels::NormShape shape = norm_shape(x, gamma);
  const Tensor mean = empty({x.dim(0), x.dim(3)}, x.dtype()), rstd = empty(mean.shape(), x.dtype());
  Tensor y = empty(x.shape(), x.dtype());
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::instance_norm(where, shape, x.data<T>(), gamma ? gamma.data<T>() : nullptr,
                           beta ? beta.data<T>() : nullptr, T(eps), T(slope), y.data<T>(), mean.data<T>(),
                           rstd.data<T>());
  });
  y = record(y, "instance_norm", {x, gamma, beta}, [=](const Tensor& out, const Tensor& gy, Needs needs) {
    const Saved s{x, out.detach(), mean, rstd, gamma, eps, slope};
    const bool parameters = gamma && (needs[1] || needs[2]);
    if (grad_enabled()) {
      const auto [ggamma, gbeta] = parameters ? norm_parameter_grads_composite(x, gy, gamma, s.y, eps, slope)
                                              : std::pair<Tensor, Tensor>{};
      return std::vector<Tensor>{needs[0] ? instance_norm_gx(s, gy) : Tensor{}, ggamma, gbeta};
    }
    Tensor gx = needs[0] ? empty(x.shape(), x.dtype()) : Tensor{};
    const Tensor ggamma = parameters ? empty(mean.shape(), x.dtype()) : Tensor{};
    const Tensor gbeta = parameters ? empty(mean.shape(), x.dtype()) : Tensor{};
    run(x, [&](auto where, auto zero) {
      using T = decltype(zero);
      const auto data = [](const Tensor& t) { return t ? t.data<T>() : nullptr; };
      kernels::instance_norm_grad(where, shape, x.data<T>(), s.y.data<T>(), gy.data<T>(), data(gamma),
                                  mean.data<T>(), rstd.data<T>(), T(slope), data(gx), data(ggamma),
                                  data(gbeta));
    });
    return std::vector<Tensor>{gx, parameters ? to_parameter(ggamma, gamma) : Tensor{},
                               parameters ? to_parameter(gbeta, gamma) : Tensor{}};
  });
  return {y, mean, rstd};
}

void track_statistics(const NormResult& norm, int64_t pixels, double eps, double momentum,
                      const Tensor& running_mean, const Tensor& running_var) {
  const int64_t c = norm.mean.dim(1);
  SGA_CHECK(pixels >= 2 && running_mean.numel() == c && running_var.numel() == c,
            "track_statistics: needs at least 2 pixels and ", c, " running means and variances, got ", pixels,
            ", ", running_mean.shape(), " and ", running_var.shape());
  run(norm.mean, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::track_statistics(where, norm.mean.dim(0), c, pixels, norm.mean.data<T>(), norm.rstd.data<T>(),
                              T(eps), T(momentum), running_mean.data<T>(), running_var.data<T>());
  });
}

}  // namespace sga
