// GPNN: what its pictures must be, for pictures of one to four channels.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/ops.h"
#include "models/gpnn/model.h"
#include "tests/error_text.h"

namespace sga::gpnn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A gradient with blobs: no two patches alike.
Tensor picture(int64_t h, int64_t w, int64_t c = 3, Dtype dtype = Dtype::f32) {
  std::vector<double> x;
  for (int64_t i = 0; i < h; ++i)
    for (int64_t j = 0; j < w; ++j)
      for (int64_t k = 0; k < c; ++k)
        x.push_back(0.4 * std::sin(0.21 * double(i) + 0.8 * double(k)) * std::cos(0.17 * double(j)) +
                    0.3 * std::sin(0.043 * double(i * j + k)) + 0.2 * double(i) / double(h));
  return from_host({1, h, w, c}, x, dtype);
}

Config small(double noise) {
  Config config;
  config.pyramid = {.min_size = 12, .max_size = 30};
  config.rounds = 2;
  config.noise = noise;
  return config;
}

double difference(const Tensor& a, const Tensor& b) { return std::sqrt(mse(a, b).item()); }

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Gpnn, HasThePyramidOfThePaper) {
  const Model m = make_model({}, picture(180, 250));
  EXPECT_EQ(m.finished(), 10);  // nine times 3/4
  EXPECT_EQ(m.size(0), (singan::Size{14, 19}));
  EXPECT_EQ(m.size(9), (singan::Size{180, 250}));
  EXPECT_EQ(m.reals[3].shape(), (Shape{1, m.size(3).h, m.size(3).w, 3}));
}

// Without noise every patch finds itself, at every level.
TEST(Gpnn, WithoutNoiseItIsThePicture) {
  for (const int64_t c : {1, 3}) {
    const Model m = make_model(small(0), picture(17, 22, c));
    Rng rng(1);
    EXPECT_LT(difference(random_sample(m, {}, rng), m.image), 0.02) << c;
    EXPECT_LT(difference(inject(m, m.image, 1, rng), m.image), 0.05) << c;
    EXPECT_EQ(difference(reconstruction(m), m.image), 0);
  }
}

TEST(Gpnn, PicturesBeyondTheLimitsAreRefusedBeforeTheWork) {
  Config config;
  config.pyramid = {.min_size = 300, .max_size = 1100};
  const Model m = make_model(config, zeros({1, 1100, 1000, 1}));
  Rng rng;
  singan::SampleOptions options;
  options.scale_h = options.scale_v = 10;
  EXPECT_TRUE(contains(error_text([&] { random_sample(m, options, rng); }), "11000")) << "110 Mpx";
}

TEST(Gpnn, SamplesDifferBySeedAlone) {
  for (const int64_t c : {1, 2, 3, 4}) {
    const Model m = make_model(small(4), picture(26, 30, c));
    const auto sample = [&](uint64_t seed) {
      Rng rng(seed);
      return random_sample(m, {}, rng);
    };
    EXPECT_EQ(sample(1).shape(), (Shape{1, 26, 30, c}));
    EXPECT_EQ(to_host<float>(sample(1)), to_host<float>(sample(1)));
    EXPECT_GT(difference(sample(1), sample(2)), 0.01);
    EXPECT_FALSE(has_nonfinite(sample(1)));
  }
}

// Whatever the noise, pixels are averages of the picture's.
TEST(Gpnn, StaysWithinThePicture) {
  const Model m = make_model(small(20), picture(26, 30));
  Rng rng(3);
  const std::vector<float> y = to_host<float>(random_sample(m, {}, rng)), x = to_host<float>(m.image);
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  for (const float v : y) {
    EXPECT_GE(v, *low - 1e-5f);
    EXPECT_LE(v, *high + 1e-5f);
  }
}

TEST(Gpnn, AnySizeAnyStart) {
  const Model m = make_model(small(0.5), picture(26, 30));
  const int last = m.finished() - 1;
  for (const auto& [options, h, w] :
       {std::tuple{singan::SampleOptions{.scale_h = 1.5, .scale_v = 0.8}, int64_t{21}, int64_t{45}},
        {{.start_level = 1}, 26, 30},
        {{.start_level = last}, 26, 30},
        {{.start_level = 1, .scale_h = 2}, 26, 60}}) {
    Rng rng(2);
    EXPECT_EQ(random_sample(m, options, rng).shape(), (Shape{1, h, w, 3}));
  }
}

TEST(Gpnn, InjectionKeepsTheLayout) {
  const Model m = make_model(small(0.75), picture(26, 30));
  const Tensor other = affine(picture(40, 50), 0.5);  // of another size, paler
  for (int level = 1; level < m.finished(); ++level) {
    Rng rng(1);
    const Tensor y = inject(m, other, level, rng);
    EXPECT_EQ(y.shape(), m.image.shape());
    EXPECT_LT(difference(y, singan::imresize_to(other, m.pyramid.finest(), singan::ResizeStyle::smooth)),
              0.35);
  }
}

TEST(Gpnn, ModelsGoThroughFiles) {
  Config config = small(0.6);
  config.alpha = kInfinity;
  config.seed = 12345678901234567890u;
  const Model m = make_model(config, picture(26, 30));
  Checkpoint checkpoint;
  store(m, checkpoint);
  const Model back = load_model(decode_checkpoint(encode_checkpoint(checkpoint), "model"));
  EXPECT_EQ(back.config.seed, config.seed);
  EXPECT_EQ(back.config.alpha, kInfinity);
  EXPECT_EQ(back.pyramid.levels, m.pyramid.levels);
  Rng a(1), b(1);
  EXPECT_EQ(to_host<float>(random_sample(m, {}, a)), to_host<float>(random_sample(back, {}, b)));

  for (const auto& [key, value, part] : {std::tuple{"model", "singan", "'singan' model"},
                                         {"format", "2", "format 2"},
                                         {"config.patch", "2", "3 to 15"},
                                         {"config.patch", "15", "do not fit"},
                                         {"config.rounds", "99999999999", "1 to 1000"},
                                         {"config.noise", "nan", "noise"},
                                         {"config.alpha", "0", "alpha"},
                                         {"config.bits", "12", "8 or 16 bits"},
                                         {"config.seed", "-1", "config.seed"},
                                         {"config.max_size", "20", "max_size"},
                                         {"config.min_size", "100", "--min-size"}}) {
    Checkpoint damaged = checkpoint;
    damaged.metadata[key] = value;
    const std::string text = error_text([&] { load_model(damaged); });
    EXPECT_TRUE(contains(text, part)) << key << ": " << text;
  }
  Checkpoint huge = checkpoint;
  huge.tensors["image"] = affine(checkpoint.get("image"), 1e30);
  EXPECT_TRUE(contains(error_text([&] { load_model(huge); }), "between -1 and 1"));
  checkpoint.tensors.clear();
  EXPECT_TRUE(contains(error_text([&] { load_model(checkpoint); }), "image"));
}

TEST(Gpnn, RefusesWhatCannotBe) {
  const Model m = make_model(small(0.75), picture(26, 30));
  Rng rng(1);
  const auto sampling = [&](const singan::SampleOptions& o) {
    return error_text([&] { random_sample(m, o, rng); });
  };
  EXPECT_TRUE(contains(sampling({.start_level = -1}), "start scale"));
  EXPECT_TRUE(contains(sampling({.start_level = m.finished()}), "start scale"));
  EXPECT_TRUE(contains(sampling({.scale_h = 11}), "0.1 and 10"));
  EXPECT_TRUE(contains(sampling({.scale_v = NAN}), "0.1 and 10"));
  EXPECT_TRUE(contains(sampling({.scale_h = 0.3}), "smaller than a patch"));
  const auto injecting = [&](const Tensor& x, int level) {
    return error_text([&] { inject(m, x, level, rng); });
  };
  EXPECT_TRUE(contains(injecting(m.image, 0), "start scale"));
  EXPECT_TRUE(contains(injecting(picture(26, 30, 1), 1), "(1,H,W,3)"));
}

}  // namespace
}  // namespace sga::gpnn
