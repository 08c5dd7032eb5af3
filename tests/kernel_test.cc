// Kernels against their definitions: the fast convolution against the loops, random numbers against published
// vectors, and results that must not depend on the number of threads.
#include <gtest/gtest.h>
#include <omp.h>

#include <cfloat>
#include <thread>

#include "kernels/adam.h"
#include "kernels/conv.h"
#include "kernels/conv_patches.h"
#include "kernels/gemm.h"
#include "kernels/norm.h"
#include "kernels/penalty.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "tests/expect_close.h"
#include "tests/numbers.h"

namespace sga::kernels {
namespace {

// The shapes that carry the work of both models, and awkward ones.
const ConvShape kShapes[] = {
    conv_shape(1, 26, 34, 3, 32, 3, 3, 1, 0),  conv_shape(1, 24, 32, 32, 32, 3, 3, 1, 0),
    conv_shape(2, 20, 21, 32, 3, 3, 3, 1, 0),  conv_shape(1, 18, 20, 64, 64, 3, 3, 1, 0),
    conv_shape(1, 16, 18, 64, 1, 3, 3, 1, 0),  conv_shape(3, 12, 12, 128, 128, 3, 3, 1, 0),
    conv_shape(2, 16, 16, 20, 32, 7, 7, 1, 3), conv_shape(2, 16, 16, 32, 64, 4, 4, 2, 1),
    conv_shape(2, 15, 13, 5, 7, 4, 4, 2, 1),   conv_shape(2, 8, 8, 64, 64, 3, 3, 1, 1),
    conv_shape(4, 2, 2, 64, 17, 2, 2, 1, 0),   conv_shape(1, 9, 9, 1, 1, 3, 3, 2, 1),
};

class Conv : public testing::TestWithParam<int> {};

TEST_P(Conv, FastMatchesLoops) {
  const ConvShape g = kShapes[GetParam()];
  const int64_t xs = g.n * g.h * g.w * g.c, ws = g.k * g.r * g.s * g.c, ys = g.n * g.p * g.q * g.k;
  const std::vector<float> x = noise(xs, 1), w = noise(ws, 2), b = noise(g.k, 3), gy = noise(ys, 4);
  std::vector<float> y(ys), gx(xs), gw(ws);
  std::vector<double> want(static_cast<size_t>(ys)), want_gx(static_cast<size_t>(xs)),
      want_gw(static_cast<size_t>(ws));
  conv_reference<double>(g, doubles(x).data(), doubles(w).data(), doubles(b).data(), 0.2, want.data());
  conv_dx_reference<double>(g, doubles(gy).data(), doubles(w).data(), want_gx.data());
  conv_dw_reference<double>(g, doubles(x).data(), doubles(gy).data(), want_gw.data());
  conv(Cpu{}, g, x.data(), w.data(), b.data(), 0.2f, y.data());
  conv_dx(Cpu{}, g, gy.data(), w.data(), gx.data());
  conv_dw(Cpu{}, g, x.data(), gy.data(), gw.data());
  expect_close(doubles(y), want, FLT_EPSILON, double(g.r * g.s * g.c), 1, "conv");
  expect_close(doubles(gx), want_gx, FLT_EPSILON, double(g.r * g.s * g.k), 1, "conv_dx");
  expect_close(doubles(gw), want_gw, FLT_EPSILON, double(g.n * g.p * g.q), 1, "conv_dw");
}

TEST_P(Conv, Bf16IsWithinItsRounding) {
  if (!cpu_has_bf16()) GTEST_SKIP() << "this processor does not multiply bfloat16";
  const ConvShape g = kShapes[GetParam()];
  const int64_t xs = g.n * g.h * g.w * g.c, ws = g.k * g.r * g.s * g.c, ys = g.n * g.p * g.q * g.k;
  const std::vector<float> x = noise(xs, 1), w = noise(ws, 2), gy = noise(ys, 4);
  std::vector<float> y(ys), gx(xs), gw(ws), want(ys), want_gx(xs), want_gw(ws);
  conv(Cpu{}, g, x.data(), w.data(), nullptr, 1, want.data());
  conv_dx(Cpu{}, g, gy.data(), w.data(), want_gx.data());
  conv_dw(Cpu{}, g, x.data(), gy.data(), want_gw.data());
  const Cpu half{Precision::bf16};
  conv(half, g, x.data(), w.data(), nullptr, 1, y.data());
  conv_dx(half, g, gy.data(), w.data(), gx.data());
  conv_dw(half, g, x.data(), gy.data(), gw.data());
  const double eps = 0x1p-9;  // bfloat16 keeps 8 bits; each product carries two roundings
  expect_close(doubles(y), doubles(want), eps, 1, 1, "conv");
  expect_close(doubles(gx), doubles(want_gx), eps, 1, 1, "conv_dx");
  expect_close(doubles(gw), doubles(want_gw), eps, 1, 1, "conv_dw");
}

INSTANTIATE_TEST_SUITE_P(Shapes, Conv, testing::Range(0, int(std::size(kShapes))));

TEST(ConvPatches, ThreadsDoNotDisturbEachOther) {
  const ConvShape g = conv_shape(4, 4, 4, 32, 32, 3, 3, 1, 1);
  const std::vector<float> w = noise(g.k * g.r * g.s * g.c, 9);
  const auto output = [&](uint64_t seed) {
    const std::vector<float> x = noise(g.n * g.h * g.w * g.c, seed);
    std::vector<float> y(g.n * g.p * g.q * g.k);
    conv_by_patches(Cpu{}, g, x.data(), w.data(), nullptr, 1, y.data());
    return y;
  };
  std::vector<std::vector<float>> want;
  for (uint64_t t = 0; t < 4; ++t) want.push_back(output(t));
  std::vector<int> wrong(4);
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int round = 0; round < 100; ++round) wrong[t] += output(t) != want[t];
      });
  }
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(Gemm, FastMatchesLoop) {
  for (int transposes = 0; transposes < 4; ++transposes) {
    const bool ta = transposes & 1, tb = transposes & 2;
    const std::vector<float> a = noise(17 * 33, 1), b = noise(33 * 9, 2);
    std::vector<float> c(17 * 9);
    std::vector<double> want(17 * 9);
    gemm(Cpu{}, ta, tb, 17, 9, 33, a.data(), b.data(), c.data());
    gemm_reference<double>(ta, tb, 17, 9, 33, doubles(a).data(), doubles(b).data(), want.data());
    expect_close(doubles(c), want, FLT_EPSILON, 33);
  }
}

TEST(Philox, MatchesPublishedVectors) {
  // Random123's known-answer file: philox4x32, 10 rounds.
  Philox x = philox4x32(0, 0, 0);
  EXPECT_EQ(x.v[0], 0x6627e8d5u);
  EXPECT_EQ(x.v[1], 0xe169c58du);
  EXPECT_EQ(x.v[2], 0xbc57ac4cu);
  EXPECT_EQ(x.v[3], 0x9b00dbd8u);
  x = philox4x32(~0ull, ~0ull, ~0ull);
  EXPECT_EQ(x.v[0], 0x408f276du);
  EXPECT_EQ(x.v[1], 0x41c83b0eu);
  EXPECT_EQ(x.v[2], 0xa20bc7c6u);
  EXPECT_EQ(x.v[3], 0x6d5451fdu);
  x = philox4x32(0x299f31d0a4093822ull, 0x85a308d3243f6a88ull, 0x0370734413198a2eull);
  EXPECT_EQ(x.v[0], 0xd16cfe09u);
  EXPECT_EQ(x.v[1], 0x94fdccebu);
  EXPECT_EQ(x.v[2], 0x5001e420u);
  EXPECT_EQ(x.v[3], 0x24126ea1u);
}

TEST(Random, PortableFunctionsAreAccurate) {
  for (int i = 0; i < 100000; ++i) {
    const float u = (float(i) + 0.5f) / 100000;
    EXPECT_NEAR(portable_log(u), std::log(double(u)), 2.5e-7 * std::max(1.0, -std::log(double(u))));
    float s, c;
    portable_sincos_turn(u, &s, &c);
    EXPECT_NEAR(s, std::sin(2 * M_PI * double(u)), 4e-7);
    EXPECT_NEAR(c, std::cos(2 * M_PI * double(u)), 4e-7);
  }
}

TEST(Random, NormalHasTheMomentsOfANormal) {
  const std::vector<float> v = noise(1 << 20, 5);
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
  for (double x : v) m1 += x, m2 += x * x, m3 += x * x * x, m4 += x * x * x * x;
  const double n = double(v.size());
  EXPECT_NEAR(m1 / n, 0, 0.004);
  EXPECT_NEAR(m2 / n, 1, 0.006);
  EXPECT_NEAR(m3 / n, 0, 0.015);
  EXPECT_NEAR(m4 / n, 3, 0.05);
}

TEST(Random, DependsOnSeedAndCounterAlone) {
  std::vector<float> whole(1000), part(500);
  uniform(Cpu{}, 9, 0, whole.data(), 1000);
  uniform(Cpu{}, 9, 125, part.data(), 500);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 500));
  EXPECT_NE(noise(10, 1), noise(10, 2));
}

// Everything that adds numbers up must give the same bits with one thread and with many.
TEST(Determinism, ThreadsDoNotChangeBits) {
  const NormShape s{2, 4097, 48, false};
  const int64_t n = s.n * s.pixels * s.c;
  const std::vector<float> x = noise(n, 1), gy = noise(n, 2), v = noise(n, 3), gamma = noise(48, 4),
                           beta = noise(48, 5);
  const auto all = [&](int threads) {
    omp_set_num_threads(threads);
    std::vector<float> y(n), mean(96), rstd(96), gx(n), gg(96), gb(96), ggy(n), gx2(n), total(1),
        channels(48);
    instance_norm<float>(Cpu{}, s, x.data(), gamma.data(), beta.data(), 1e-5f, 0.2f, y.data(), mean.data(),
                         rstd.data());
    instance_norm_grad<float>(Cpu{}, s, x.data(), y.data(), gy.data(), gamma.data(), mean.data(), rstd.data(),
                              0.2f, gx.data(), gg.data(), gb.data());
    instance_norm_grad2<float>(Cpu{}, s, x.data(), y.data(), gy.data(), v.data(), gamma.data(), mean.data(),
                               rstd.data(), 0.2f, ggy.data(), gx2.data(), gg.data());
    sum(Cpu{}, x.data(), n, total.data());
    sum_to(Cpu{}, Broadcast{{1, 1, 1, 48}, {1, 1, n / 48, 48}}, x.data(), channels.data());
    std::vector<float> result;
    for (const auto* part : {&y, &mean, &rstd, &gx, &gg, &gb, &ggy, &gx2, &total, &channels})
      result.insert(result.end(), part->begin(), part->end());
    return result;
  };
  const int before = omp_get_max_threads();
  const std::vector<float> one = all(1), many = all(5);
  omp_set_num_threads(before);
  EXPECT_EQ(one, many);
}

TEST(Norm, SurvivesALargeOffset) {
  // E[x^2] - E[x]^2 would lose every digit here.
  const NormShape s{1, 5000, 16, false};
  std::vector<float> x = noise(80000, 1), y(80000), mean(16), rstd(16);
  for (float& v : x) v += 1000;
  instance_norm<float>(Cpu{}, s, x.data(), nullptr, nullptr, 1e-5f, 1, y.data(), mean.data(), rstd.data());
  for (int c = 0; c < 16; ++c) {
    double m = 0, var = 0;
    for (int p = 0; p < 5000; ++p) m += x[size_t(p * 16 + c)] / 5000.0;
    for (int p = 0; p < 5000; ++p) var += (x[size_t(p * 16 + c)] - m) * (x[size_t(p * 16 + c)] - m) / 5000.0;
    EXPECT_NEAR(rstd[size_t(c)], 1 / std::sqrt(var + 1e-5), 1e-5);
  }
}

TEST(Penalty, DoesNotHideNan) {
  const float seed = 1;
  std::vector<float> g{NAN, 1, 0, 0}, norm(2), y(1), gg(4);
  gradient_penalty(Cpu{}, 2, 2, g.data(), 0.f, norm.data(), y.data());
  gradient_penalty_grad(Cpu{}, 2, 2, g.data(), norm.data(), &seed, gg.data());
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_TRUE(std::isnan(gg[1]));
  EXPECT_EQ(gg[2], 0);
}

TEST(Adam, RoundsItsFactorsOnce) {
  // PyTorch rounds 1 - beta2, computed in double; 1 - float(beta2) is 13 ppm off.
  float p = 0, m = 0, v = 0;
  const float g = 1;
  const AdamTensor<float> t{&p, &g, &m, &v, 1};
  adam(Cpu{}, &t, 1, 1e-3, 0.9, 0.999, 1e-8, 1, false);
  EXPECT_EQ(v, 0.001f);
  EXPECT_EQ(m, 0.1f);
}

TEST(Adam, MatchesItsFormulaInBothForms) {
  for (const bool before : {false, true}) {
    double p = 1, m = 0.1, v = 0.2;
    const double g = -0.5;
    double pk = p, mk = m, vk = v;
    const AdamTensor<double> t{&pk, &g, &mk, &vk, 1};
    adam(Cpu{}, &t, 1, 1e-3, 0.5, 0.999, 1e-8, 3, before);
    m = 0.5 * m + 0.5 * g;
    v = 0.999 * v + 0.001 * g * g;
    const double c1 = 1 - std::pow(0.5, 3), c2 = 1 - std::pow(0.999, 3);
    p -= before ? 1e-3 * std::sqrt(c2) / c1 * m / (std::sqrt(v) + 1e-8)
                : 1e-3 / c1 * m / (std::sqrt(v / c2) + 1e-8);
    EXPECT_NEAR(pk, p, 1e-15);
    EXPECT_NEAR(mk, m, 1e-15);
    EXPECT_NEAR(vk, v, 1e-15);
  }
}

}  // namespace
}  // namespace sga::kernels
