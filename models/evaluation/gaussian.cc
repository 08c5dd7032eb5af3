#include "models/evaluation/gaussian.h"

#include <Eigen/Eigenvalues>
#include <algorithm>

#include "engine/ops.h"

namespace sga::evaluation {
namespace {

using Matrix = Eigen::MatrixXd;
using Solver = Eigen::SelfAdjointEigenSolver<Matrix>;

constexpr int64_t kRowsAtOnce = 4096;  // float sums stay this short

Eigen::Map<const Matrix> matrix_of(const Gaussian& g) { return {g.covariance.data(), g.dim(), g.dim()}; }

// Rounding can make an eigenvalue that is 0 a little negative.
Matrix square_root(const Matrix& m) {
  const Solver solver(m);
  return solver.eigenvectors() * solver.eigenvalues().cwiseMax(0.0).cwiseSqrt().asDiagonal() *
         solver.eigenvectors().transpose();
}

}  // namespace

// Float sums over a few rows, joined in double (Chan, Golub and LeVeque 1979).
void GaussianSum::add(const Tensor& x) {
  const auto d = static_cast<int64_t>(mean_.size());
  SGA_CHECK(x.rank() == 2 && x.dim(1) == d, "GaussianSum: x must be (M,", d, "), got ", x.shape());
  NoGrad off;
  for (int64_t begin = 0; begin < x.dim(0); begin += kRowsAtOnce) {
    const int64_t m = std::min(kRowsAtOnce, x.dim(0) - begin);
    const Tensor rows = slice(x, 0, begin, m);
    const Tensor mean = affine(sum_to(rows, {1, d}), 1.0 / double(m));
    const Tensor centred = sub(rows, expand(mean, rows.shape()));
    const std::vector<double> scatter = to_host<double>(matmul(centred, centred, true));
    std::vector<double> shift = to_host<double>(mean);
    for (size_t i = 0; i < shift.size(); ++i) shift[i] -= mean_[i];
    const double share = double(m) / double(count_ + m), weight = share * double(count_);
    for (int64_t i = 0; i < d; ++i)
      for (int64_t j = 0; j < d; ++j) {
        const auto ij = static_cast<size_t>(i * d + j);
        scatter_[ij] += scatter[ij] + weight * shift[size_t(i)] * shift[size_t(j)];
      }
    for (size_t i = 0; i < shift.size(); ++i) mean_[i] += share * shift[i];
    count_ += m;
  }
}

Gaussian GaussianSum::result() const {
  SGA_CHECK(count_ > 0, "GaussianSum: no row was added");
  Gaussian g{mean_, scatter_};
  for (double& c : g.covariance) c /= double(std::max<int64_t>(count_ - 1, 1));
  return g;
}

Gaussian gaussian_of(const Tensor& x) {
  SGA_CHECK(x.rank() == 2, "gaussian_of: x must be (M,D), got ", x.shape());
  GaussianSum sum(x.dim(1));
  sum.add(x);
  return sum.result();
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
