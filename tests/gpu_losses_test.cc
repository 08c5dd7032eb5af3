// Compositing, gradient penalty and total variation on a GPU against the CPU kernels in double.
#include <limits>

#include "kernels/composite.h"
#include "kernels/penalty.h"
#include "kernels/statistics.h"
#include "kernels/tv.h"
#include "tests/expect_close.h"
#include "tests/gpu_numbers.h"

namespace sga {
namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

constexpr double kEps = std::numeric_limits<float>::epsilon();

// ---- compositing

struct Composite {
  Floats y, ga, gx, gc;
};
Composite composite(int64_t pixels, int64_t channels, int shift) {
  const int64_t count = pixels * channels;
  const ShiftedArray a(numbers_around(0.5f, 0.5f, pixels, 1), shift), x(numbers(count, 2), shift),
      c(numbers(count, 3), shift), gy(numbers(count, 4), shift), y(count, shift), ga(pixels, shift),
      gx(count, shift), gc(count, shift);
  kernels::attention_composite(test_gpu(), pixels, channels, a.get(), x.get(), c.get(), y.get());
  kernels::attention_composite_grad(test_gpu(), pixels, channels, a.get(), x.get(), c.get(), gy.get(),
                                    ga.get(), gx.get(), gc.get());
  const Composite all{y.read(), ga.read(), gx.read(), gc.read()};
  const ShiftedArray ga1(pixels, shift), gx1(count, shift), gc1(count, shift);  // one at a time
  const auto grad = [&](float* to_a, float* to_x, float* to_c) {
    kernels::attention_composite_grad(test_gpu(), pixels, channels, a.get(), x.get(), c.get(), gy.get(), to_a,
                                      to_x, to_c);
  };
  grad(ga1.get(), nullptr, nullptr), grad(nullptr, gx1.get(), nullptr), grad(nullptr, nullptr, gc1.get());
  EXPECT_EQ(ga1.read(), all.ga);
  EXPECT_EQ(gx1.read(), all.gx);
  EXPECT_EQ(gc1.read(), all.gc);
  return all;
}

TEST(GpuComposite, AgreesWithTheCpu) {
  struct Shape {
    int64_t pixels, channels;
    int shift;
  };
  for (const Shape s : {Shape{1, 3, 0},
                        {4, 3, 0},
                        {1028, 3, 0},
                        {1030, 3, 0},
                        {1028, 3, 1},
                        {1028, 3, 2},
                        {300, 1, 0},
                        {77, 4, 0},
                        {50, 17, 1},
                        {0, 3, 0}}) {
    const std::string what = std::to_string(s.pixels) + "x" + std::to_string(s.channels);
    const int64_t count = s.pixels * s.channels;
    const Doubles a = doubles(numbers_around(0.5f, 0.5f, s.pixels, 1)), x = doubles(numbers(count, 2)),
                  c = doubles(numbers(count, 3)), gy = doubles(numbers(count, 4));
    Doubles y(x.size()), ga(a.size()), gx(x.size()), gc(x.size());
    kernels::attention_composite(Cpu{}, s.pixels, s.channels, a.data(), x.data(), c.data(), y.data());
    kernels::attention_composite_grad(Cpu{}, s.pixels, s.channels, a.data(), x.data(), c.data(), gy.data(),
                                      ga.data(), gx.data(), gc.data());
    const Composite got = composite(s.pixels, s.channels, s.shift);
    expect_close(doubles(got.y), y, kEps, 1, 1, what + " y");
    expect_close(doubles(got.ga), ga, kEps, double(s.channels), 1, what + " ga");
    expect_close(doubles(got.gx), gx, kEps, 1, 1, what + " gx");
    expect_close(doubles(got.gc), gc, kEps, 1, 1, what + " gc");
  }
}

// ---- penalty

struct Penalty {
  float y;
  Floats norm, gg;
};
Penalty penalty(int64_t groups, int64_t size, int shift, const Floats& g_, float eps) {
  const ShiftedArray g(g_, shift), norm(groups, shift), gg(groups * size, shift);
  const GpuArray<float> y(int64_t{1}), seed(Floats{0.7f});
  kernels::gradient_penalty(test_gpu(), groups, size, g.get(), eps, norm.get(), y.get());
  kernels::gradient_penalty_grad(test_gpu(), groups, size, g.get(), norm.get(), seed.get(), gg.get());
  return {y.read()[0], norm.read(), gg.read()};
}

TEST(GpuPenalty, AgreesWithTheCpu) {
  struct Shape {
    int64_t groups, size;
    int shift;
  };
  for (const Shape s : {Shape{1, 3, 0},
                        {4, 3, 0},
                        {5, 3, 0},
                        {3000, 3, 0},
                        {3000, 3, 1},
                        {3001, 3, 0},
                        {270000, 3, 0},
                        {300, 1, 0},
                        {77, 32, 0},
                        {5, 33, 0},
                        {3, 4096, 0},
                        {9, 5000, 0},
                        {2, 20004, 0},
                        {2, 20004, 2},
                        {2, 9001, 0},
                        {17, 40, 0}}) {
    const std::string what =
        std::to_string(s.groups) + "x" + std::to_string(s.size) + "+" + std::to_string(s.shift);
    const Floats g = numbers_around(0, 1.5f / std::sqrt(float(s.size)), s.groups * s.size, 5);
    const Penalty got = penalty(s.groups, s.size, s.shift, g, 1e-6f);
    Doubles norm(static_cast<size_t>(s.groups)), gg(g.size()), y(1);
    const double seed = 0.7f;
    kernels::gradient_penalty(Cpu{}, s.groups, s.size, doubles(g).data(), double(1e-6f), norm.data(),
                              y.data());
    kernels::gradient_penalty_grad(Cpu{}, s.groups, s.size, doubles(g).data(), norm.data(), &seed, gg.data());
    const double terms = double(s.size);
    expect_close(doubles(got.norm), norm, kEps, terms, 1, what + " norm");
    // norm - 1 has the absolute rounding of norm, which is about 1.
    EXPECT_NEAR(got.y, y[0], 16 * kEps * (y[0] + std::sqrt(y[0]))) << what;
    double largest = 0;
    for (float v : g) largest = std::max(largest, std::abs(double(v)));
    for (size_t i = 0; i < gg.size(); ++i)
      ASSERT_NEAR(got.gg[i], gg[i], 16 * kEps * std::sqrt(terms) * 2 * seed / double(s.groups) * largest)
          << what << " gg " << i;
  }
}
TEST(GpuPenalty, ZeroGradientHasNoDirection) {
  for (int64_t size : {3, 40}) {
    const Penalty got = penalty(8, size, 0, Floats(size_t(8 * size)), 0);
    EXPECT_EQ(got.y, 1);
    EXPECT_EQ(got.gg, Floats(size_t(8 * size)));
  }
}
TEST(GpuPenalty, SameBitsTwice) {
  for (const auto& [groups, size] : {std::pair<int64_t, int64_t>{5000, 3}, {3, 12000}}) {
    const Floats g = numbers(groups * size, 6);
    const Penalty a = penalty(groups, size, 0, g, 0), b = penalty(groups, size, 0, g, 0);
    EXPECT_EQ(a.y, b.y);
    EXPECT_EQ(a.gg, b.gg);
  }
}

// ---- total variation

struct Variation {
  float y;
  Floats gx;
};
Variation variation(int64_t n, int64_t h, int64_t w, int64_t c, bool squared, int shift, const Floats& x_) {
  const ShiftedArray x(x_, shift), gx(n * h * w * c, shift);
  const GpuArray<float> y(int64_t{1}), seed(Floats{0.7f});
  kernels::total_variation(test_gpu(), n, h, w, c, squared, x.get(), y.get());
  kernels::total_variation_grad(test_gpu(), n, h, w, c, squared, x.get(), seed.get(), gx.get());
  return {y.read()[0], gx.read()};
}

TEST(GpuVariation, AgreesWithTheCpu) {
  struct Shape {
    int64_t n, h, w, c;
    int shift;
  };
  for (const Shape s : {Shape{1, 1, 1, 1, 0},
                        {1, 1, 4, 1, 0},
                        {1, 7, 4, 1, 0},
                        {2, 5, 12, 1, 0},
                        {3, 33, 64, 1, 0},
                        {3, 33, 64, 1, 1},
                        {2, 30, 31, 1, 0},
                        {1, 9, 4, 3, 0},
                        {2, 34, 40, 3, 0},
                        {2, 34, 40, 3, 2},
                        {2, 17, 19, 3, 0},
                        {2, 6, 8, 4, 0},
                        {1, 5, 1, 17, 0}})
    for (bool squared : {false, true}) {
      const std::string what = std::to_string(s.n) + "x" + std::to_string(s.h) + "x" + std::to_string(s.w) +
                               "x" + std::to_string(s.c) + (squared ? " squared" : "");
      Floats x = numbers(s.n * s.h * s.w * s.c, 7);
      for (size_t i = 0; i < x.size(); ++i)
        if (i % 5 == 0) x[i] = 0.25f;  // some neighbours are equal: slope 0
      const Variation got = variation(s.n, s.h, s.w, s.c, squared, s.shift, x);
      Doubles y(1), gx(x.size());
      const double seed = 0.7f;
      kernels::total_variation(Cpu{}, s.n, s.h, s.w, s.c, squared, doubles(x).data(), y.data());
      kernels::total_variation_grad(Cpu{}, s.n, s.h, s.w, s.c, squared, doubles(x).data(), &seed, gx.data());
      expect_close({got.y}, y, kEps, double(x.size()), 1, what);
      expect_close(doubles(got.gx), gx, kEps, 4, 1, what + " gx");
      const Variation again = variation(s.n, s.h, s.w, s.c, squared, s.shift, x);
      EXPECT_EQ(again.y, got.y);
      EXPECT_EQ(again.gx, got.gx);
    }
}

TEST(GpuStatistics, AgreesWithTheCpu) {
  for (const auto& [n, c] : {std::pair{1, 1}, std::pair{3, 32}, std::pair{2, 300}}) {
    const Floats mean = numbers(n * c, 1), m = numbers(c, 2);
    Floats rstd = numbers(n * c, 3), v = numbers(c, 4);
    for (float& r : rstd) r = 0.5f + r * r;
    const GpuArray<float> gmean(mean), grstd(rstd), gm(m), gv(v);
    kernels::track_statistics(test_gpu(), n, c, 77, gmean.get(), grstd.get(), 1e-5f, 0.1f, gm.get(),
                              gv.get());
    Doubles dm = doubles(m), dv = doubles(v);
    // The same float constants, widened: what differs is the arithmetic alone.
    kernels::track_statistics(Cpu{}, n, c, 77, doubles(mean).data(), doubles(rstd).data(), double(1e-5f),
                              double(0.1f), dm.data(), dv.data());
    expect_close(doubles(gm.read()), dm, kEps, n, 1, "mean");
    expect_close(doubles(gv.read()), dv, kEps, n, 1, "variance");
  }
}

}  // namespace
}  // namespace sga
