// The kernel distance of two sets of vectors: for sets too small for a Gaussian.
#pragma once
#include "engine/tensor.h"

namespace sga::evaluation {

/// Squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, unbiased, so it may fall below 0:
///   mean of k over pairs within a, plus the same within b, minus twice the mean between a and b
/// a (M,D), b (N,D), 2 rows or more each. Of more than 1,000 rows: the mean over blocks of 1,000 of each, in
/// order. Source: Binkowski et al. 2018, arXiv:1801.01401 (KID).
double kernel_distance(const Tensor& a, const Tensor& b);

}  // namespace sga::evaluation
