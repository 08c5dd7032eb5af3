// Sums and repetition on the GPU against loops in double.
#include "kernels/reduce.h"

#include <limits>

#include "tests/expect_close.h"
#include "tests/gpu_numbers.h"

namespace sga {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon();

int64_t product(const int64_t (&e)[4]) { return e[0] * e[1] * e[2] * e[3]; }
std::string text(const kernels::Broadcast& b) {
  std::string s;
  for (const auto& extents : {b.from, b.to})
    for (const int64_t* e = extents; e != extents + 4; ++e) s += std::to_string(*e) + " ";
  return "extents " + s;
}

// Bits of two runs, and of an array that starts elsewhere, are the same.
template <class F>
void check_total(const char* what, int64_t n, F f) {
  const std::vector<float> a = numbers(n, 3), b = numbers(n, 4);
  const std::vector<double> da = doubles(a), db = doubles(b);
  double want = 0;
  f(Cpu{}, da.data(), db.data(), n, &want);
  // The sum of numbers with signs may be far smaller than they are: the bound is for numbers of size 1.
  const double scale = std::string(what) == "sum" ? std::max(1.0, std::sqrt(double(n))) : 1;
  const GpuArray<float> y(int64_t{1});
  float first = 0;
  for (const int shift : {0, 0, 1, 2}) {
    const ShiftedArray x(a, shift), z(b, shift);
    f(test_gpu(), x.get(), z.get(), n, y.get());
    const float got = y.read()[0];
    EXPECT_NEAR(got, want, 8 * kEps * (std::abs(want) + scale)) << what << " of " << n;
    if (shift == 0) first = got;
    EXPECT_EQ(got, first) << what << " of " << n << " shifted by " << shift;
  }
}
void check_totals(int64_t n) {
  check_total("sum", n, [](auto where, auto* a, auto*, int64_t m, auto* y) { kernels::sum(where, a, m, y); });
  check_total("mean_squared_difference", n, [](auto where, auto* a, auto* b, int64_t m, auto* y) {
    kernels::mean_squared_difference(where, a, b, m, y);
  });
  check_total("mean_absolute_difference", n, [](auto where, auto* a, auto* b, int64_t m, auto* y) {
    kernels::mean_absolute_difference(where, a, b, m, y);
  });
}

TEST(Reduce, Totals) {
  for (const int64_t n : {1, 2, 3, 5, 255, 1024, 4095, 4096, 4097, 8192, 100003}) check_totals(n);
}

TEST(Reduce, TotalsOfMoreChunksThanBlocks) {
  const int64_t n = 1056 * 4096 + 5;
  const std::vector<float> a(static_cast<size_t>(n), 0.5f);
  const GpuArray<float> x(a), y(int64_t{1});
  kernels::sum(test_gpu(), x.get(), n, y.get());
  EXPECT_EQ(y.read()[0], float(n) / 2);  // halves add up exactly
}

TEST(Reduce, EmptySumIsZero) {
  const GpuArray<float> y(int64_t{1});
  kernels::sum(test_gpu(), y.get(), 0, y.get());
  EXPECT_EQ(y.read()[0], 0);
}

void check_sum_to(const kernels::Broadcast& b) {
  const int64_t inputs = product(b.to), outputs = product(b.from);
  const std::vector<float> x = numbers(inputs, 5);
  const std::vector<double> wide = doubles(x);
  std::vector<double> want(static_cast<size_t>(outputs));
  kernels::sum_to(Cpu{}, b, wide.data(), want.data());
  std::vector<float> first;
  for (const int shift : {0, 0, 1}) {
    const ShiftedArray in(x, shift), out(outputs, shift);
    kernels::sum_to(test_gpu(), b, in.get(), out.get());
    const std::vector<float> got = out.read();
    // An output is about sqrt(terms): its bound must not shrink where the terms cancel.
    std::vector<double> scaled_got = doubles(got), scaled_want = want;
    scaled_got.push_back(1), scaled_want.push_back(1);
    expect_close(scaled_got, scaled_want, kEps, outputs ? double(inputs) / double(outputs) : 1, 1, text(b));
    if (first.empty()) first = got;
    EXPECT_EQ(got, first) << text(b) << " shifted by " << shift;
  }
}

TEST(Reduce, BiasGradients) {
  for (const int64_t c : {1, 2, 3, 5, 17, 32, 64, 65, 128, 256, 260})
    for (const int64_t side : {1, 4, 23}) check_sum_to({{1, 1, 1, c}, {2, side, side + 1, c}});
  check_sum_to({{1, 1, 1, 2048}, {3, 2, 2, 2048}});
  check_sum_to({{1, 1, 1, 1023}, {1, 3, 3, 1023}});
  check_sum_to({{1, 1, 1, 32}, {1, 60, 47, 32}});  // several chunks
}

TEST(Reduce, SumsOfImages) {
  check_sum_to({{3, 1, 1, 3}, {3, 21, 13, 3}});
  check_sum_to({{2, 1, 1, 32}, {2, 21, 33, 32}});
  check_sum_to({{4, 1, 1, 1}, {4, 21, 33, 5}});  // more than 1024 numbers each
  check_sum_to({{25, 1, 1, 1}, {25, 4, 4, 3}});
  check_sum_to({{1, 9, 7, 8}, {5, 9, 7, 8}});
  check_sum_to({{1, 9, 7, 3}, {5, 9, 7, 3}});
}

TEST(Reduce, LastAxis) {
  for (const int64_t c : {2, 3, 4, 5, 17, 32, 64, 129, 1000, 1024, 1025, 2100, 9001})
    check_sum_to({{2, 3, 5, 1}, {2, 3, 5, c}});
  check_sum_to({{1, 1, 60, 1}, {1, 1, 60, 1030}});
}

TEST(Reduce, AxesApart) {
  check_sum_to({{1, 6, 1, 3}, {4, 6, 5, 3}});
  check_sum_to({{1, 6, 1, 8}, {4, 6, 5, 8}});
  check_sum_to({{1, 6, 7, 1}, {4, 6, 7, 5}});
  check_sum_to({{3, 1, 7, 1}, {3, 6, 7, 5}});
  check_sum_to({{1, 6, 1, 1}, {4, 6, 40, 50}});
  check_sum_to({{1, 40, 1, 1}, {400, 40, 2, 3}});
}

TEST(Reduce, NothingToSum) {
  check_sum_to({{2, 3, 4, 5}, {2, 3, 4, 5}});
  check_sum_to({{1, 1, 1, 1}, {1, 1, 1, 1}});
  check_sum_to({{1, 1, 1, 3}, {0, 4, 4, 3}});
}

TEST(Reduce, ColumnsOfMoreChunksThanBlocks) {
  const int64_t rows = 528 * 8 * 256 + 3;
  const std::vector<float> ones(static_cast<size_t>(rows * 4), 0.25f);
  const GpuArray<float> x(ones), y(int64_t{4});
  kernels::sum_to(test_gpu(), {{1, 1, 1, 4}, {1, 1, rows, 4}}, x.get(), y.get());
  EXPECT_EQ(y.read(), std::vector<float>(4, float(rows) / 4));
}

void check_expand(const kernels::Broadcast& b) {
  const std::vector<float> x = numbers(product(b.from), 6);
  std::vector<float> want(static_cast<size_t>(product(b.to)));
  kernels::expand(Cpu{}, b, x.data(), want.data());
  for (const int shift : {0, 1}) {
    const ShiftedArray in(x, shift), out(product(b.to), shift);
    kernels::expand(test_gpu(), b, in.get(), out.get());
    EXPECT_EQ(out.read(), want) << text(b) << " shifted by " << shift;
  }
}

TEST(Reduce, Expand) {
  for (const int64_t c : {1, 3, 8, 17, 256, 1028}) {
    check_expand({{1, 1, 1, c}, {2, 3, 5, c}});
    check_expand({{2, 1, 1, c}, {2, 3, 5, c}});
    check_expand({{2, 3, 5, 1}, {2, 3, 5, c}});
    check_expand({{1, 3, 1, c}, {2, 3, 5, c}});
    check_expand({{2, 1, 5, 1}, {2, 3, 5, c}});
    check_expand({{1, 1, 5, 1}, {2, 3, 5, c}});
    check_expand({{1, 1, 1, 1}, {2, 3, 5, c}});
    check_expand({{2, 3, 5, c}, {2, 3, 5, c}});
  }
  check_expand({{1, 1, 1, 3}, {0, 3, 5, 3}});
  check_expand({{1, 1, 1, 3}, {1, 300, 70, 3}});
}

}  // namespace
}  // namespace sga
