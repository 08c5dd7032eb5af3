// Drawn faces: the same every time, every action unit where FACS has it, more of it at a higher intensity;
// and the schedule of what a data set shows.
#include "models/ganimation/face_renderer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "models/ganimation/random_faces.h"
#include "tests/error_text.h"

namespace sga {
namespace {

constexpr int64_t kSize = 64;
using Pixels = std::vector<uint8_t>;

/// Upright, in the middle, so that rows of the picture are rows of the face.
FaceScene frontal(uint64_t seed) {
  FaceScene scene = random_scene(seed);
  scene.roll = scene.yaw = scene.pitch = scene.shift_x = scene.shift_y = 0;
  scene.scale = 1;
  return scene;
}

ActionUnits only(int unit, float value) {
  ActionUnits aus{};
  aus[size_t(index_of(unit))] = value;
  return aus;
}

/// Squared difference of rows [from, to), in shares of the height.
double change(const Pixels& a, const Pixels& b, double from = 0, double to = 1) {
  const auto n = int64_t(std::sqrt(double(a.size()) / 3));
  double sum = 0;
  for (int64_t y = 0; y < n; ++y) {
    const double at = (double(y) + 0.5) / double(n);
    if (at < from || at >= to) continue;
    for (int64_t i = y * n * 3; i < (y + 1) * n * 3; ++i) {
      const double d = double(a[size_t(i)]) - double(b[size_t(i)]);
      sum += d * d;
    }
  }
  return sum;
}

TEST(FaceRenderer, SameArgumentsSameBytes) {
  const ActionUnits aus = random_action_units(1, 1);
  const Pixels a = render_face(random_identity(5), random_scene(6), aus, kSize);
  EXPECT_EQ(a.size(), size_t(kSize * kSize * 3));
  EXPECT_EQ(a, render_face(random_identity(5), random_scene(6), aus, kSize));
  EXPECT_NE(a, render_face(random_identity(4), random_scene(6), aus, kSize));
  EXPECT_NE(a, render_face(random_identity(5), random_scene(7), aus, kSize));
  EXPECT_NE(a, render_face(random_identity(5), random_scene(6), {}, kSize));
}

TEST(FaceRenderer, EveryPixelIsANumber) {  // else render_face throws
  ActionUnits all;
  all.fill(1);
  for (uint64_t k = 0; k < 150; ++k) {
    const FaceIdentity identity = random_identity(k);
    const FaceScene scene = random_scene(k);
    render_face(identity, scene, random_action_units(k, int64_t(k)), 32);
    if (k % 5 == 0) render_face(identity, scene, all, 16);
  }
  for (const int64_t size : {17, 250}) render_face({}, {}, all, size);
}

TEST(FaceRenderer, ValuesBeyondTheScaleDrawLikeItsEnds) {
  for (const int unit : kActionUnitNumbers) {
    EXPECT_EQ(render_face({}, {}, only(unit, 1.25f), 32), render_face({}, {}, only(unit, 1), 32)) << unit;
    EXPECT_EQ(render_face({}, {}, only(unit, -0.2f), 32), render_face({}, {}, {}, 32)) << unit;
  }
}

TEST(FaceRenderer, EveryUnitIsSeenInItsPlaceAndGrowsWithIntensity) {
  for (uint64_t k = 0; k < 12; ++k) {
    const FaceIdentity identity = random_identity(k);
    const FaceScene scene = frontal(k);
    const Pixels rest = render_face(identity, scene, {}, kSize);
    for (const int unit : kActionUnitNumbers) {
      SCOPED_TRACE("AU " + std::to_string(unit) + ", person " + std::to_string(k));
      double before = 0;
      for (const float value : {0.33f, 0.66f, 1.f}) {
        const double now = change(rest, render_face(identity, scene, only(unit, value), kSize));
        EXPECT_GT(now, before) << value;
        before = now;
      }
      const Pixels face = render_face(identity, scene, only(unit, 1), kSize);
      double plain = 0;
      for (size_t i = 0; i < face.size(); ++i) plain += std::abs(double(face[i]) - double(rest[i]));
      EXPECT_GT(plain / double(face.size()), 0.08);  // levels on the whole picture; a blink has 0.65
      // Brows and lids stay above the tip of the nose, the mouth below it; the nose between brows and lips.
      const double tip = double(identity.nose_tip);
      const bool upper = unit <= 7 || unit == 45;
      const double outside = unit == 9 ? before - change(rest, face, double(identity.brow_y) - 0.05,
                                                         double(identity.mouth_y) - 0.02)
                             : upper   ? change(rest, face, tip, 1)
                                       : change(rest, face, 0, tip);
      EXPECT_LT(outside, 0.15 * before);
    }
  }
}

/// Nearly white pixels around the eyes, or darker ones around the mouth than any skin or lip.
int count(const Pixels& face, double from, double to, bool bright) {
  int n = 0;
  for (int64_t y = int64_t(from * 128); y < int64_t(to * 128); ++y)
    for (int64_t x = 35; x < 93; ++x) {
      const uint8_t* p = &face[size_t((y * 128 + x) * 3)];
      n += bright ? std::min({p[0], p[1], p[2]}) > 165 : std::max({p[0], p[1], p[2]}) < 60;
    }
  return n;
}

TEST(FaceRenderer, WhatFacsSays) {
  FaceScene scene;
  scene.noise = 0;
  const auto face = [&](const char* units) {
    return render_face({}, scene, parse_action_units(units).values, 128);
  };
  const Pixels rest = render_face({}, scene, {}, 128);
  const auto eyes = [&](const Pixels& p) { return count(p, 0.33, 0.46, true); };
  EXPECT_GT(eyes(face("5=1")), 1.3 * eyes(rest));  // white above the iris
  EXPECT_LT(eyes(face("7=1")), 0.8 * eyes(rest));
  EXPECT_EQ(eyes(face("45=1")), 0);
  const auto cavity = [&](const Pixels& p) { return count(p, 0.64, 0.85, false); };
  EXPECT_GT(cavity(face("25=1,26=1")), 2 * cavity(face("25=1")) + 50);
  // Teeth stay with the skull: an upper lip that goes up shows more of them.
  const auto teeth = [&](const Pixels& p) { return count(p, 0.64, 0.75, true); };
  EXPECT_EQ(teeth(rest), 0);
  EXPECT_GT(teeth(face("25=.7,10=1")), teeth(face("25=.7")));
}

TEST(FaceRenderer, Refusals) {
  const auto text = [](const ActionUnits& aus, int64_t size) {
    return error_text([&] { render_face({}, {}, aus, size); });
  };
  EXPECT_NE(text({}, 15).find("16 to 1024 pixels, got 15"), std::string::npos);
  EXPECT_NE(text({}, 1025).find("got 1025"), std::string::npos);
  EXPECT_NE(text(only(12, std::numeric_limits<float>::quiet_NaN()), 32).find("AU 12 must be a finite number"),
            std::string::npos);
  FaceIdentity broken;
  broken.jaw = std::numeric_limits<float>::infinity();
  broken.skin[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(error_text([&] { render_face(broken, {}, {}, 32); }).find("not finite"), std::string::npos);
  EXPECT_NE(error_text([] { random_action_units(0, -1); }).find("-1"), std::string::npos);
}

TEST(RandomFaces, WhatADataSetShows) {
  std::set<size_t> full;
  int neutral = 0, several = 0;
  double active = 0;
  constexpr int kFaces = 2000;
  for (int64_t i = 0; i < kFaces; ++i) {
    const ActionUnits aus = random_action_units(3, i);
    EXPECT_EQ(aus, random_action_units(3, i));
    int shown = 0;
    for (size_t k = 0; k < aus.size(); ++k) {
      EXPECT_TRUE(aus[k] >= 0 && aus[k] <= 1);
      shown += aus[k] > 0;
    }
    if (i % 4 == 0) {
      EXPECT_EQ(shown, 1);
      EXPECT_GT(aus[size_t(i / 4 % kActionUnitCount)], 0);
      if (i < 4 * kActionUnitCount && aus[size_t(i / 4)] == 1) full.insert(size_t(i / 4));
    }
    neutral += shown == 0;
    several += shown > 1;
    active += shown;
  }
  EXPECT_EQ(full.size(), size_t(kActionUnitCount));
  EXPECT_GT(neutral, kFaces / 40);
  EXPECT_GT(several, kFaces / 3);
  EXPECT_LT(active / kFaces, 5);  // sparse, as in photographs
  EXPECT_NE(random_action_units(3, 5), random_action_units(4, 5));
}

TEST(RandomFaces, PeopleDiffer) {
  std::set<std::pair<float, float>> shapes;
  std::set<FaceIdentity::Hair> hair;
  std::set<FaceIdentity::Beard> beards;
  std::set<FaceIdentity::Glasses> glasses;
  for (uint64_t k = 0; k < 200; ++k) {
    const FaceIdentity id = random_identity(k);
    shapes.emplace(id.half_width, id.mouth_width);
    hair.insert(id.hair), beards.insert(id.beard), glasses.insert(id.glasses);
    const FaceScene s = random_scene(k);
    EXPECT_NEAR(s.light[0] * s.light[0] + s.light[1] * s.light[1] + s.light[2] * s.light[2], 1, 1e-5);
    EXPECT_GT(s.light[2], 0.15);
  }
  EXPECT_EQ(shapes.size(), 200u);
  EXPECT_EQ(hair.size(), 6u);
  EXPECT_EQ(beards.size(), 5u);
  EXPECT_EQ(glasses.size(), 3u);
}

}  // namespace
}  // namespace sga
