// Borders, joins and maps along an axis on the GPU against the CPU.
#include "kernels/layout.h"

#include <limits>

#include "kernels/resize.h"
#include "tests/expect_close.h"
#include "tests/gpu_numbers.h"

namespace sga {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon();

struct Window {
  int64_t n, h, w, c, top, left, p, q;
};
void check_window(const Window& s) {
  const std::vector<float> x = numbers(s.n * s.h * s.w * s.c, 1);
  std::vector<float> want(static_cast<size_t>(s.n * s.p * s.q * s.c));
  kernels::shift_window(Cpu{}, s.n, s.h, s.w, s.c, s.top, s.left, s.p, s.q, x.data(), want.data());
  for (const int shift : {0, 1}) {
    const ShiftedArray in(x, shift), out(int64_t(want.size()), shift);
    kernels::shift_window(test_gpu(), s.n, s.h, s.w, s.c, s.top, s.left, s.p, s.q, in.get(), out.get());
    EXPECT_EQ(out.read(), want) << s.h << "x" << s.w << "x" << s.c << " to " << s.p << "x" << s.q << " at "
                                << s.top << "," << s.left;
  }
}

TEST(Layout, ShiftWindow) {
  for (const int64_t c : {1, 3, 17, 32, 64}) {
    check_window({2, 5, 7, c, 3, 2, 11, 12});    // a border on all sides
    check_window({2, 9, 8, c, -2, -3, 5, 4});    // a part
    check_window({1, 5, 7, c, -2, 3, 4, 13});    // both
    check_window({1, 5, 7, c, 0, 0, 5, 7});      // all of it
    check_window({1, 2, 2, c, 20, 30, 5, 7});    // none of it
    check_window({1, 2, 2, c, -20, -30, 5, 7});  // none of it
  }
  check_window({1, 25, 33, 3, 5, 5, 35, 43});
  check_window({1, 4, 4, 512, 1, 1, 6, 6});
  check_window({1, 4, 4, 3, 0, 0, 0, 4});
}

struct Rows {
  int64_t outer, count, x_row, x_begin, y_row, y_begin;
};
void check_rows(const Rows& s) {
  const std::vector<float> x = numbers(s.outer * s.x_row, 2), before = numbers(s.outer * s.y_row, 3);
  std::vector<float> want = before;
  kernels::copy_rows(Cpu{}, s.outer, s.count, x.data(), s.x_row, s.x_begin, want.data(), s.y_row, s.y_begin);
  for (const int shift : {0, 1}) {
    const ShiftedArray in(x, shift), out(before, shift);
    kernels::copy_rows(test_gpu(), s.outer, s.count, in.get(), s.x_row, s.x_begin, out.get(), s.y_row,
                       s.y_begin);
    EXPECT_EQ(out.read(), want) << s.outer << " rows of " << s.count;
  }
}

TEST(Layout, CopyRows) {
  check_rows({6, 3, 3, 0, 20, 0});  // joins a picture and its labels
  check_rows({6, 17, 17, 0, 20, 3});
  check_rows({700, 32, 32, 0, 64, 32});
  check_rows({7, 32, 64, 32, 32, 0});  // cuts
  check_rows({7, 32, 64, 2, 32, 0});
  check_rows({7, 30, 64, 4, 32, 0});
  check_rows({1, 999, 999, 0, 2000, 7});  // one piece
  check_rows({5, 12, 12, 0, 12, 0});
  check_rows({3, 5001, 5001, 0, 9000, 1});
  check_rows({0, 5, 5, 0, 5, 0});
  check_rows({5, 0, 5, 0, 5, 0});
}

TEST(Layout, MoreRowsThanAGridHas) {
  const int64_t rows = 8192 + 9;  // of so many numbers that a block has one row
  check_rows({rows, 129, 129, 0, 130, 1});
}

struct Map {
  int64_t outer, n_in, n_out, inner;
};
void check_map(const Map& s) {
  // Row o has o % 5 taps anywhere.
  std::vector<int32_t> first{0}, index;
  for (int64_t o = 0; o < s.n_out; ++o) {
    for (int64_t k = 0; k < o % 5; ++k) index.push_back(int32_t((o * 7 + k * 3) % s.n_in));
    first.push_back(int32_t(index.size()));
  }
  const std::vector<float> weight = numbers(int64_t(index.size()), 4),
                           x = numbers(s.outer * s.n_in * s.inner, 5);
  const std::vector<double> wide_weight = doubles(weight), wide_x = doubles(x);
  std::vector<double> want(static_cast<size_t>(s.outer * s.n_out * s.inner));
  kernels::map_axis(Cpu{}, s.outer, s.n_in, s.n_out, s.inner, first.data(), index.data(), wide_weight.data(),
                    wide_x.data(), want.data());
  const GpuArray<int32_t> gpu_first(first), gpu_index(index);
  const GpuArray<float> gpu_weight(weight);
  std::vector<float> aligned;
  for (const int shift : {0, 1}) {
    const ShiftedArray in(x, shift), out(int64_t(want.size()), shift);
    kernels::map_axis(test_gpu(), s.outer, s.n_in, s.n_out, s.inner, gpu_first.get(), gpu_index.get(),
                      gpu_weight.get(), in.get(), out.get());
    const std::vector<float> got = out.read();
    expect_close(doubles(got), want, kEps, 5);
    if (shift == 0) aligned = got;
    EXPECT_EQ(got, aligned);
  }
}

TEST(Resize, MapAxis) {
  for (const int64_t inner : {1, 3, 4, 17, 32, 99, 1100}) {
    check_map({1, 1, 1, inner});
    check_map({2, 13, 18, inner});
    check_map({3, 18, 7, inner});
  }
  check_map({300, 33, 43, 3});
  check_map({0, 3, 3, 3});
}

}  // namespace
}  // namespace sga
