// Convolutions and matrix products on a GPU against the loops in double.
#include <cfloat>

#include "kernels/conv_direct.h"
#include "kernels/gemm.h"
#include "kernels/random.h"
#include "tests/expect_close.h"
#include "tests/gpu_array.h"
#include "tests/numbers.h"

namespace sga::kernels {
namespace {

// Small ones of what carries the work of both models, and awkward ones.
const ConvShape kShapes[] = {
    conv_shape(1, 12, 11, 3, 32, 3, 3, 1, 0), conv_shape(1, 9, 12, 32, 32, 3, 3, 1, 0),
    conv_shape(2, 10, 9, 32, 3, 3, 3, 1, 0),  conv_shape(1, 8, 10, 64, 64, 3, 3, 1, 0),
    conv_shape(1, 9, 8, 64, 1, 3, 3, 1, 0),   conv_shape(2, 6, 6, 128, 128, 3, 3, 1, 0),
    conv_shape(2, 8, 8, 20, 32, 7, 7, 1, 3),  conv_shape(2, 8, 8, 32, 64, 4, 4, 2, 1),
    conv_shape(2, 15, 13, 5, 7, 4, 4, 2, 1),  conv_shape(2, 8, 8, 64, 64, 3, 3, 1, 1),
    conv_shape(4, 2, 2, 64, 17, 2, 2, 1, 0),  conv_shape(1, 9, 9, 1, 1, 3, 3, 2, 1),
};

class GpuConv : public testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(GpuConv, MatchesTheLoops) {
  const ConvShape g = kShapes[std::get<0>(GetParam())];
  const bool own = std::get<1>(GetParam());
  const int64_t xs = g.n * g.h * g.w * g.c, ws = g.k * g.r * g.s * g.c, ys = g.n * g.p * g.q * g.k;
  const std::vector<float> x = noise(xs, 1), w = noise(ws, 2), b = noise(g.k, 3), gy = noise(ys, 4);
  const GpuArray<float> dx(x), dw(w), db(b), dgy(gy), y(ys), plain(ys), gx(xs), gw(ws), again(ws);
  Cuda gpu = test_gpu();
  gpu.precision = Precision::fp32;
  const auto run = [&](auto&& direct, auto&& chosen, auto... arguments) {
    own ? direct(gpu, g, arguments...) : chosen(gpu, g, arguments...);
  };
  const auto forward = [](auto... a) { conv(a...); };
  const auto by_data = [](auto... a) { conv_dx(a...); };
  const auto by_weights = [](auto... a) { conv_dw(a...); };
  run(conv_direct, forward, dx.get(), dw.get(), db.get(), 0.2f, y.get());
  run(conv_direct, forward, dx.get(), dw.get(), static_cast<const float*>(nullptr), 1.0f, plain.get());
  run(conv_dx_direct, by_data, dgy.get(), dw.get(), gx.get());
  run(conv_dw_direct, by_weights, dx.get(), dgy.get(), gw.get());
  run(conv_dw_direct, by_weights, dx.get(), dgy.get(), again.get());

  std::vector<double> want(static_cast<size_t>(ys)), want_plain(want), want_gx(static_cast<size_t>(xs)),
      want_gw(static_cast<size_t>(ws));
  conv_reference<double>(g, doubles(x).data(), doubles(w).data(), doubles(b).data(), 0.2, want.data());
  conv_reference<double>(g, doubles(x).data(), doubles(w).data(), nullptr, 1, want_plain.data());
  conv_dx_reference<double>(g, doubles(gy).data(), doubles(w).data(), want_gx.data());
  conv_dw_reference<double>(g, doubles(x).data(), doubles(gy).data(), want_gw.data());
  expect_close(doubles(y.read()), want, FLT_EPSILON, double(g.r * g.s * g.c), 1, "conv");
  expect_close(doubles(plain.read()), want_plain, FLT_EPSILON, double(g.r * g.s * g.c), 1,
               "conv without bias");
  expect_close(doubles(gx.read()), want_gx, FLT_EPSILON, double(g.r * g.s * g.k), 1, "conv_dx");
  expect_close(doubles(gw.read()), want_gw, FLT_EPSILON, double(g.n * g.p * g.q), 1, "conv_dw");
  EXPECT_EQ(gw.read(), again.read());
}
INSTANTIATE_TEST_SUITE_P(Shapes, GpuConv,
                         testing::Combine(testing::Range(0, int(std::size(kShapes))), testing::Bool()));

// Operands rounded to 10 or 8 bits of mantissa: relative errors of 2^-11 and 2^-9 each, averaged over the
// sum.
TEST(GpuConvPrecision, RoundedOperandsStayClose) {
  const ConvShape g = conv_shape(2, 10, 12, 32, 32, 3, 3, 1, 1);
  const int64_t xs = g.n * g.h * g.w * g.c, ws = g.k * g.r * g.s * g.c, ys = g.n * g.p * g.q * g.k;
  const std::vector<float> x = noise(xs, 1), w = noise(ws, 2), gy = noise(ys, 4);
  const GpuArray<float> dx(x), dw(w), dgy(gy);
  std::vector<double> want(static_cast<size_t>(ys)), want_gx(static_cast<size_t>(xs)),
      want_gw(static_cast<size_t>(ws));
  conv_reference<double>(g, doubles(x).data(), doubles(w).data(), nullptr, 1, want.data());
  conv_dx_reference<double>(g, doubles(gy).data(), doubles(w).data(), want_gx.data());
  conv_dw_reference<double>(g, doubles(x).data(), doubles(gy).data(), want_gw.data());
  for (const auto& [precision, eps] :
       {std::pair{Precision::tf32, 0x1p-11}, std::pair{Precision::bf16, 0x1p-8}}) {
    Cuda gpu = test_gpu();
    gpu.precision = precision;
    const GpuArray<float> y(ys), gx(xs), gw(ws);
    conv(gpu, g, dx.get(), dw.get(), nullptr, 1.0f, y.get());
    conv_dx(gpu, g, dgy.get(), dw.get(), gx.get());
    conv_dw(gpu, g, dx.get(), dgy.get(), gw.get());
    expect_close(doubles(y.read()), want, eps, 1, 1, "conv");
    expect_close(doubles(gx.read()), want_gx, eps, 1, 1, "conv_dx");
    expect_close(doubles(gw.read()), want_gw, eps, 1, 1, "conv_dw");
  }
}

TEST(GpuGemm, MatchesTheLoop) {
  Cuda gpu = test_gpu();
  gpu.precision = Precision::fp32;
  const struct { int64_t m, n, k; } sizes[] = {{1, 1, 1}, {17, 33, 5}, {64, 48, 40}, {3, 100, 130}};
  for (const auto& z : sizes)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        const std::vector<float> a = noise(z.m * z.k, 1), b = noise(z.k * z.n, 2);
        const GpuArray<float> da(a), db(b), c(z.m * z.n), own(z.m * z.n);
        gemm(gpu, ta, tb, z.m, z.n, z.k, da.get(), db.get(), c.get());
        gemm_tiled(gpu, ta, tb, z.m, z.n, z.k, da.get(), db.get(), own.get());
        std::vector<double> want(static_cast<size_t>(z.m * z.n));
        gemm_reference<double>(ta, tb, z.m, z.n, z.k, doubles(a).data(), doubles(b).data(), want.data());
        expect_close(doubles(c.read()), want, FLT_EPSILON, double(z.k), 1, "gemm");
        expect_close(doubles(own.read()), want, FLT_EPSILON, double(z.k), 1, "gemm_tiled");
      }
}

}  // namespace
}  // namespace sga::kernels
