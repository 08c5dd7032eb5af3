// Training batches: what they hold, and that how they are made changes nothing.
#include "models/ganimation/batches.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <stdexcept>

#include "tests/error_text.h"
#include "tests/temp_folder.h"

namespace sga::ganimation {
namespace {

constexpr int64_t kSide = 16;

/// Face i is of one colour but for its left column, and shows AU i only.
class Batches : public testing::Test {
 protected:
  TempFolder folder;

  FaceSet make(int count) {
    FaceSetWriter writer(folder / "a.sgd", {"landmarks", 1.5, kSide});
    for (int i = 0; i < count; ++i) {
      std::vector<uint8_t> rgb(kSide * kSide * 3, uint8_t(i));
      for (int64_t y = 0; y < kSide; ++y) rgb[size_t(y * kSide * 3)] = 255;
      FaceRecord record{.name = std::to_string(i)};
      record.labels[size_t(i) % kActionUnitCount] = 0.5f;
      writer.add(record, rgb);
    }
    writer.finish();
    return FaceSet(folder / "a.sgd");
  }
};

void expect_equal(const Batch& a, const Batch& b) {
  EXPECT_EQ(to_host<float>(a.images), to_host<float>(b.images));
  EXPECT_EQ(to_host<float>(a.source_aus), to_host<float>(b.source_aus));
  EXPECT_EQ(to_host<float>(a.target_aus), to_host<float>(b.target_aus));
}

TEST_F(Batches, FacesLabelsAndTargetsBelongTogether) {
  const FaceSet set = make(10);
  const BatchSampler sampler(set, set.indices(true));
  Rng rng(3);
  const Batch batch = sampler.draw(400, rng);
  const std::vector<float> images = to_host<float>(batch.images), source = to_host<float>(batch.source_aus),
                           target = to_host<float>(batch.target_aus);
  std::set<int> seen, mirrored;
  for (size_t n = 0; n < 400; ++n) {
    const auto pixel = [&](int64_t x, int c) {
      return images[size_t((int64_t(n) * kSide * kSide + x) * 3 + c)];
    };
    const int face = int(std::lround((pixel(kSide / 2, 1) + 1) * 127.5f));
    seen.insert(face);
    const bool flip = pixel(kSide - 1, 0) == 1;
    mirrored.insert(flip);
    EXPECT_EQ(pixel(flip ? 0 : kSide - 1, 0), pixel(kSide / 2, 0));
    int shown = 0;
    for (int au = 0; au < kActionUnitCount; ++au) {
      EXPECT_EQ(source[n * kActionUnitCount + size_t(au)], au == face ? 0.5f : 0.0f);
      const float t = target[n * kActionUnitCount + size_t(au)];
      EXPECT_GE(t, -0.1f);
      EXPECT_LE(t, 0.6f);
      shown += t > 0.3f;
    }
    EXPECT_EQ(shown, 1);
  }
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(mirrored.size(), 2u);
}

TEST_F(Batches, OneFaceIsEnough) {
  const FaceSet set = make(1);
  const BatchSampler sampler(set, set.indices(true), 0.5);
  Rng rng(1);
  EXPECT_EQ(sampler.draw(4, rng).images.dim(0), 4);
  EXPECT_NE(error_text([&] { BatchSampler(set, {}); }).find("no faces to train on"), std::string::npos);
}

TEST_F(Batches, LoadedAheadInTheSameOrder) {
  const FaceSet set = make(40);
  const BatchSampler sampler(set, set.indices(true), 0.5);
  std::vector<Batch> want;
  {
    BatchLoader loader(sampler, 6, 11, 0, 1);
    for (int i = 0; i < 12; ++i) want.push_back(loader.next());
    EXPECT_GE(loader.waited(), 0);
  }
  BatchLoader same(sampler, 6, 11, 0, 5), later(sampler, 6, 11, 7), other(sampler, 6, 12);
  for (int i = 0; i < 12; ++i) expect_equal(same.next(), want[size_t(i)]);
  for (int i = 7; i < 12; ++i) expect_equal(later.next(), want[size_t(i)]);  // a resumed run
  EXPECT_NE(to_host<float>(other.next().images), to_host<float>(want[0].images));
  EXPECT_NE(to_host<float>(want[0].images), to_host<float>(want[1].images));
}

TEST_F(Batches, WhatTheThreadMeetsIsThrownByNext) {
  const FaceSet set = make(4);
  EXPECT_NE(error_text([&] {
              BatchSampler(set, {0, 1, 99});
            }).find("there is no face 99"),
            std::string::npos);
  const BatchSampler sampler(set, set.indices(true));
  BatchLoader loader(sampler, int64_t{1} << 52, 1);  // more numbers than a vector can hold
  EXPECT_THROW(loader.next(), std::length_error);
}

}  // namespace
}  // namespace sga::ganimation
