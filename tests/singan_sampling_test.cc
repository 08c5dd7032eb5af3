// Sampling by windows: tiles against the whole, noise that is a function of place, masks, super-resolution.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "engine/ops.h"
#include "models/singan/sampling.h"
#include "models/singan/super_resolution.h"
#include "tests/error_text.h"

namespace sga::singan {
namespace {

Tensor waves(int64_t h, int64_t w) {
  std::vector<float> v;
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      for (int c = 0; c < 3; ++c)
        v.push_back(float(0.6 * std::sin(0.35 * double(x) + 0.9 * c) * std::cos(0.28 * double(y))));
  return from_host({1, h, w, 3}, v);
}

// Every level finished, with weights that answer loudly, so that a wrong border shows.
Model untrained(Config config, int64_t h = 32, int64_t w = 40) {
  config.base_channels = 8;
  Model m = make_model(config, waves(h, w));
  Rng rng(5);
  m.code = rng.normal({1, m.size(0).h, m.size(0).w, 1});
  for (int n = 0; n < m.pyramid.count(); ++n) {
    Generator g(net_options(config, n, Dtype::f32));
    g.net.initialise(rng);
    for (const Tensor& t : g.net.parameters().trainable())
      if (t.rank() == 4) Tensor(t).assign(affine(t, 6));
    m.levels.push_back({g, FrozenGenerator(g, config.frozen_norm), n ? 0.3 : 1.0});
  }
  return m;
}

Config config_of(const char* name, double ratio = 0.75) {
  Config c = preset(name);
  c.pyramid.min_size = 13;
  c.pyramid.scale_factor = ratio;
  return c;
}

std::vector<float> tiled(const Climb& climb, int64_t tile_h, int64_t tile_w) {
  const Size size = climb.size();
  std::vector<Tensor> rows;
  for (int64_t y = 0; y < size.h; y += tile_h) {
    std::vector<Tensor> row;
    for (int64_t x = 0; x < size.w; x += tile_w)
      row.push_back(climb.window({y, x, std::min(tile_h, size.h - y), std::min(tile_w, size.w - x)}));
    rows.push_back(concat(row, 2));
  }
  return to_host<float>(concat(rows, 1));
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    most = std::max(most, std::abs(double(a[i]) - double(b[i])));
  return most;
}

Climb climb_of(const Model& model, const SampleOptions& options, uint64_t seed = 3,
               const NoiseOptions& noise = {}) {
  Rng rng(seed);
  return sample_climb(model, options, draw_field(rng, model.dtype()), noise);
}

TEST(NormalWindow, IsAPartOfTheWhole) {
  Rng rng(9, 77);
  const Shape whole{1, 13, 11, 3};
  for (const auto& [top, left, h, w] : std::vector<std::array<int64_t, 4>>{
           {0, 0, 13, 11}, {3, 2, 5, 7}, {12, 10, 1, 1}, {0, 5, 13, 1}, {7, 0, 1, 11}}) {
    Rng same = rng;
    const Tensor part = rng.normal_window(whole, top, left, h, w);
    EXPECT_EQ(to_host<float>(part), to_host<float>(crop(same.normal(whole), top, left, h, w)));
  }
  EXPECT_EQ(rng.counter(), 77u) << "the stream stays where it is";
  EXPECT_THROW(rng.normal_window(whole, 0, 0, 14, 1), Error);
}

TEST(Taps, PartsMapAsTheWhole) {
  const Tensor x = waves(20, 20);
  const Taps taps = bicubic_taps(20, 47, 47 / 20.0, true, false),
             columns = bicubic_taps(20, 20, 1, true, false);
  const Tensor whole = resize(x, taps, columns);
  for (const Taps::Range out : {Taps::Range{0, 5}, {17, 30}, {46, 47}, {0, 47}}) {
    const Taps::Range in = taps.inputs_of(out);
    const Tensor part = resize(crop(x, in.begin, 0, in.size(), 20), taps.part(in, out), columns);
    EXPECT_EQ(to_host<float>(part), to_host<float>(crop(whole, out.begin, 0, out.size(), 20)));
  }
  EXPECT_THROW(taps.part({5, 10}, {0, 5}), Error);
}

// The promise: 512x512, once as a whole and once in tiles.
TEST(Tiles, ShowWhatTheWholeShows) {
  for (const char* name : {"default", "official"})
    for (const int start : {0, 2}) {
      SCOPED_TRACE(std::string(name) + ", start " + std::to_string(start));
      const Model model = untrained(config_of(name), 32, 32);
      const Climb climb = climb_of(model, {start, 16, 16});
      ASSERT_EQ(climb.size(), (Size{512, 512}));
      const std::vector<float> whole = to_host<float>(climb.whole());
      const double difference = largest_difference(whole, tiled(climb, 192, 160));
      std::printf("largest difference %g\n", difference);
      EXPECT_LE(difference, 1e-5) << "of values in [-1,1], where a level of 8 bits is 8e-3";
    }
}

}  // namespace
}  // namespace sga::singan
