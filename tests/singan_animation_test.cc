// The walk of an animation: the recursion of the official code, the closed walk, noise beyond the border.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "engine/ops.h"
#include "models/singan/animation.h"
#include "models/singan/sampling.h"
#include "models/singan/training.h"
#include "tests/error_text.h"
#include "tests/expect_close.h"

namespace sga::singan {
namespace {

Tensor small_picture() {
  std::vector<double> v;
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 20; ++x)
      for (int c = 0; c < 3; ++c) v.push_back(0.7 * std::sin(0.5 * x + 0.9 * c) * std::cos(0.4 * y));
  return from_host({1, 16, 20, 3}, v);
}

Config small_config(bool noise_padding) {
  Config c = preset("default");
  c.pyramid.min_size = 12;  // two levels: 12x15 and 16x20
  c.iterations = 3;
  c.base_channels = 4;
  c.noise_padding = noise_padding;
  c.seed = 7;
  return c;
}

const Model& trained(bool noise_padding) {
  const auto train = [](bool padding) {
    Trainer trainer(small_config(padding), small_picture());
    trainer.run();
    return trainer.model();
  };
  static const Model with = train(true), without = train(false);
  return noise_padding ? with : without;
}

double distance(const Tensor& a, const Tensor& b) { return std::sqrt(mse(a, b).item()); }

// The same walk as the official code writes it, in z, with the noise of the same forks of the seed.
TEST(SinganAnimation, FollowsTheOfficialRecursion) {
  const double alpha = 0.2, beta = 0.7;
  for (const bool padding : {false, true}) {
    for (const int start : {0, 1}) {
      SCOPED_TRACE(testing::Message() << padding << " " << start);
      const Model& m = trained(padding);
      const AnimationOptions options{
          .alpha = alpha, .beta = beta, .start_level = start, .frames = 4, .seed = 5};
      Animation animation(m, options);
      std::vector<Tensor> star, before, now;
      for (int n = 0; n < 2; ++n) {
        Rng rng = Rng(5).fork(uint64_t(n)).fork(~uint64_t{0});
        const Tensor u = draw_noise(m, n, m.size(n), rng);
        star.push_back(n == 0 ? code_noise(m) : zeros_like(u));
        before.push_back(star.back());
        now.push_back(blend(star.back(), 0.95, u, 0.05));
      }
      for (int t = 0; t < 4; ++t) {
        Tensor x;
        for (int n = 0; n < 2; ++n) {
          Rng rng = Rng(5).fork(uint64_t(n)).fork(uint64_t(t));
          const Tensor u = draw_noise(m, n, m.size(n), rng);
          const Tensor step = blend(sub(now[size_t(n)], before[size_t(n)]), beta, u, 1 - beta);
          const Tensor next = blend(star[size_t(n)], alpha, add(now[size_t(n)], step), 1 - alpha);
          before[size_t(n)] = std::exchange(now[size_t(n)], next);
          x = n == 0 ? zeros({1, m.size(0).h, m.size(0).w, 3}, Dtype::f64) : rise(m, x, m.size(n));
          x = run_level(m, n, n < start ? star[size_t(n)] : next, x);
        }
        animation.step();
        expect_close(to_host<double>(animation.frame()), to_host<double>(x), 1e-14, 1, 100);  // two networks
      }
    }
  }
}

TEST(SinganAnimation, TheClosedWalkComesBackToItsFirstFrame) {
  const int64_t frames = 12;
  for (const double beta : {0.0, 0.8, 0.95}) {
    SCOPED_TRACE(beta);
    Animation animation(trained(true), {.beta = beta, .frames = frames, .loop = true, .seed = 3});
    std::vector<Tensor> clip;
    for (int64_t t = 0; t < frames + 2; ++t) {
      animation.step();
      clip.push_back(animation.frame());
    }
    double least = INFINITY, most = 0;
    for (size_t t = 1; t < size_t(frames); ++t) {
      least = std::min(least, distance(clip[t], clip[t - 1]));
      most = std::max(most, distance(clip[t], clip[t - 1]));
    }
    // Two frames in a row come again, and with them the whole walk, which looks back that far.
    EXPECT_LT(distance(clip[0], clip[size_t(frames)]), 1e-6 * least);
    EXPECT_LT(distance(clip[1], clip[size_t(frames) + 1]), 1e-6 * least);
    const double jump = distance(clip[0], clip[size_t(frames) - 1]);
    EXPECT_GT(jump, 0.5 * least);
    EXPECT_LT(jump, 1.5 * most);
  }
}

// Its covariances are those of an AR(2) process at the frequencies that a loop has.
TEST(SinganAnimation, TheClosedWalkHasTheStatisticsOfTheEndlessOne) {
  const double alpha = 0.1, beta = 0.9;
  const int frames = 20;
  const double a = (1 - alpha) * (1 + beta), b = -(1 - alpha) * beta, c = (1 - alpha) * (1 - beta);
  double want[2] = {0, 0}, got[2] = {0, 0};
  for (int j = 0; j < frames; ++j) {
    const double w = 2 * std::numbers::pi * j / frames;
    const double power = c * c / std::norm(1.0 - a * std::polar(1.0, -w) - b * std::polar(1.0, -2 * w));
    for (int lag = 0; lag < 2; ++lag) want[lag] += power * std::cos(lag * w) / frames;
  }
  Animation animation(trained(true),
                      {.alpha = alpha, .beta = beta, .frames = frames, .loop = true, .seed = 11});
  animation.step();
  Tensor before = animation.noise(1);
  for (int t = 0; t < frames; ++t) {
    animation.step();
    const Tensor z = animation.noise(1);
    got[0] += mean(mul(z, z)).item() / frames;
    got[1] += mean(mul(z, before)).item() / frames;
    before = z;
  }
  for (int lag = 0; lag < 2; ++lag) EXPECT_NEAR(got[lag], want[lag], 0.08 * want[lag]);  // of 2340 walks
}

TEST(SinganAnimation, TheSeedDecidesAndFramesDoNotDependOnTheirNumber) {
  const auto third = [](uint64_t seed, int64_t frames) {
    Animation animation(trained(true), {.frames = frames, .seed = seed});
    for (int t = 0; t < 3; ++t) animation.step();
    return to_host<double>(animation.frame());
  };
  EXPECT_EQ(third(1, 3), third(1, 9));
  EXPECT_NE(third(1, 3), third(2, 3));
}

TEST(SinganAnimation, LevelsBelowTheStartStandStill) {
  const auto moved = [](int start) {
    Animation animation(trained(true), {.start_level = start, .frames = 5});
    animation.step();
    const Tensor first = animation.frame();
    for (int t = 0; t < 4; ++t) animation.step();
    return distance(first, animation.frame());
  };
  EXPECT_GT(moved(1), 0);
  EXPECT_LT(moved(1), moved(0));
}

TEST(SinganAnimation, OtherSizes) {
  for (const int start : {0, 1}) {
    Animation animation(trained(true), {.start_level = start, .frames = 2, .scale_h = 1.5, .scale_v = 0.5});
    animation.step();
    EXPECT_EQ(animation.frame().shape(), (Shape{1, 8, 30, 3}));
    EXPECT_FALSE(has_nonfinite(animation.frame()));
  }
}

TEST(SinganAnimation, BadOptionsAreErrors) {
  const Model& m = trained(true);
  const auto text = [&](const AnimationOptions& o) { return error_text([&] { Animation(m, o); }); };
  EXPECT_NE(text({.start_level = 2}).find("between 0 and 1"), std::string::npos);
  EXPECT_NE(text({.start_level = -1}), "");
  EXPECT_NE(text({.alpha = 1.5}).find("alpha"), std::string::npos);
  EXPECT_NE(text({.alpha = NAN}).find("alpha"), std::string::npos);
  EXPECT_NE(text({.beta = 1}).find("beta"), std::string::npos);
  EXPECT_NE(text({.alpha = 0, .loop = true}).find("alpha above 0"), std::string::npos);
  EXPECT_NE(text({.frames = 0}).find("frame"), std::string::npos);
  EXPECT_NE(text({.scale_h = 11}).find("10"), std::string::npos);
  const Model untrained = make_model(small_config(true), small_picture());
  EXPECT_NE(error_text([&] { Animation(untrained, {}); }).find("no finished level"), std::string::npos);
}

TEST(SinganNoisePadding, NoiseCoversTheBorderAndThePriorDoesNot) {
  const Model& m = trained(true);
  Rng rng(1);
  const Tensor noise = draw_noise(m, 1, m.size(1), rng);
  ASSERT_EQ(noise.shape(), (Shape{1, 26, 30, 3}));
  EXPECT_EQ(m.code.shape(), (Shape{1, 22, 25, 1}));
  const GeneratorInput in = generator_input(noise, 0.5, full({1, 16, 20, 3}, 2, Dtype::f64));
  EXPECT_EQ(in.prev.shape(), noise.shape());
  const std::vector<double> z = to_host<double>(in.z), prev = to_host<double>(in.prev),
                            n = to_host<double>(noise);
  EXPECT_EQ(z[0], 0.5 * n[0]);
  EXPECT_EQ(prev[0], 0);
  const size_t inside = (5 * 30 + 5) * 3;
  EXPECT_EQ(z[inside], 0.5 * n[inside] + 2);
}

// Windows, masks and factors of a sample see the same wider noise.
TEST(SinganNoisePadding, SamplesInWindowsAndMasks) {
  const Model& m = trained(true);
  Rng rng(4);
  const NoiseField field = draw_field(rng, Dtype::f64);
  const Climb climb = sample_climb(m, {.scale_h = 2, .scale_v = 2, .norm = FrozenNorm::running}, field);
  const Tensor whole = climb.whole();
  for (const Window& w : {Window{0, 0, 9, 11}, Window{13, 20, 12, 20}, Window{7, 5, 10, 10}})
    expect_close(to_host<double>(climb.window(w)), to_host<double>(crop(whole, w.top, w.left, w.h, w.w)),
                 1e-14, 1, 100);

  const Tensor nowhere = zeros({1, 16, 20, 1}, Dtype::f64);
  expect_close(to_host<double>(sample_climb(m, {}, field, {.mask = nowhere}).whole()),
               to_host<double>(reconstruction(m)), 1e-14, 1, 100);
}

TEST(SinganNoisePadding, SurvivesStopsAndTheRoundTrip) {
  Trainer straight(small_config(true), small_picture());
  straight.run();
  Checkpoint want, saved;
  straight.store(want);
  int count = 0;
  Trainer trainer(small_config(true), small_picture());
  trainer.run([&](const Progress&) { return ++count < 4; });
  trainer.store(saved);
  Trainer resumed(decode_checkpoint(encode_checkpoint(saved), "saved"));
  resumed.run();
  Checkpoint got;
  resumed.store(got);
  EXPECT_TRUE(encode_checkpoint(got) == encode_checkpoint(want));

  const Model loaded = load_model(want);
  EXPECT_TRUE(loaded.config.noise_padding);
  EXPECT_EQ(to_host<double>(reconstruction(loaded)), to_host<double>(reconstruction(straight.model())));
  // Models from before the option have no such key.
  store(trained(false), want = {});
  want.metadata.erase("config.noise_padding");
  EXPECT_FALSE(load_model(want).config.noise_padding);
}

}  // namespace
}  // namespace sga::singan
