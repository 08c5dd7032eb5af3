// Metrics against closed forms and against numbers of an independent float64 implementation (NumPy).
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "engine/ops.h"
#include "engine/random.h"
#include "models/evaluation/inception.h"
#include "models/evaluation/inception_v3.h"
#include "models/evaluation/kernel_distance.h"
#include "models/evaluation/patches.h"
#include "models/evaluation/similarity.h"
#include "tests/error_text.h"
#include "tests/inception_weights.h"

namespace sga::evaluation {
namespace {

const std::string kStem = SGA_SOURCE_DIR "/models/pretrained/inception_stem.safetensors";

// (1,h,w,3) in about [0.05,0.95]
Tensor pattern(int64_t h, int64_t w, double phase = 0) {
  std::vector<double> values;
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      for (int64_t c = 0; c < 3; ++c)
        values.push_back(0.5 + 0.3 * std::sin(0.7 * double(y) + 1.1 * double(x) + 0.5 * double(c) + phase) +
                         0.15 * std::sin(0.05 * double(y * x) + 2 * double(c) + 3 * phase));
  return from_host({1, h, w, 3}, values, Dtype::f32);
}

Gaussian diagonal(std::vector<double> mean, const std::vector<double>& variances) {
  const size_t d = mean.size();
  Gaussian g{std::move(mean), std::vector<double>(d * d)};
  for (size_t i = 0; i < d; ++i) g.covariance[i * d + i] = variances[i];
  return g;
}

TEST(Gaussian, MeanAndCovarianceOfRows) {
  const Gaussian g = gaussian_of(from_host<float>({4, 2}, {0, 1, 2, 1, 0, 5, 2, 5}));
  EXPECT_EQ(g.mean, (std::vector<double>{1, 3}));
  ASSERT_EQ(g.covariance.size(), 4u);
  EXPECT_NEAR(g.covariance[0], 4.0 / 3, 1e-6);
  EXPECT_NEAR(g.covariance[1], 0, 1e-6);
  EXPECT_NEAR(g.covariance[3], 16.0 / 3, 1e-6);
  EXPECT_EQ(gaussian_of(from_host<float>({1, 2}, {3, 4})).covariance, std::vector<double>(4, 0));
}

TEST(Gaussian, ManyRowsAreSummedPieceByPiece) {
  std::vector<double> values;
  for (int i = 0; i < 10'001; ++i) values.push_back(i % 2 ? 1 : -1);
  const Gaussian g = gaussian_of(from_host({10'001, 1}, values, Dtype::f32));
  EXPECT_NEAR(g.covariance[0], (10'001 - 1 / 10'001.0) / 10'000, 1e-6);
}

TEST(FrechetDistance, ClosedForms) {
  // Commuting covariances: |dm|^2 + sum (sqrt a - sqrt b)^2, also where they are singular.
  const Gaussian a = diagonal({1, 2, 3}, {4, 9, 0}), b = diagonal({1, 0, 3}, {1, 9, 16});
  EXPECT_NEAR(frechet_distance(a, b), 4 + 1 + 0 + 16, 1e-12);
  EXPECT_NEAR(frechet_distance(b, a), 21, 1e-12);
  EXPECT_NEAR(frechet_distance(a, a), 0, 1e-12);
  // tr (AB)^(1/2) of 2x2 matrices is sqrt(tr AB + 2 sqrt(det A det B)).
  const Gaussian c{{0, 0}, {2, 1, 1, 3}}, d{{0, 0}, {5, -2, -2, 1}};
  EXPECT_NEAR(frechet_distance(c, d), 5 + 6 - 2 * std::sqrt(10 - 4 + 3 + 2 * std::sqrt(5 * 1)), 1e-12);
  EXPECT_NE(error_text([&] { frechet_distance(a, c); }).find("3 and 2"), std::string::npos);
}

TEST(Patches, RecordedNumbers) {
  const auto a = patch_statistics(pattern(41, 54)), b = patch_statistics(pattern(38, 50, 1));
  ASSERT_EQ(a.size(), 3u);
  const double swd[] = {0.00949867210479428, 0.014087170875562223, 0.019914718422707558};
  const double frechet[] = {0.0004596939124469444, 0.00039193506199146117, 0.0007035087596131102};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(sliced_wasserstein(a[i], b[i]), swd[i], 1e-6);
    // The patches of this pattern fill few of the 147 dimensions; roots of the float rounding in the others.
    EXPECT_NEAR(patch_frechet(a[i], b[i]), frechet[i], 1e-6);
    EXPECT_EQ(sliced_wasserstein(a[i], a[i]), 0);
    EXPECT_LT(patch_frechet(a[i], a[i]), 1e-9);
    EXPECT_EQ(sliced_wasserstein(a[i], b[i]), sliced_wasserstein(b[i], a[i]));
  }
}

TEST(Patches, LargePicturesAreTakenInStrips) {
  const Tensor picture = pattern(270, 260);  // 264*254 patches: more than are laid out at once
  const Gaussian g = patch_statistics(picture)[0].gaussian;
  const std::vector<double> values = to_host<double>(picture);
  // Value 0 of a patch is the red one of its first pixel, 146 the blue one of its last.
  double mean[2] = {0, 0}, product = 0;
  const auto at = [&](int64_t y, int64_t x, int64_t c) { return values[size_t((y * 260 + x) * 3 + c)]; };
  const double n = 264 * 254;
  for (int64_t y = 0; y < 264; ++y)
    for (int64_t x = 0; x < 254; ++x) {
      mean[0] += at(y, x, 0) / n;
      mean[1] += at(y + 6, x + 6, 2) / n;
      product += at(y, x, 0) * at(y + 6, x + 6, 2);
    }
  EXPECT_NEAR(g.mean[0], mean[0], 1e-6);
  EXPECT_NEAR(g.mean[146], mean[1], 1e-6);
  EXPECT_NEAR(g.covariance[146], (product - n * mean[0] * mean[1]) / (n - 1), 1e-7);
}

TEST(Patches, OneValueChangesEverythingByIt) {
  // Each projection moves by the sum of its direction: the distance of two constants is proportional to
  // theirs.
  const auto at = [](double v) { return patch_statistics(full({1, 28, 28, 3}, v)); };
  const auto zero = at(0), half = at(0.5), one = at(1);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(sliced_wasserstein(zero[i], one[i]), 2 * sliced_wasserstein(zero[i], half[i]), 1e-6);
    EXPECT_NEAR(patch_frechet(zero[i], half[i]), 0.25, 1e-6);
  }
}

TEST(Patches, TooSmall) {
  EXPECT_NE(error_text([] { patch_statistics(zeros({1, 27, 40, 3})); }).find("40x27"), std::string::npos);
  EXPECT_NE(error_text([] { patch_statistics(zeros({1, 40, 40, 1})); }).find("(1,H,W,3)"), std::string::npos);
}

TEST(Similarity, ClosedForms) {
  const Tensor a = full({1, 20, 30, 3}, 0.25), b = affine(a, 1, 10.0 / 255);
  const Similarity shifted = similarity(a, b);
  EXPECT_NEAR(shifted.rmse, 10, 1e-4);
  EXPECT_NEAR(shifted.psnr, 20 * std::log10(25.5), 1e-4);
  // Without variance only the means count.
  const double ma = 0.25, mb = 0.25 + 10.0 / 255, c1 = 1e-4;
  EXPECT_NEAR(shifted.ssim, (2 * ma * mb + c1) / (ma * ma + mb * mb + c1), 1e-4);
  const Similarity same = similarity(a, a);
  EXPECT_EQ(same.rmse, 0);
  EXPECT_EQ(same.psnr, INFINITY);
  EXPECT_NEAR(same.ssim, 1, 1e-6);
}

TEST(Similarity, RecordedNumbers) {
  const Tensor a = pattern(41, 54);
  std::vector<double> moved = to_host<double>(a);
  for (double& v : moved) v += 0.1 * std::cos(21 * v);
  const Similarity s = similarity(a, from_host(a.shape(), moved, Dtype::f32));
  EXPECT_NEAR(s.rmse, 17.851310627360252, 1e-4);
  EXPECT_NEAR(s.ssim, 0.9549084108876401, 1e-5);
}

TEST(Similarity, SizesAreTold) {
  const std::string text = error_text([] { similarity(zeros({1, 20, 30, 3}), zeros({1, 30, 20, 3})); });
  EXPECT_NE(text.find("30x20 and 20x30"), std::string::npos) << text;
  EXPECT_NE(error_text([] {
              similarity(zeros({1, 10, 30, 3}), zeros({1, 10, 30, 3}));
            }).find("30x10"),
            std::string::npos);
}

double total(const Tensor& x) {
  double sum = 0;
  for (const double v : to_host<double>(x)) sum += v;
  return sum;
}

// The NumPy implementation behind these numbers reproduces the feature maps that the origin of the weights
// gives for a picture within 5e-6, and this one within 7e-6.
TEST(InceptionStem, RecordedNumbers) {
  const InceptionStem stem(load_checkpoint(kStem));
  const auto a = stem(pattern(41, 54)), b = stem(pattern(38, 50, 1));
  EXPECT_EQ(a.first.shape(), (Shape{18 * 24, 64}));
  EXPECT_EQ(a.second.shape(), (Shape{6 * 9, 192}));
  EXPECT_NEAR(total(a.first), 19472.33530593678, 0.02);
  EXPECT_NEAR(total(mul(a.first, a.first)), 70694.63798622703, 0.1);
  EXPECT_NEAR(to_host<double>(a.second)[(2 * 9 + 3) * 192 + 100], 2.640794748808819, 1e-5);
  EXPECT_NEAR(total(a.second), 8081.335567271423, 0.02);
  EXPECT_NEAR(total(mul(a.second, a.second)), 26807.608624937406, 0.1);
  const auto sifid = [](const Tensor& x, const Tensor& y) {
    return frechet_distance(gaussian_of(x), gaussian_of(y));
  };
  EXPECT_NEAR(sifid(a.first, b.first), 1.3597301449588315, 1e-4);
  // 54 places for 192 dimensions: a singular covariance.
  EXPECT_NEAR(sifid(a.second, b.second), 11.331464338439261, 1e-3);
}

TEST(InceptionStem, OtherWeights) {
  Checkpoint c = load_checkpoint(kStem);
  const Tensor picture = pattern(41, 54);
  const auto text = [&] { return error_text([&] { InceptionStem{c}; }); };
  c.metadata["input_range"] = "0 255";
  EXPECT_NE(text().find("0 255"), std::string::npos);
  c.metadata.clear();  // as torchvision's: the picture enters as 2x - 1
  EXPECT_NEAR(total(InceptionStem(c)(picture).first), 25971.82586931102, 0.02);

  Checkpoint prefixed;
  for (const auto& [name, tensor] : c.tensors) prefixed.tensors["module.inception." + name] = tensor;
  EXPECT_NEAR(total(InceptionStem(prefixed)(picture).first), 25971.82586931102, 0.02);

  for (const char* name : {"Conv2d_3b_1x1", "Conv2d_4a_3x3"})
    for (const char* part : {".conv.weight", ".bn.weight", ".bn.bias", ".bn.running_mean", ".bn.running_var"})
      c.tensors.erase(std::string(name) + part);
  const InceptionStem three(c);
  EXPECT_FALSE(three.has_second());
  EXPECT_FALSE(three(picture).second);
  EXPECT_EQ(three(zeros({1, 7, 7, 3})).first.shape(), (Shape{1, 64}));
  EXPECT_NE(error_text([&] { three(zeros({1, 6, 9, 3})); }).find("9x6"), std::string::npos);

  c.tensors["Conv2d_2a_3x3.bn.running_var"] = full({32}, -1);
  EXPECT_NE(text().find("running_var"), std::string::npos);
  c.tensors["Conv2d_2a_3x3.bn.running_var"] = full({31}, 1);
  EXPECT_NE(text().find("must have shape"), std::string::npos);
  c.tensors.erase("Conv2d_2a_3x3.bn.running_var");
  EXPECT_NE(text().find("running_var\" is missing"), std::string::npos);
  EXPECT_NE(error_text([] { InceptionStem{Checkpoint{}}; }).find("no tensor Conv2d_1a_3x3.conv.weight"),
            std::string::npos);
}

TEST(InceptionStem, SmallestPicture) {
  const InceptionStem stem(load_checkpoint(kStem));
  EXPECT_EQ(stem(zeros({1, 19, 19, 3})).second.shape(), (Shape{1, 192}));
  EXPECT_NE(error_text([&] { stem(zeros({1, 18, 30, 3})); }).find("30x18"), std::string::npos);
}

// The numbers come from the same network in PyTorch (double precision) with the same formula for its weights.
TEST(InceptionV3, FeaturesAreThoseOfPyTorch) {
  Checkpoint weights = inception_weights();
  const InceptionV3 net(weights);
  std::vector<double> x = hashed_numbers(2 * 99 * 99 * 3, 7777);
  for (double& v : x) v += 0.5;
  const Tensor y = net(from_host({2, 99, 99, 3}, x, Dtype::f32));
  ASSERT_EQ(y.shape(), (Shape{2, 2048}));
  const std::vector<double> f = to_host<double>(y);
  const struct {
    size_t i;
    double first, second;
  } want[] = {{0, 0.6039994354506212, 0.661617692466489},
              {500, 0.16112636544314185, 0.14205062832132176},
              {1000, 0, 0},
              {1500, 0.011956951588676422, 0.013474307172036818},
              {2046, 0.67022079, NAN}};
  for (const auto& w : want) {
    EXPECT_NEAR(f[w.i], w.first, 2e-4) << w.i;
    if (!std::isnan(w.second)) {
      EXPECT_NEAR(f[2048 + w.i], w.second, 2e-4) << w.i;
    }
  }
  double sum = 0;
  for (const double v : f) sum += v;
  EXPECT_NEAR(sum / double(f.size()), 0.1916945588689088, 1e-4);

  EXPECT_FALSE(net.is_torchvision());
  weights.tensors["fc.weight"] = zeros({1008, 2048});
  EXPECT_FALSE(InceptionV3(weights).is_torchvision()) << "the network of the FID has 1008 classes";
  weights.tensors["fc.weight"] = zeros({1000, 2048});
  EXPECT_TRUE(InceptionV3(weights).is_torchvision());

  weights.tensors.erase("Mixed_6c.branch7x7_2.conv.weight");
  try {
    const InceptionV3 broken(weights);
    ADD_FAILURE() << "a tensor was missing";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Mixed_6c.branch7x7_2.conv.weight"), std::string::npos);
  }
}

TEST(InceptionV3, BilinearAsTorch) {
  // torch.nn.functional.interpolate([0, 1, 4], size=n, mode="linear", align_corners=False)
  const auto resized = [](int64_t n) {
    const Tensor x = from_host<float>({1, 1, 3, 1}, {0, 1, 4});
    return to_host<float>(resize(x, bilinear_centre_taps(1, 1), bilinear_centre_taps(3, n)));
  };
  const std::vector<float> six = {0, 0.25f, 0.75f, 1.75f, 3.25f, 4}, two = {0.25f, 3.25f};
  for (size_t i = 0; i < six.size(); ++i) EXPECT_NEAR(resized(6)[i], six[i], 1e-6) << i;
  for (size_t i = 0; i < two.size(); ++i) EXPECT_NEAR(resized(2)[i], two[i], 1e-6) << i;
}

TEST(KernelDistance, IsTheDoubleSum) {
  const std::vector<double> a = {0.5, -1, 2, 0.25, 1, 1}, b = {0, 1, -0.5, 2};  // 3 and 2 rows of 2
  const auto k = [](const double* x, const double* y) {
    return std::pow((x[0] * y[0] + x[1] * y[1]) / 2 + 1, 3);
  };
  double aa = 0, bb = 0, ab = 0;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      if (i != j) aa += k(&a[size_t(2 * i)], &a[size_t(2 * j)]) / 6;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j)
      if (i != j) bb += k(&b[size_t(2 * i)], &b[size_t(2 * j)]) / 2;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 2; ++j) ab += k(&a[size_t(2 * i)], &b[size_t(2 * j)]) / 6;
  EXPECT_NEAR(kernel_distance(from_host({3, 2}, a, Dtype::f64), from_host({2, 2}, b, Dtype::f64)),
              aa + bb - 2 * ab, 1e-12);
  EXPECT_THROW(kernel_distance(zeros({1, 2}), zeros({3, 2})), Error);
  // Two halves of one distribution are near 0, shifted ones are not.
  Rng rng(1);
  const Tensor p = rng.normal({400, 8}), q = rng.normal({400, 8});
  EXPECT_LT(std::abs(kernel_distance(p, q)), 0.05);
  EXPECT_GT(kernel_distance(p, affine(q, 1, 1)), 0.5);
}

}  // namespace
}  // namespace sga::evaluation
