// The loops that stand in for oneDNN in a build without it (conv_plain.cc, linked into this test in oneDNN's
// place) against the definition.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/conv.h"
#include "kernels/gemm.h"

namespace sga::kernels {
namespace {

std::vector<float> random_values(int64_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = uniform(generator);
  return values;
}

// Sums of `terms` products of numbers up to 1, in two orders.
void expect_same(const std::vector<float>& got, const std::vector<float>& want, int64_t terms) {
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-6 * double(terms)) << i;
}

TEST(ConvPlain, AgreesWithTheDefinition) {
  for (const ConvShape& g :
       {ConvShape{2, 7, 9, 3, 5, 3, 3, 5, 7, 1, 0}, ConvShape{1, 8, 6, 4, 3, 3, 3, 8, 6, 1, 1},
        ConvShape{2, 9, 8, 5, 4, 4, 4, 4, 4, 2, 1}, ConvShape{1, 5, 5, 1, 1, 7, 7, 5, 5, 1, 3}}) {
    const auto x = random_values(g.n * g.h * g.w * g.c, 1), w = random_values(g.k * g.r * g.s * g.c, 2),
               b = random_values(g.k, 3), gy = random_values(g.n * g.p * g.q * g.k, 4);
    std::vector<float> got(gy.size()), want(gy.size());
    for (const float* bias : {b.data(), static_cast<const float*>(nullptr)}) {
      conv(Cpu{}, g, x.data(), w.data(), bias, 0.2f, got.data());
      conv_reference(g, x.data(), w.data(), bias, 0.2f, want.data());
      expect_same(got, want, g.r * g.s * g.c);
    }
    std::vector<float> got_x(x.size()), want_x(x.size());
    conv_dx(Cpu{}, g, gy.data(), w.data(), got_x.data());
    conv_dx_reference(g, gy.data(), w.data(), want_x.data());
    expect_same(got_x, want_x, g.r * g.s * g.k);
    std::vector<float> got_w(w.size()), want_w(w.size());
    conv_dw(Cpu{}, g, x.data(), gy.data(), got_w.data());
    conv_dw_reference(g, x.data(), gy.data(), want_w.data());
    expect_same(got_w, want_w, g.n * g.p * g.q);
  }
}

TEST(ConvPlain, MatrixProductAgreesWithTheDefinition) {
  const int64_t m = 5, n = 7, k = 19;
  const auto a = random_values(m * k, 1), b = random_values(k * n, 2);
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      std::vector<float> got(size_t(m * n)), want(size_t(m * n));
      gemm(Cpu{}, ta, tb, m, n, k, a.data(), b.data(), got.data());
      gemm_reference(ta, tb, m, n, k, a.data(), b.data(), want.data());
      expect_same(got, want, k);
    }
}

TEST(ConvPlain, HasNoBf16) { EXPECT_FALSE(cpu_has_bf16()); }

}  // namespace
}  // namespace sga::kernels
