// Vectors summed up as a Gaussian, and the Frechet distance of two such.
#pragma once
#include <vector>

#include "engine/tensor.h"

namespace sga::evaluation {

struct Gaussian {
  std::vector<double> mean;        ///< D
  std::vector<double> covariance;  ///< D*D
  int64_t dim() const { return static_cast<int64_t>(mean.size()); }
};

/// Of the rows of x (M,D); the covariance is divided by M-1, and zero for M = 1.
Gaussian gaussian_of(const Tensor& x);

/// The same for rows that come piece by piece.
class GaussianSum {
 public:
  explicit GaussianSum(int64_t dim) : mean_(size_t(dim)), scatter_(size_t(dim * dim)) {}
  void add(const Tensor& x);  ///< (M,D)
  Gaussian result() const;    ///< Error if there was no row

 private:
  int64_t count_ = 0;
  std::vector<double> mean_, scatter_;  // sum of (x - mean)(x - mean)^T
};

/// |ma - mb|^2 + tr(Ca + Cb - 2 (Ca Cb)^(1/2)), as the sum of the roots of the eigenvalues of
/// Ca^(1/2) Cb Ca^(1/2): symmetric matrices only, so singular ones need no care. Never below 0.
/// Source  Dowson and Landau 1982; Heusel et al. 2017, arXiv:1706.08500.
double frechet_distance(const Gaussian& a, const Gaussian& b);

}  // namespace sga::evaluation
