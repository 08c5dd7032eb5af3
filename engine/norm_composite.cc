#include "engine/norm_composite.h"

namespace sga {
namespace {

// (C) or (N,C) parameters beside x.
Tensor beside(const Tensor& p, const Tensor& x) {
  return expand(reshape(p, {p.rank() == 2 ? p.dim(0) : 1, 1, 1, p.dim(-1)}), x.shape());
}
Tensor pixel_mean(const Tensor& x) {
  return affine(sum_to(x, {x.dim(0), 1, 1, x.dim(3)}), 1.0 / double(x.dim(1) * x.dim(2)));
}
Tensor centred(const Tensor& x) { return sub(x, expand(pixel_mean(x), x.shape())); }

// rstd and q as differentiable functions of x.
struct Normalised {
  Tensor rstd, q;  // (N,1,1,C), x's shape
};
Normalised normalise(const Tensor& x, double eps) {
  const Tensor d = centred(x);
  const Tensor rstd = power(affine(pixel_mean(mul(d, d)), 1, eps), -0.5);
  return {rstd, mul(d, expand(rstd, x.shape()))};
}

Tensor gx_composite(const Tensor& x, const Tensor& gy, const Tensor& gamma, const Tensor& y, double eps,
                    double slope) {
  const Normalised n = normalise(x, eps);
  const Tensor h = gate(gy, y, slope);
  const Tensor inner = sub(centred(h), mul(n.q, expand(pixel_mean(mul(h, n.q)), x.shape())));
  const Tensor scaled = mul(expand(n.rstd, x.shape()), inner);
  return gamma ? mul(beside(gamma, x), scaled) : scaled;
}

}  // namespace

Tensor instance_norm_composite(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps,
                               double slope) {
  const Tensor q = normalise(x, eps).q;
  return leaky_relu(gamma ? add(mul(beside(gamma, x), q), beside(beta, x)) : q, slope);
}

std::pair<Tensor, Tensor> norm_parameter_grads_composite(const Tensor& x, const Tensor& gy,
                                                         const Tensor& gamma, const Tensor& y, double eps,
                                                         double slope) {
  const Tensor h = gate(gy, y, slope), q = normalise(x, eps).q;
  const auto reduce = [&](const Tensor& t) {
    const int64_t n = gamma.rank() == 2 ? x.dim(0) : 1;
    return reshape(sum_to(t, {n, 1, 1, x.dim(3)}), gamma.shape());
  };
  return {reduce(mul(h, q)), reduce(h)};
}

std::vector<Tensor> norm_grad_composite_vjp(const Tensor& x, const Tensor& gy, const Tensor& gamma,
                                            const Tensor& y, double eps, double slope, const Tensor& v) {
  // Partial derivatives in each input: differentiate with respect to aliases that stay connected to the
  // inputs.
  const Tensor ax = reshape(x, x.shape()), ay = reshape(gy, gy.shape());
  const Tensor ag = gamma ? reshape(gamma, gamma.shape()) : Tensor{};
  const auto leaf = [](Tensor t) { return t && !t.requires_grad() ? t.set_requires_grad() : t; };
  const Tensor lx = leaf(ax), ly = leaf(ay), lg = leaf(ag);
  const Tensor gx = gx_composite(lx, ly, lg, y, eps, slope);
  std::vector<Tensor> result = gamma ? grad(gx, {ly, lx, lg}, v, true) : grad(gx, {ly, lx}, v, true);
  if (!gamma) result.push_back({});
  return result;
}

}  // namespace sga
