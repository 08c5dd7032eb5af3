// Instance normalisation on a GPU: every variant against the CPU kernels in double.
#include "kernels/norm.h"

#include <limits>

#include "tests/expect_close.h"
#include "tests/gpu_numbers.h"

namespace sga {
namespace {

using kernels::NormShape;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

constexpr double kEps = std::numeric_limits<float>::epsilon();

// What a norm layer is given, and the results of its three kernels.
struct Case {
  NormShape s;
  bool affine = true;
  float slope = 0.2f;
  float mean = 0, width = 1;  // of x
  float eps = 1e-5f;

  int64_t size() const { return s.n * s.pixels * s.c; }
  int64_t columns() const { return s.n * s.c; }
  Floats x() const { return numbers_around(mean, width, size(), 1); }
  Floats gamma() const { return numbers_around(1, 0.5f, s.per_image ? columns() : s.c, 2); }
  Floats beta() const { return numbers(s.per_image ? columns() : s.c, 3); }
  Floats gy() const { return numbers_around(0.3f, 1, size(), 4); }
  Floats v() const { return numbers_around(-0.2f, 1, size(), 5); }
  std::string name(int variant) const {
    return std::string(kernels::kNormVariants[variant]) + " (" + std::to_string(s.n) + "," +
           std::to_string(s.pixels) + "," + std::to_string(s.c) + ")" + (s.per_image ? " per image" : "") +
           (affine ? "" : " plain") + " slope " + std::to_string(slope);
  }
};

struct Results {
  Doubles y, mean, rstd, gx, ggamma, gbeta, ggy, gx2, ggamma2;
};

// x, y, mean and rstd of the derivatives are those of `forward`, in float, so that each kernel is judged
// alone.
Results on_cpu(const Case& k, const Floats& x) {
  const Doubles dx = doubles(x), gamma = doubles(k.gamma()), beta = doubles(k.beta()), gy = doubles(k.gy()),
                v = doubles(k.v());
  const double* g = k.affine ? gamma.data() : nullptr;
  const double slope = k.slope;
  const size_t size = x.size(), columns = size_t(k.columns());
  Results r{Doubles(size),    Doubles(columns), Doubles(columns), Doubles(size),   Doubles(columns),
            Doubles(columns), Doubles(size),    Doubles(size),    Doubles(columns)};
  kernels::instance_norm(Cpu{}, k.s, dx.data(), g, k.affine ? beta.data() : nullptr, double(k.eps), slope,
                         r.y.data(), r.mean.data(), r.rstd.data());
  const auto rounded = [](const Doubles& d) { return doubles(Floats(d.begin(), d.end())); };
  const Doubles y = rounded(r.y), mean = rounded(r.mean), rstd = rounded(r.rstd);
  kernels::instance_norm_grad(Cpu{}, k.s, dx.data(), y.data(), gy.data(), g, mean.data(), rstd.data(), slope,
                              r.gx.data(), r.ggamma.data(), r.gbeta.data());
  kernels::instance_norm_grad2(Cpu{}, k.s, dx.data(), y.data(), gy.data(), v.data(), g, mean.data(),
                               rstd.data(), slope, r.ggy.data(), r.gx2.data(), r.ggamma2.data());
  return r;
}

Floats floats(const Doubles& d) { return Floats(d.begin(), d.end()); }

// `shift`: every array starts that many numbers after an aligned address.
Results on_gpu(const Case& k, const Floats& x, const Results& want, int variant, int64_t shift = 0) {
  const auto shifted = [shift](Floats v) { return v.insert(v.begin(), size_t(shift), 0.0f), v; };
  const GpuArray<float> gx_(k.size() + shift), y_(k.size() + shift), ggy_(k.size() + shift),
      gx2_(k.size() + shift);
  const GpuArray<float> mean_(k.columns()), rstd_(k.columns()), ggamma_(k.columns()), gbeta_(k.columns()),
      ggamma2_(k.columns());
  const GpuArray<float> x_(shifted(x)), gy_(shifted(k.gy())), v_(shifted(k.v())),
      known_y(shifted(floats(want.y)));
  const GpuArray<float> gamma_(k.gamma()), beta_(k.beta()), known_mean(floats(want.mean)),
      known_rstd(floats(want.rstd));
  const float *gamma = k.affine ? gamma_.get() : nullptr, *beta = k.affine ? beta_.get() : nullptr;
  kernels::instance_norm_variant(test_gpu(), variant, k.s, x_.get() + shift, gamma, beta, k.eps, k.slope,
                                 y_.get() + shift, mean_.get(), rstd_.get());
  kernels::instance_norm_grad_variant(test_gpu(), variant, k.s, x_.get() + shift, known_y.get() + shift,
                                      gy_.get() + shift, gamma, known_mean.get(), known_rstd.get(), k.slope,
                                      gx_.get() + shift, ggamma_.get(), gbeta_.get());
  kernels::instance_norm_grad2_variant(test_gpu(), variant, k.s, x_.get() + shift, known_y.get() + shift,
                                       gy_.get() + shift, v_.get() + shift, gamma, known_mean.get(),
                                       known_rstd.get(), k.slope, ggy_.get() + shift, gx2_.get() + shift,
                                       ggamma2_.get());
  const auto read = [shift](const GpuArray<float>& a) {
    const Floats v = a.read();
    return Doubles(v.begin() + shift, v.end());
  };
  const auto column = [](const GpuArray<float>& a) { return doubles(a.read()); };
  return {read(y_),       column(mean_), column(rstd_), read(gx_),       column(ggamma_),
          column(gbeta_), read(ggy_),    read(gx2_),    column(ggamma2_)};
}

void expect_same(const Results& got, const Results& want, const Case& k, const std::string& what) {
  // Of 2 or 3 pixels the derivatives leave what 100 times larger terms cancel to: 10 roundings count as
  // sqrt(10^4).
  const double pixels = k.s.pixels > 3 ? double(k.s.pixels) : 1e4;
  expect_close(got.y, want.y, kEps, pixels, 1, what + " y");
  expect_close(got.mean, want.mean, kEps, pixels, 1, what + " mean");
  expect_close(got.rstd, want.rstd, kEps, pixels, 1, what + " rstd");
  expect_close(got.gx, want.gx, kEps, pixels, 1, what + " gx");
  expect_close(got.ggamma, want.ggamma, kEps, pixels, 1, what + " ggamma");
  expect_close(got.gbeta, want.gbeta, kEps, pixels, 1, what + " gbeta");
  expect_close(got.ggy, want.ggy, kEps, pixels, 1, what + " ggy");
  expect_close(got.gx2, want.gx2, kEps, pixels, 1, what + " gx2");
  // Sums over pixels of terms near 1 that cancel: the bound is that of the sum without the cancellation.
  ASSERT_EQ(got.ggamma2.size(), want.ggamma2.size());
  for (size_t i = 0; i < want.ggamma2.size(); ++i)
    EXPECT_NEAR(got.ggamma2[i], want.ggamma2[i], 16 * kEps * pixels * want.rstd[i])
        << what << " ggamma2 " << i;
}

void compare(const Case& k, int64_t shift = 0) {
  const Floats x = k.x();
  const Results want = on_cpu(k, x);
  for (int variant = 0; variant < int(std::size(kernels::kNormVariants)); ++variant)
    expect_same(on_gpu(k, x, want, variant, shift), want, k, k.name(variant));
}

TEST(GpuNorm, AgreesAtEveryCountOfChannels) {
  for (int64_t c : {1, 3, 4, 17, 32, 40, 66}) compare({{1, 37, c, false}});
}
TEST(GpuNorm, AgreesAtTheModelsChannels) { compare({{1, 20, 256, false}}), compare({{1, 70, 128, true}}); }
TEST(GpuNorm, AgreesFromTwoPixelsOn) {
  for (int64_t pixels : {2, 3, 31, 33, 64, 255, 257}) compare({{1, pixels, 4, false}});
}
TEST(GpuNorm, AgreesOverManyChunks) {
  compare({{1, 2000, 8, false}});
  compare({{2, 1031, 33, false}});
}
TEST(GpuNorm, AgreesWithParametersPerImage) {
  compare({{3, 50, 20, true}});
  compare({{3, 300, 5, true}});
}
TEST(GpuNorm, AgreesWithoutParameters) { compare({{2, 50, 20, false}, false}); }
TEST(GpuNorm, AgreesAtEverySlope) {
  for (float slope : {1.0f, 0.2f, 0.01f, 0.0f}) compare({{2, 300, 12, false}, true, slope});
}
TEST(GpuNorm, AgreesOnArraysThatAreNotAligned) {
  for (int64_t shift : {1, 2}) compare({{2, 300, 32, false}}, shift);
}

// As good as two passes: the mean is 10^4 deviations away, where <x^2> - <x>^2 has no digit left.
TEST(GpuNorm, StatisticsHoldFarFromZero) {
  for (const NormShape s : {NormShape{1, 2000, 4, false}, {2, 600, 3, false}}) {
    const Case k{s, true, 0.2f, 1000, 0.1f};
    const Floats x = k.x();
    const Results want = on_cpu(k, x);
    for (int variant = 0; variant < int(std::size(kernels::kNormVariants)); ++variant) {
      const Results got = on_gpu(k, x, want, variant);
      expect_close(got.rstd, want.rstd, kEps, 1, 1, k.name(variant) + " rstd");
      for (size_t i = 0; i < got.mean.size(); ++i)  // the next float: 1000 eps / 2, and half an ulp
        EXPECT_NEAR(got.mean[i], want.mean[i], 1024 * kEps) << k.name(variant);
      // y inherits the mean's rounding, in deviations: 1024 eps * rstd (17) * gamma (1.5)
      for (size_t i = 0; i < got.y.size(); ++i)
        ASSERT_NEAR(got.y[i], want.y[i], 1024 * kEps * 17.4 * 1.5) << k.name(variant) << " y " << i;
    }
  }
}
// One pixel, the one the kernels count from, is an outlier; and a picture that grows brighter by 1000
// deviations.
TEST(GpuNorm, StatisticsHoldWithAnOutlierAndOnARamp) {
  const Case k{{1, 2000, 4, false}, true, 1, 0, 1};
  Floats outlier = k.x(), ramp = k.x();
  for (size_t c = 0; c < 4; ++c) outlier[c] = 1e5f;
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] += float(i / 4);
  for (const Floats& x : {outlier, ramp}) {
    const Results want = on_cpu(k, x);
    for (int variant = 0; variant < int(std::size(kernels::kNormVariants)); ++variant) {
      const Results got = on_gpu(k, x, want, variant);
      // A few roundings of the distance between the mean and the first pixel; norm.cu: 32 in M2.
      const double distance = std::abs(double(x[0]) - want.mean[0]);
      for (size_t i = 0; i < 4; ++i)
        EXPECT_NEAR(got.mean[i], want.mean[i], 4 * kEps * distance) << k.name(variant);
      expect_close(got.rstd, want.rstd, kEps, 1, 4, k.name(variant) + " rstd");
      expect_close(got.y, want.y, kEps, 2000, 1, k.name(variant) + " y");
    }
  }
}
TEST(GpuNorm, ConstantChannelsGiveBeta) {
  const Case k{{1, 500, 4, false}, true, 1};
  const Floats x(size_t(k.size()), 7.0f), beta = k.beta();
  const Results want = on_cpu(k, x);
  for (int variant = 0; variant < int(std::size(kernels::kNormVariants)); ++variant) {
    const Results got = on_gpu(k, x, want, variant);
    for (size_t i = 0; i < got.y.size(); ++i) ASSERT_EQ(got.y[i], double(beta[i % 4])) << k.name(variant);
  }
}
TEST(GpuNorm, ANumberThatIsNoneReachesItsChannelAlone) {
  const Case k{{1, 300, 4, false}};
  Floats x = k.x();
  const Results want = on_cpu(k, x);
  x[41 * 4 + 2] = std::numeric_limits<float>::quiet_NaN();
  for (int variant = 0; variant < int(std::size(kernels::kNormVariants)); ++variant) {
    const Results got = on_gpu(k, x, want, variant);
    for (size_t i = 0; i < got.y.size(); ++i) ASSERT_EQ(std::isnan(got.y[i]), i % 4 == 2) << k.name(variant);
  }
}

// What is null is not written, and changes nothing else.
TEST(GpuNorm, ResultsMayBeLeftOut) {
  const Case k{{2, 300, 12, false}};
  const Floats x = k.x();
  const Results want = on_cpu(k, x);
  const GpuArray<float> x_(x), gy_(k.gy()), v_(k.v()), y_(floats(want.y)), gamma_(k.gamma()),
      mean_(floats(want.mean)), rstd_(floats(want.rstd));
  for (int variant = 0; variant < int(std::size(kernels::kNormVariants)); ++variant) {
    const std::string what = k.name(variant);
    const auto grad = [&](float* gx, float* ggamma, float* gbeta) {
      kernels::instance_norm_grad_variant(test_gpu(), variant, k.s, x_.get(), y_.get(), gy_.get(),
                                          gamma_.get(), mean_.get(), rstd_.get(), k.slope, gx, ggamma, gbeta);
    };
    const auto grad2 = [&](float* ggy, float* gx2, float* ggamma) {
      kernels::instance_norm_grad2_variant(test_gpu(), variant, k.s, x_.get(), y_.get(), gy_.get(), v_.get(),
                                           gamma_.get(), mean_.get(), rstd_.get(), k.slope, ggy, gx2, ggamma);
    };
    const GpuArray<float> gx(k.size()), ggamma(k.columns()), gbeta(k.columns()), ggy(k.size()), gx2(k.size());
    grad(gx.get(), nullptr, nullptr);
    grad(nullptr, ggamma.get(), gbeta.get());
    grad2(ggy.get(), nullptr, nullptr);
    grad2(nullptr, gx2.get(), nullptr);
    expect_close(doubles(gx.read()), want.gx, kEps, 300, 1, what + " gx");
    expect_close(doubles(ggamma.read()), want.ggamma, kEps, 300, 1, what + " ggamma");
    expect_close(doubles(gbeta.read()), want.gbeta, kEps, 300, 1, what + " gbeta");
    expect_close(doubles(ggy.read()), want.ggy, kEps, 300, 1, what + " ggy");
    expect_close(doubles(gx2.read()), want.gx2, kEps, 300, 1, what + " gx2");
    const GpuArray<float> ggamma2(k.columns());
    grad2(nullptr, nullptr, ggamma2.get());
    for (size_t i = 0; i < want.ggamma2.size(); ++i)
      EXPECT_NEAR(ggamma2.read()[i], want.ggamma2[i], 16 * kEps * 300 * want.rstd[i]) << what;
  }
}

TEST(GpuNorm, SameBitsTwice) {
  const Case k{{1, 700, 36, false}};
  const Floats x = k.x();
  const Results want = on_cpu(k, x);
  for (int variant = 0; variant < int(std::size(kernels::kNormVariants)); ++variant) {
    const Results a = on_gpu(k, x, want, variant), b = on_gpu(k, x, want, variant);
    EXPECT_EQ(a.y, b.y) << k.name(variant);
    EXPECT_EQ(a.rstd, b.rstd) << k.name(variant);
    EXPECT_EQ(a.gx, b.gx) << k.name(variant);
    EXPECT_EQ(a.gx2, b.gx2) << k.name(variant);
    EXPECT_EQ(a.ggamma2, b.ggamma2) << k.name(variant);
  }
}
TEST(GpuNorm, NothingToDo) {
  const Case k{{0, 10, 4, false}};
  for (int variant = 0; variant < int(std::size(kernels::kNormVariants)); ++variant)
    EXPECT_TRUE(on_gpu(k, {}, on_cpu(k, {}), variant).y.empty());
}

// The functions without a variant take norm_variant()'s.
TEST(GpuNorm, ChoosesOneLaunchForSmallImages) {
  EXPECT_EQ(kernels::norm_variant({3, 5000, 32, false}), 1);    // SinGAN, scale 3
  EXPECT_EQ(kernels::norm_variant({25, 256, 256, false}), 1);   // GANimation, innermost
  EXPECT_EQ(kernels::norm_variant({1, 47000, 128, false}), 2);  // SinGAN, scale 9
  EXPECT_EQ(kernels::norm_variant({16, 16384, 64, false}), 2);  // GANimation, outermost
  for (const Case& k : {Case{{1, 40, 12, false}}, Case{{1, 5200, 4, false}}}) {
    const Floats x = k.x();
    const Results want = on_cpu(k, x);
    const int variant = kernels::norm_variant(k.s);
    EXPECT_EQ(variant, k.s.pixels == 40 ? 1 : 2);
    const GpuArray<float> x_(x), gamma(k.gamma()), beta(k.beta()), y(k.size()), mean(k.columns()),
        rstd(k.columns());
    kernels::instance_norm(test_gpu(), k.s, x_.get(), gamma.get(), beta.get(), k.eps, k.slope, y.get(),
                           mean.get(), rstd.get());
    EXPECT_EQ(doubles(y.read()), on_gpu(k, x, want, variant).y);
    const GpuArray<float> gy(k.gy()), v(k.v()), gx(k.size()), ggamma(k.columns()), gbeta(k.columns());
    kernels::instance_norm_grad(test_gpu(), k.s, x_.get(), y.get(), gy.get(), gamma.get(), mean.get(),
                                rstd.get(), k.slope, gx.get(), ggamma.get(), gbeta.get());
    expect_close(doubles(gx.read()), want.gx, kEps, double(k.s.pixels), 1, "gx");
    const GpuArray<float> ggy(k.size()), gx2(k.size()), ggamma2(k.columns());
    kernels::instance_norm_grad2(test_gpu(), k.s, x_.get(), y.get(), gy.get(), v.get(), gamma.get(),
                                 mean.get(), rstd.get(), k.slope, ggy.get(), gx2.get(), ggamma2.get());
    expect_close(doubles(gx2.read()), want.gx2, kEps, double(k.s.pixels), 1, "gx2");
  }
}

}  // namespace
}  // namespace sga
