// Convolution through patches against the plain loops, in float and with rounded operands.
#include "kernels/conv_patches.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/gemm.h"

namespace sga::kernels {
namespace {

std::vector<float> random_values(int64_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = float(generator() % 2001) / 1000.f - 1;
  return values;
}

/// Largest difference, as a share of the largest wanted value.
double error(const std::vector<float>& got, const std::vector<float>& want) {
  double difference = 0, largest = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    difference = std::max(difference, double(std::abs(got[i] - want[i])));
    largest = std::max(largest, double(std::abs(want[i])));
  }
  return difference / largest;
}

ConvShape shape(int64_t n, int64_t side, int64_t c, int64_t k, int64_t filter, int64_t stride, int64_t pad) {
  const int64_t out = (side + 2 * pad - filter) / stride + 1;
  return {n, side, side, c, k, filter, filter, out, out, stride, pad};
}

class ConvPatches : public testing::TestWithParam<Precision> {};

TEST_P(ConvPatches, EqualThePlainLoops) {
  const Cpu where{GetParam()};
  if (where.precision == Precision::bf16 && !cpu_has_bf16()) GTEST_SKIP() << "this processor has no bfloat16";
  // Operands of 8 bits, products and sums in float.
  const double tolerance = where.precision == Precision::bf16 ? 1e-2 : 1e-6;
  for (const ConvShape& g : {shape(3, 8, 32, 48, 4, 2, 1), shape(4, 4, 64, 32, 3, 1, 1),
                             shape(2, 5, 16, 80, 2, 1, 0), shape(16, 2, 16, 17, 2, 1, 0)}) {
    const auto x = random_values(g.n * g.h * g.w * g.c, 1), w = random_values(g.k * g.r * g.s * g.c, 2);
    const auto gy = random_values(g.n * g.p * g.q * g.k, 3), b = random_values(g.k, 4);
    std::vector<float> got(gy.size()), want(gy.size());
    conv_by_patches(where, g, x.data(), w.data(), b.data(), 0.1f, got.data());
    conv_reference<float>(g, x.data(), w.data(), b.data(), 0.1f, want.data());
    EXPECT_LT(error(got, want), tolerance) << "forward, " << g.c << " channels";
    got.assign(x.size(), NAN), want.assign(x.size(), 0);
    conv_dx_by_patches(where, g, gy.data(), w.data(), got.data());
    conv_dx_reference<float>(g, gy.data(), w.data(), want.data());
    EXPECT_LT(error(got, want), tolerance) << "by data, " << g.c << " channels";
    got.assign(w.size(), NAN), want.assign(w.size(), 0);
    conv_dw_by_patches(where, g, x.data(), gy.data(), got.data());
    conv_dw_reference<float>(g, x.data(), gy.data(), want.data());
    EXPECT_LT(error(got, want), tolerance) << "by weights, " << g.c << " channels";
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, ConvPatches, testing::Values(Precision::fp32, Precision::bf16));

TEST(MatrixProduct, RoundedOperandsInEveryTransposition) {
  if (!cpu_has_bf16()) GTEST_SKIP() << "this processor has no bfloat16";
  const int64_t m = 70, n = 130, k = 150;
  const auto a = random_values(m * k, 5), b = random_values(k * n, 6);
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      std::vector<float> got(static_cast<size_t>(m * n)), want(static_cast<size_t>(m * n));
      gemm(Cpu{Precision::bf16}, ta, tb, m, n, k, a.data(), b.data(), got.data());
      gemm_reference(ta, tb, m, n, k, a.data(), b.data(), want.data());
      EXPECT_LT(error(got, want), 1e-2) << ta << tb;
      EXPECT_GT(error(got, want), 1e-6) << "not rounded at all: " << ta << tb;
    }
}

}  // namespace
}  // namespace sga::kernels
