// Instance normalisation made of simple ops: the oracle of the fused kernels, and their derivatives beyond
// the second.
#pragma once
#include <utility>
#include <vector>

#include "engine/ops.h"

namespace sga {

/// The forward map of ops.h's instance_norm from pointwise ops, expand and sum_to.
Tensor instance_norm_composite(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps,
                               double slope);

/// The gradients by gamma and beta as differentiable ops of (x, gy): sum h q and sum h.
std::pair<Tensor, Tensor> norm_parameter_grads_composite(const Tensor& x, const Tensor& gy,
                                                         const Tensor& gamma, const Tensor& y, double eps,
                                                         double slope);

/// The vector-Jacobian product of gx(gy, x, gamma) with v, as differentiable ops: gradients by gy, x, gamma.
std::vector<Tensor> norm_grad_composite_vjp(const Tensor& x, const Tensor& gy, const Tensor& gamma,
                                            const Tensor& y, double eps, double slope, const Tensor& v);

}  // namespace sga
