// Masks against their definitions, pixel by pixel; k-means on points with known groups.
#include "tools/mask.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/error_text.h"
#include "tools/kmeans.h"

namespace sga {
namespace {

Image constant(int64_t h, int64_t w, float v, int64_t channels = 1) {
  return {h, w, channels, std::vector<float>(size_t(h * w * channels), v)};
}

Image speckle(int64_t h, int64_t w, double density, uint32_t seed) {
  std::mt19937 random(seed);
  Image image = constant(h, w, 0);
  for (float& v : image.pixels) v = random() % 1000 < uint32_t(1000 * density) ? 1.0f : 0.0f;
  return image;
}

TEST(Mask, ThresholdTakesItsOwnLevel) {
  const Image out = threshold({1, 3, 1, {0.25f, 0.5f, 0.75f}}, 0.5f);
  EXPECT_EQ(out.pixels, (std::vector<float>{0, 1, 1}));
}

TEST(Mask, DilationIsADiskAndErosionItsDual) {
  for (const auto& [h, w] : {std::pair{23, 31}, {1, 9}, {9, 1}, {5, 5}})
    for (const int64_t radius : {0, 1, 2, 5, 7, 40}) {
      SCOPED_TRACE(std::to_string(h) + "x" + std::to_string(w) + " by " + std::to_string(radius));
      const Image mask = speckle(h, w, 0.03, uint32_t(h + w)), thick = speckle(h, w, 0.97, uint32_t(h * w));
      const Image wide = dilate(mask, radius), thin = erode(thick, radius);
      for (int64_t y = 0; y < h; ++y)
        for (int64_t x = 0; x < w; ++x) {
          float any = 0, all = 1;
          for (int64_t v = 0; v < h; ++v)
            for (int64_t u = 0; u < w; ++u) {
              if ((v - y) * (v - y) + (u - x) * (u - x) > radius * radius) continue;
              any = std::max(any, *mask.at(v, u));
              all = std::min(all, *thick.at(v, u));
            }
          ASSERT_EQ(*wide.at(y, x), any) << y << " " << x;
          ASSERT_EQ(*thin.at(y, x), all) << y << " " << x;
        }
    }
  EXPECT_NE(error_text([] { dilate(constant(2, 2, 1), -1); }), "");
}

TEST(Mask, FeatherFallsLikeAGaussianFromZeroToOne) {
  Image step = constant(9, 81, 0);
  for (int64_t y = 0; y < 9; ++y)
    for (int64_t x = 0; x <= 40; ++x) *step.at(y, x) = 1;
  const Image soft = feather(step, 5);
  for (int64_t y = 0; y < 9; ++y)
    for (int64_t x = 0; x < 81; ++x) {
      const double want = 0.5 * std::erfc((double(x) - 40.5) / 5 / std::sqrt(2.0));
      EXPECT_NEAR(*soft.at(y, x), want, 0.002) << x;
    }
  EXPECT_EQ(*soft.at(0, 0), 1.0f);
  EXPECT_EQ(*soft.at(0, 80), 0.0f);
  EXPECT_EQ(feather(step, 0).pixels, step.pixels);
  for (const float v : {0.0f, 1.0f}) EXPECT_NE(error_text([&] { feather(constant(8, 8, v), 5); }), "");
}

TEST(Mask, BlurKeepsConstants) {
  for (const float v : blur(constant(6, 11, 0.3f), 3).pixels) EXPECT_NEAR(v, 0.3f, 1e-6f);
}

TEST(Mask, CompositeMixesEveryChannel) {
  const Image mask{1, 3, 1, {0, 0.25f, 1}};
  const Image out = composite(mask, constant(1, 3, 1, 3), constant(1, 3, 0.5f, 3));
  EXPECT_EQ(out.pixels, (std::vector<float>{0.5f, 0.5f, 0.5f, 0.625f, 0.625f, 0.625f, 1, 1, 1}));
  EXPECT_NE(error_text([&] { composite(mask, constant(1, 4, 1, 3), constant(1, 3, 1, 3)); }), "");
  EXPECT_NE(error_text([&] { composite(mask, constant(1, 3, 1, 3), constant(1, 3, 1, 1)); }), "");
}

TEST(Mask, DifferenceFindsWhatWasPastedUnderNoise) {
  std::mt19937 random(3);
  std::normal_distribution<float> noise(0, 0.02f);
  Image picture = constant(64, 80, 0.4f, 3), edited = picture;
  for (float& v : edited.pixels) v += noise(random);
  for (int64_t y = 20; y < 36; ++y)
    for (int64_t x = 30; x < 50; ++x) *edited.at(y, x) += 0.5f;  // one channel alone
  *edited.at(50, 10) = 0.7f;                                     // a pixel that is no edit
  const Difference found = difference(edited, picture);
  EXPECT_GE(found.threshold, 0.06f);
  EXPECT_NEAR(share(found.mask), 16.0 * 20 / (64 * 80), 0.02);
  EXPECT_EQ(*found.mask.at(28, 40), 1.0f);
  for (const auto& [y, x] : {std::pair{10, 40}, {28, 20}, {28, 60}, {50, 10}, {63, 79}})
    EXPECT_EQ(*found.mask.at(y, x), 0.0f) << y << " " << x;
  EXPECT_EQ(share(difference(picture, picture).mask), 0);
  // More than half of the pixels differ: the median cannot hide it.
  EXPECT_EQ(share(difference(constant(8, 8, 0.9f), constant(8, 8, 0.1f)).mask), 1);
  EXPECT_LT(difference_outside(edited, picture, dilate(found.mask, 3)), 0.03);
  EXPECT_GT(difference_outside(edited, picture, constant(64, 80, 0)), 0.02);
  EXPECT_EQ(difference_outside(edited, picture, constant(64, 80, 1)), 0);
}

TEST(KMeans, FindsGroups) {
  const std::vector<std::vector<float>> middles = {
      {-0.8f, -0.8f, -0.7f}, {0.1f, 0.7f, 0}, {0.9f, 0.8f, 0.7f}};
  std::mt19937 random(1);
  std::normal_distribution<float> noise(0, 0.05f);
  std::vector<float> rows;
  for (int i = 0; i < 300; ++i)
    for (const float v : middles[size_t(i % 3)]) rows.push_back(v + noise(random));
  std::vector<float> centres;
  try {
    centres = kmeans(rows, 3, 3);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("needs OpenCV"), std::string::npos) << error.what();
    GTEST_SKIP() << error.what();
  }
  EXPECT_EQ(kmeans(rows, 3, 3), centres) << "not the same again";
  ASSERT_EQ(centres.size(), 9u);
  for (const std::vector<float>& middle : middles) {
    double nearest = 10;
    for (size_t k = 0; k < 9; k += 3)
      nearest =
          std::min(nearest, std::hypot(double(centres[k] - middle[0]), double(centres[k + 1] - middle[1]),
                                       double(centres[k + 2] - middle[2])));
    EXPECT_LT(nearest, 0.03);
  }
  const std::string few = error_text([] { kmeans(std::vector<float>(30, 0.5f), 3, 2); });
  EXPECT_NE(few.find("only 1 different colours"), std::string::npos) << few;
}

}  // namespace
}  // namespace sga
