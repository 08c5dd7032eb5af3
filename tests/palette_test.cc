// Painting in few colours: the reduction against plain loops, and a level trained again for it.
#include "models/singan/palette.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops.h"
#include "models/singan/sampling.h"
#include "models/singan/training.h"
#include "tests/error_text.h"

namespace sga::singan {
namespace {

using Values = std::vector<double>;

size_t nearest(const Values& x, size_t at, const Values& centres, size_t width) {
  size_t best = 0;
  double least = 1e9;
  for (size_t k = 0; k < centres.size() / width; ++k) {
    double d = 0;
    for (size_t j = 0; j < width; ++j) d += std::pow(x[at + j] - centres[k * width + j], 2);
    if (d < least) least = d, best = k;
  }
  return best;
}

TEST(Palette, EveryPixelTakesTheNearestColour) {
  for (const int64_t channels : {1, 3, 4})
    for (const int64_t count : {int64_t{1}, int64_t{2}, int64_t{5}, kMaxColours}) {
      const auto width = size_t(channels);
      Rng rng(uint64_t(channels * 100 + count));
      const Tensor x = rng.normal({2, 7, 9, channels}, Dtype::f64),
                   palette = rng.normal({count, channels}, Dtype::f64);
      const Values in = to_host<double>(x), colours = to_host<double>(palette);
      const Values out = to_host<double>(to_palette(x, palette));
      ASSERT_EQ(out.size(), in.size());
      for (size_t i = 0; i < in.size(); i += width) {
        const size_t k = nearest(in, i, colours, width);
        for (size_t j = 0; j < width; ++j) ASSERT_EQ(out[i + j], colours[k * width + j]);
      }
    }
}

TEST(Palette, AColourTwiceCountsOnce) {
  const Tensor x = from_host<float>({1, 1, 2, 3}, {0.1f, 0.1f, 0.1f, 0.9f, 0.9f, 0.9f});
  const Tensor palette = from_host<float>({3, 3}, {0, 0, 0, 0, 0, 0, 1, 1, 1});
  EXPECT_EQ(to_host<float>(to_palette(x, palette)), (std::vector<float>{0, 0, 0, 1, 1, 1}));
}

TEST(Palette, RunsLieInOneChannel) {
  std::vector<float> v(2 * 3 * 3);
  for (size_t i = 0; i < v.size(); ++i) v[i] = float(i);  // pixel p has 3p, 3p+1, 3p+2
  const Tensor runs = runs_of(from_host({1, 2, 3, 3}, v));
  EXPECT_EQ(runs.shape(), (Shape{6, 3}));
  const std::vector<float> want = {0, 3, 6, 9, 12, 15, 1, 4, 7, 10, 13, 16, 2, 5, 8, 11, 14, 17};
  EXPECT_EQ(to_host<float>(runs), want);
}

// What the official code does, in plain loops: Lloyd's algorithm from the palette, the palette written.
Values reduce_runs(const Values& planes, const Values& palette, int steps) {
  Values centres = palette;
  const size_t count = palette.size() / 3;
  for (int step = 0; step < steps; ++step) {
    Values sums(palette.size()), members(count);
    for (size_t i = 0; i < planes.size(); i += 3) {
      const size_t k = nearest(planes, i, centres, 3);
      ++members[k];
      for (size_t j = 0; j < 3; ++j) sums[3 * k + j] += planes[i + j];
    }
    for (size_t k = 0; k < count; ++k)
      for (size_t j = 0; j < 3; ++j)
        if (members[k] > 0) centres[3 * k + j] = sums[3 * k + j] / members[k];
  }
  Values out(planes.size());
  for (size_t i = 0; i < planes.size(); i += 3) {
    const size_t k = nearest(planes, i, centres, 3);
    for (size_t j = 0; j < 3; ++j) out[i + j] = palette[3 * k + j];
  }
  return out;
}

TEST(Palette, RunsAsTheOfficialCode) {
  constexpr int64_t kH = 12, kW = 11, kPixels = kH * kW;
  Rng rng(4);
  const Tensor x = rng.uniform({1, kH, kW, 3}, Dtype::f64);
  // The last entry is far from everything: a centre without points stays where it is.
  const Tensor palette = concat({rng.uniform({4, 3}, Dtype::f64), full({1, 3}, 9, Dtype::f64)}, 0);
  const Values in = to_host<double>(x), out = to_host<double>(to_palette_of_runs(x, palette));
  Values planes, got;
  for (size_t c = 0; c < 3; ++c)
    for (size_t p = 0; p < kPixels; ++p) planes.push_back(in[3 * p + c]), got.push_back(out[3 * p + c]);
  const Values want = reduce_runs(planes, to_host<double>(palette), 10);
  EXPECT_EQ(got, want);
  EXPECT_NE(want, reduce_runs(planes, to_host<double>(palette), 0)) << "the centres did not move";
}

TEST(Palette, ShapesThatDoNotFitAreErrors) {
  const Tensor x = zeros({1, 4, 4, 3});
  EXPECT_NE(error_text([&] { to_palette(x, zeros({5, 4})); }), "");
  EXPECT_NE(error_text([&] { to_palette(x, {}); }), "");
  EXPECT_NE(error_text([&] { to_palette_of_runs(x, zeros({5, 4})); }), "");
  EXPECT_NE(error_text([&] { runs_of(zeros({2, 4, 4, 3})); }), "");
  EXPECT_NE(error_text([&] { runs_of(zeros({1, 4, 4, 1})); }), "");
}

Tensor picture() {
  std::vector<float> v;
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x)
      for (int c = 0; c < 3; ++c) v.push_back(float(0.7 * std::sin(0.35 * x + 0.9 * c) * std::cos(0.28 * y)));
  return from_host({1, 32, 32, 3}, v);
}

Model small_model(const char* name) {
  Config c = preset(name);
  c.pyramid.min_size = 20;
  c.iterations = 6;
  c.base_channels = 8;
  Trainer trainer(c, picture());
  trainer.run();
  return trainer.model();
}

Tensor small_palette() { return from_host<float>({2, 3}, {-0.5f, -0.5f, -0.5f, 0.5f, 0.5f, 0.5f}); }

Bytes bytes_of(const Trainer& trainer) {
  Checkpoint checkpoint;
  trainer.store(checkpoint);
  return encode_checkpoint(checkpoint);
}

TEST(PaintTraining, TrainsOneLevelFreshAndKeepsThoseBelow) {
  for (const char* name : {"default", "official"}) {
    SCOPED_TRACE(name);
    const Model model = small_model(name);
    ASSERT_GE(model.finished(), 3);
    Trainer trainer(model, 1, small_palette());
    EXPECT_FALSE(trainer.finished());
    int iterations = 0;
    EXPECT_TRUE(trainer.run([&](const Progress& p) {
      EXPECT_EQ(p.level, 1);
      return ++iterations, true;
    }));
    EXPECT_EQ(iterations, 6);
    const Model& painted = trainer.model();
    EXPECT_EQ(painted.finished(), 2);
    const auto weights = [](const Model& m, size_t level) {
      return to_host<float>(m.levels[level].generator.net.blocks()[0].weight);
    };
    EXPECT_EQ(weights(painted, 0), weights(model, 0));
    EXPECT_NE(weights(painted, 1), weights(model, 1));
    EXPECT_EQ(painted.levels[1].noise_amp, model.levels[1].noise_amp);
    EXPECT_EQ(model.finished(), model.pyramid.count()) << "the model given has changed";

    Checkpoint checkpoint;
    store(painted, checkpoint);
    const Model loaded = load_model(decode_checkpoint(encode_checkpoint(checkpoint), "painted"));
    ASSERT_TRUE(loaded.levels[1].palette);
    EXPECT_FALSE(loaded.levels[0].palette);
    Rng a(1), b(1);
    EXPECT_EQ(to_host<float>(inject(loaded, picture(), 1, a)),
              to_host<float>(inject(painted, picture(), 1, b)));
    checkpoint.tensors["level1.palette"] = zeros({4});
    EXPECT_NE(error_text([&] { load_model(checkpoint); }), "");
  }
}

TEST(PaintTraining, WhatEntersHasThePalettesColoursAlone) {
  const Model model = small_model("default");
  Trainer trainer(model, 1, small_palette());
  trainer.run();
  const auto drawn = [](const Model& m, double grey) {
    Rng rng(3);
    return to_host<float>(inject(m, full({1, 32, 32, 3}, grey), 1, rng));
  };
  EXPECT_EQ(drawn(trainer.model(), 0.2), drawn(trainer.model(), 0.8));
  EXPECT_NE(drawn(trainer.model(), 0.2), drawn(trainer.model(), -0.2));
  EXPECT_NE(drawn(model, 0.2), drawn(model, 0.8));
}

TEST(PaintTraining, StopAndResumeGivesTheSameBytes) {
  for (const char* name : {"default", "official"}) {
    SCOPED_TRACE(name);
    const Model model = small_model(name);
    Trainer straight(model, 2, small_palette());
    straight.run();
    for (const int stop_after : {1, 3, 6}) {
      SCOPED_TRACE(stop_after);
      int count = 0;
      Trainer stopped(model, 2, small_palette());
      EXPECT_FALSE(stopped.run([&](const Progress&) { return ++count < stop_after; }));
      Trainer resumed(decode_checkpoint(bytes_of(stopped), "saved"));
      EXPECT_TRUE(resumed.run());
      EXPECT_TRUE(bytes_of(resumed) == bytes_of(straight));
    }
    EXPECT_TRUE(Trainer(decode_checkpoint(bytes_of(straight), "saved")).finished());
  }
}

TEST(PaintTraining, LevelsThatCannotBe) {
  const Model model = small_model("default");
  for (const int level : {0, -1, model.finished()})
    EXPECT_NE(error_text([&] { Trainer(model, level, small_palette()); }).find("must lie between 1 and"),
              std::string::npos);
}

}  // namespace
}  // namespace sga::singan
