#include "models/evaluation/kernel_distance.h"

#include <algorithm>

#include "engine/ops.h"

namespace sga::evaluation {
namespace {

constexpr int64_t kBlock = 1000;

// The mean of the kernel over all pairs of rows, without those of a row and itself if `within`.
double mean_kernel(const Tensor& a, const Tensor& b, bool within) {
  const std::vector<double> products = to_host<double>(matmul(a, b, false, true));
  const int64_t m = a.dim(0), n = b.dim(0);
  double sum = 0;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      if (within && i == j) continue;
      const double k = products[size_t(i * n + j)] / double(a.dim(1)) + 1;
      sum += k * k * k;
    }
  return sum / (double(m) * double(within ? n - 1 : n));
}

}  // namespace

double kernel_distance(const Tensor& a, const Tensor& b) {
  SGA_CHECK(a.rank() == 2 && b.rank() == 2 && a.dim(1) == b.dim(1) && a.dim(0) >= 2 && b.dim(0) >= 2,
            "kernel_distance: two tensors (M,D) and (N,D) of 2 rows or more are needed, got ", a.shape(),
            " and ", b.shape());
  NoGrad off;
  const int64_t blocks = std::max<int64_t>(1, std::min(a.dim(0), b.dim(0)) / kBlock);
  double sum = 0;
  for (int64_t i = 0; i < blocks; ++i) {
    const auto block = [&](const Tensor& x) {
      return slice(x, 0, i * kBlock, std::min(kBlock, x.dim(0) - i * kBlock));
    };
    const Tensor p = block(a), q = block(b);
    sum += mean_kernel(p, p, true) + mean_kernel(q, q, true) - 2 * mean_kernel(p, q, false);
  }
  return sum / double(blocks);
}

}  // namespace sga::evaluation
