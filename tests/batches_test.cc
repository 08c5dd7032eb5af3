// Training batches: what they hold, and that how they are made changes nothing.
#include "models/ganimation/batches.h"

#include <gtest/gtest.h>

#include <algorithm>
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

TEST_F(Batches, MovedFacesRepeatTheirEdge) {
  const FaceSet set = make(1);  // dark but for its left column
  std::vector<float> plain(kSide * kSide * 3), moved(plain.size());
  set.fill(plain, 0, false);
  for (const int64_t right : {-2, 0, 3})
    for (const bool flip : {false, true}) {
      set.fill(moved, 0, flip, 1, right);
      for (int64_t y = 0; y < kSide; ++y)
        for (int64_t x = 0; x < kSide; ++x) {
          const int64_t v = std::clamp<int64_t>(y - 1, 0, kSide - 1),
                        u = std::clamp<int64_t>(x - right, 0, kSide - 1);
          EXPECT_EQ(moved[size_t(y * kSide + x) * 3],
                    plain[size_t(v * kSide + (flip ? kSide - 1 - u : u)) * 3]);
        }
    }
  const BatchSampler sampler(set, set.indices(true), 0, 3);
  Rng rng(1);
  const std::vector<float> images = to_host<float>(sampler.draw(60, rng).images);
  std::set<int> widths;  // of the light edge, in the first row of every face
  for (size_t n = 0; n < 60; ++n) {
    int width = 0;
    for (int64_t x = 0; x < kSide; ++x) width += images[n * plain.size() + size_t(x) * 3] == 1;
    widths.insert(width);
  }
  EXPECT_EQ(widths, (std::set<int>{0, 1, 2, 3, 4}));
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
    BatchLoader loader(sampler, 6, 11, 0, false, 1);
    for (int i = 0; i < 12; ++i) want.push_back(loader.next());
    EXPECT_GE(loader.waited(), 0);
  }
  BatchLoader same(sampler, 6, 11, 0, false, 5), later(sampler, 6, 11, 7), other(sampler, 6, 12);
  for (int i = 0; i < 12; ++i) expect_equal(same.next(), want[size_t(i)]);
  for (int i = 7; i < 12; ++i) expect_equal(later.next(), want[size_t(i)]);  // a resumed run
  EXPECT_NE(to_host<float>(other.next().images), to_host<float>(want[0].images));
  EXPECT_NE(to_host<float>(want[0].images), to_host<float>(want[1].images));
}

TEST_F(Batches, ShuffledEveryFaceComesOnceAnEpoch) {
  const FaceSet set = make(10);
  const BatchSampler sampler(set, set.indices(true));
  const auto label = [](const Batch& batch) {  // make gives each of the first 17 faces a unit of its own
    std::vector<int> faces;
    const std::vector<float> aus = to_host<float>(batch.source_aus);
    for (size_t i = 0; i < aus.size(); ++i)
      if (aus[i] > 0) faces.push_back(int(i % size_t(kActionUnitCount)));
    return faces;
  };
  BatchLoader loader(sampler, 4, 11, 0, true);
  std::vector<int> run;
  for (int i = 0; i < 10; ++i)  // 40 faces, 4 epochs; every third batch spans two
    for (const int face : label(loader.next())) run.push_back(face);
  std::set<std::vector<int>> orders;
  for (size_t epoch = 0; epoch < 4; ++epoch) {
    const std::vector<int> order(run.begin() + int64_t(10 * epoch), run.begin() + int64_t(10 * epoch + 10));
    EXPECT_EQ(std::set<int>(order.begin(), order.end()).size(), 10u) << "epoch " << epoch;
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 4u);  // each epoch has an order of its own
  BatchLoader later(sampler, 4, 11, 7, true), other(sampler, 4, 12, 0, true);
  EXPECT_EQ(label(later.next()), std::vector<int>(run.begin() + 28, run.begin() + 32));  // a resumed run
  EXPECT_NE(label(other.next()), std::vector<int>(run.begin(), run.begin() + 4));
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
