#include "models/evaluation/gaussian.h"

#include <Eigen/Eigenvalues>
#include <algorithm>

#include "engine/ops.h"

namespace sga::evaluation {
namespace {

using Matrix = Eigen::MatrixXd;
using Solver = Eigen::SelfAdjointEigenSolver<Matrix>;

constexpr int64_t kRowsAtOnce = 4096;  // float sums stay this short; the rest is added in double

Eigen::Map<const Matrix> matrix_of(const Gaussian& g) { return {g.covariance.data(), g.dim(), g.dim()}; }

// Rounding can make an eigenvalue that is 0 a little negative.
Matrix square_root(const Matrix& m) {
  const Solver solver(m);
  return solver.eigenvectors() * solver.eigenvalues().cwiseMax(0.0).cwiseSqrt().asDiagonal() *
         solver.eigenvectors().transpose();
}

}  // namespace

Gaussian gaussian_of(const Tensor& x) {
  SGA_CHECK(x.rank() == 2 && x.dim(0) >= 1, "gaussian_of: x must be (M,D) with M >= 1, got ", x.shape());
  NoGrad off;
  const int64_t m = x.dim(0), d = x.dim(1);
  const Tensor mean = affine(sum_to(x, {1, d}), 1.0 / double(m));
  const Tensor centred = sub(x, expand(mean, x.shape()));
  Gaussian g{to_host<double>(mean), std::vector<double>(size_t(d * d))};
  for (int64_t begin = 0; begin < m; begin += kRowsAtOnce) {
    const Tensor rows = slice(centred, 0, begin, std::min(kRowsAtOnce, m - begin));
    const std::vector<double> products = to_host<double>(matmul(rows, rows, true));
    for (size_t i = 0; i < products.size(); ++i) g.covariance[i] += products[i];
  }
  for (double& c : g.covariance) c /= double(std::max<int64_t>(m - 1, 1));
  return g;
}

double frechet_distance(const Gaussian& a, const Gaussian& b) {
  SGA_CHECK(a.dim() == b.dim() && a.dim() > 0,
            "frechet_distance: Gaussians of one dimension are needed, got ", a.dim(), " and ", b.dim());
  double distance = 0;
  for (size_t i = 0; i < a.mean.size(); ++i) distance += (a.mean[i] - b.mean[i]) * (a.mean[i] - b.mean[i]);
  const Matrix root = square_root(matrix_of(a));
  const Solver product(root * matrix_of(b) * root, Eigen::EigenvaluesOnly);
  distance +=
      matrix_of(a).trace() + matrix_of(b).trace() - 2 * product.eigenvalues().cwiseMax(0.0).cwiseSqrt().sum();
  return std::max(distance, 0.0);
}

}  // namespace sga::evaluation
