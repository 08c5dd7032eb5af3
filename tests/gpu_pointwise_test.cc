// Pointwise CUDA kernels against the CPU's.
#include <limits>

#include "kernels/pointwise.h"
#include "tests/expect_close.h"
#include "tests/gpu_numbers.h"

namespace sga {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon();
const int64_t kSizes[] = {0, 1, 3, 4, 31, 257, 4095, 4096, 4097, 20001};

TEST(Harness, CopiesThereAndBack) {
  const GpuArray<float> a(std::vector<float>{1, 2, 3});
  EXPECT_EQ(a.read(), (std::vector<float>{1, 2, 3}));
  const float nan = GpuArray<float>(int64_t{2}).read()[1];
  EXPECT_NE(nan, nan);
}

// f(where, a, b, y, n) at every size, aligned and not, into a fresh array and in place.
template <class F>
void check(const char* what, F f, bool positive = false) {
  for (const int64_t n : kSizes)
    for (const int shift : {0, 1}) {
      std::vector<float> a = numbers(n, 1), b = numbers(n, 2), want(a.size());
      if (n > 3) a[1] = b[2] = 0, a[3] = 4, b[3] = -3;
      if (positive)
        for (float& v : a) v = v * v + 0.1f;
      f(Cpu{}, a.data(), b.data(), want.data(), n);
      const ShiftedArray x(a, shift), z(b, 0), y(n, shift);
      f(test_gpu(), x.get(), z.get(), y.get(), n);
      expect_close(doubles(y.read()), doubles(want), kEps, 1, 1, what);
      f(test_gpu(), x.get(), z.get(), z.get(), n);
      EXPECT_EQ(z.read(), y.read()) << what << " in place, n " << n << ", shift " << shift;
    }
}

TEST(Pointwise, LinearMaps) {
  check("fill", [](auto where, auto*, auto*, auto* y, int64_t n) { kernels::fill(where, 2.5f, y, n); });
  check("affine",
        [](auto where, auto* a, auto*, auto* y, int64_t n) { kernels::affine(where, a, 1.5f, -0.3f, y, n); });
  check("blend", [](auto where, auto* a, auto* b, auto* y, int64_t n) {
    kernels::blend(where, a, 0.7f, b, -1.2f, y, n);
  });
  check("mul", [](auto where, auto* a, auto* b, auto* y, int64_t n) { kernels::mul(where, a, b, y, n); });
}

TEST(Pointwise, Powers) {
  for (const float exponent : {2.0f, 0.5f, -0.5f, -1.0f, 3.0f})
    check(
        "power",
        [=](auto where, auto* a, auto*, auto* y, int64_t n) { kernels::power(where, a, exponent, y, n); },
        true);
}

TEST(Pointwise, Gates) {
  check("gate",
        [](auto where, auto* a, auto* b, auto* y, int64_t n) { kernels::gate(where, a, b, 0.2f, y, n); });
  check("sign_gate",
        [](auto where, auto* a, auto* b, auto* y, int64_t n) { kernels::sign_gate(where, a, b, y, n); });
  check("range_gate", [](auto where, auto* a, auto* b, auto* y, int64_t n) {
    kernels::range_gate(where, a, b, -0.5f, 0.5f, y, n);
  });
}

TEST(Pointwise, Curves) {
  check("clamp",
        [](auto where, auto* a, auto*, auto* y, int64_t n) { kernels::clamp(where, a, -0.5f, 0.4f, y, n); });
  check("tanh", [](auto where, auto* a, auto*, auto* y, int64_t n) { kernels::tanh(where, a, y, n); });
  check("sigmoid", [](auto where, auto* a, auto*, auto* y, int64_t n) { kernels::sigmoid(where, a, y, n); });
  check("abs", [](auto where, auto* a, auto*, auto* y, int64_t n) { kernels::abs(where, a, y, n); });
}

TEST(Pointwise, CurvesSaturate) {
  const std::vector<float> far{-1000, -100, 100, 1000};
  const GpuArray<float> x(far), y(int64_t{4});
  kernels::tanh(test_gpu(), x.get(), y.get(), 4);
  EXPECT_EQ(y.read(), (std::vector<float>{-1, -1, 1, 1}));
  kernels::sigmoid(test_gpu(), x.get(), y.get(), 4);
  const std::vector<float> s = y.read();
  EXPECT_EQ(s[0], 0);
  EXPECT_NEAR(s[1], 0, 1e-37);
  EXPECT_EQ(s[2], 1);
  EXPECT_EQ(s[3], 1);
}

}  // namespace
}  // namespace sga
