// Ways to train a level: on windows of it, from a trained model, beside other trainings.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops.h"
#include "models/singan/forecast.h"
#include "models/singan/sampling.h"
#include "models/singan/training.h"
#include "tests/error_text.h"

namespace sga::singan {
namespace {

Tensor picture(double phase = 0, int64_t channels = 3) {
  std::vector<float> v;
  for (int y = 0; y < 48; ++y)
    for (int x = 0; x < 56; ++x)
      for (int c = 0; c < channels; ++c)
        v.push_back(float(0.6 * std::sin(0.35 * x + 0.9 * c + phase) * std::cos(0.28 * y - phase) +
                          0.3 * ((x / 8 + y / 8) % 2) - 0.15));
  return from_host({1, 48, 56, channels}, v);
}

Config small(int64_t iterations, int64_t crop = 0) {
  Config c;
  c.pyramid.min_size = 30;
  c.base_channels = 4;
  c.critic_updates = 2;
  c.iterations = iterations;
  c.crop = crop;
  c.seed = 7;
  return c;
}

Bytes bytes_of(const Trainer& trainer) {
  Checkpoint checkpoint;
  trainer.store(checkpoint);
  return encode_checkpoint(checkpoint);
}

// ---- windows

class SinganWindow : public ::testing::Test {
 protected:
  static constexpr int64_t kH = 40, kW = 44;
  static constexpr Window kWindow{3, 6, 24, 30};

  // The weights of the generator after an iteration.
  static std::vector<float> trained(const std::optional<Window>& window, const Tensor& real,
                                    const Tensor& priors, const Tensor& rec_prior, const Tensor& noise) {
    Config config = small(1);
    LevelTraining level({.width = 4}, real);
    Rng rng(3);
    level.generator.net.initialise(rng);
    level.critic.net.initialise(rng);
    level.rec_prior = rec_prior;
    level.noise_amp = 0.3;
    Draws draws{noise, {}, priors, {}, window};
    for (int i = 0; i < 2; ++i) draws.mix.push_back(full({1}, 0.25 + 0.5 * i));
    train_iteration(level, config, draws, [] { return 0.01; });
    return to_host<float>(level.generator.net.blocks()[1].weight);
  }

  // 1 within the window grown by `more`, else 0.
  static Tensor mask(int64_t count, int64_t more) {
    std::vector<float> v;
    for (int64_t n = 0; n < count; ++n)
      for (int64_t y = 0; y < kH; ++y)
        for (int64_t x = 0; x < kW; ++x)
          v.insert(v.end(), 3,
                   float(y >= kWindow.top - more && y < kWindow.top + kWindow.h + more &&
                         x >= kWindow.left - more && x < kWindow.left + kWindow.w + more));
    return from_host({count, kH, kW, 3}, v);
  }

  Rng rng{5};
  Tensor real = rng.normal({1, kH, kW, 3}), priors = rng.normal({2, kH, kW, 3}),
         rec_prior = rng.normal({1, kH, kW, 3}), noise = rng.normal({1, kH, kW, 3});
};

TEST_F(SinganWindow, OfAllIsNone) {
  EXPECT_EQ(trained(Window{0, 0, kH, kW}, real, priors, rec_prior, noise),
            trained({}, real, priors, rec_prior, noise));
}

TEST_F(SinganWindow, SeesItselfAndABorderOfTheLevel) {
  const auto want = trained(kWindow, real, priors, rec_prior, noise);
  // What lies beyond the window (of the real picture) or beyond its border (of the inputs) changes nothing
  // ...
  EXPECT_EQ(trained(kWindow, mul(real, mask(1, 0)), mul(priors, mask(2, kBorder)),
                    mul(rec_prior, mask(1, kBorder)), mul(noise, mask(1, kBorder))),
            want);
  // ... but its outermost row and column does.
  EXPECT_NE(trained(kWindow, mul(real, mask(1, -1)), priors, rec_prior, noise), want);
  EXPECT_NE(trained(kWindow, real, mul(priors, mask(2, kBorder - 1)), rec_prior, noise), want);
  EXPECT_NE(trained(kWindow, real, priors, mul(rec_prior, mask(1, kBorder - 1)), noise), want);
  EXPECT_NE(trained(kWindow, real, priors, rec_prior, mul(noise, mask(1, kBorder - 1))), want);
}

TEST(SinganCrop, LearnsAndResumes) {
  const Config config = small(40, 32);
  Trainer straight(config, picture());
  std::vector<double> first(2), last(2);
  straight.run([&](const Progress& p) {
    if (p.iteration == 10) first[size_t(p.level)] = p.losses.g_rec;
    if (p.iteration == p.iterations) last[size_t(p.level)] = p.losses.g_rec;
    return true;
  });
  ASSERT_EQ(straight.model().pyramid.count(), 3);
  EXPECT_TRUE(crops(config, straight.model().size(1)));
  EXPECT_EQ(reconstruction(straight.model()).shape(), picture().shape());
  Trainer whole(small(40), picture());
  whole.run();
  const auto error = [&](const Trainer& t) {
    return std::sqrt(mse(reconstruction(t.model()), t.model().image).item());
  };
  EXPECT_LT(error(straight), 1.3 * error(whole));

  for (const int stop_after : {41, 55, 80}) {
    int count = 0;
    Trainer stopped(config, picture());
    stopped.run([&](const Progress&) { return ++count < stop_after; });
    Trainer resumed(decode_checkpoint(bytes_of(stopped), "saved"));
    resumed.run();
    EXPECT_TRUE(bytes_of(resumed) == bytes_of(straight)) << stop_after;
  }
}

TEST(SinganCrop, NeedsLessMemory) {
  Config config;
  config.pyramid.max_size = 1024;
  config.critic_updates = 1;
  const Pyramid pyramid = make_pyramid(768, 1024, config.pyramid);
  const int64_t whole = peak_bytes(config, pyramid, 3);
  config.crop = 384;
  const int64_t cropped = peak_bytes(config, pyramid, 3);
  EXPECT_GT(whole, 18'000'000'000);
  EXPECT_LT(cropped, 6'400'000'000);  // 8 GB of process
  const int last = pyramid.count() - 1;
  const double flops = iteration_flops(config, pyramid, 3, last);
  config.crop = 0;
  EXPECT_LT(flops, 0.5 * iteration_flops(config, pyramid, 3, last));
  config.crop = 2000;
  EXPECT_EQ(peak_bytes(config, pyramid, 3), whole);
  config.crop = 20;
  EXPECT_NE(error_text([&] { check(config); }).find("crop must be 0 or at least 32 pixels, got 20"),
            std::string::npos);
}

// ---- from a trained model

TEST(SinganWarmStart, TakesGeneratorsAndCode) {
  Trainer first(small(30), picture());
  first.run();
  const Model& trained = first.model();
  Config config = small(20);
  config.lr = 1e-8;  // stands still
  config.seed = 9;
  Trainer warm(config, picture(0.2), &trained), cold(config, picture(0.2));
  warm.run();
  cold.run();
  EXPECT_EQ(to_host<float>(warm.model().code), to_host<float>(trained.code));
  EXPECT_NE(to_host<float>(cold.model().code), to_host<float>(trained.code));
  for (int n = 0; n < trained.finished(); ++n) {
    const auto weight = [&](const Model& m) {
      return to_host<float>(m.levels[size_t(n)].generator.net.blocks()[2].weight);
    };
    const auto want = weight(trained), got = weight(warm.model());
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-5f) << n;
    EXPECT_NE(weight(cold.model()), want);
  }
}

TEST(SinganWarmStart, SavesIterations) {
  Trainer first(small(150), picture());
  first.run();
  const auto error_after = [&](int64_t iterations, const Model* from) {
    Trainer t(small(iterations), picture(0.15), from);
    t.run();
    return std::sqrt(mse(reconstruction(t.model()), t.model().image).item());
  };
  EXPECT_LT(error_after(30, &first.model()), 0.8 * error_after(30, nullptr));
}

TEST(SinganWarmStart, Resumes) {
  Trainer first(small(5), picture());
  first.run();
  Trainer straight(small(6), picture(0.2), &first.model());
  straight.run();
  for (const int stop_after : {3, 6, 8}) {
    int count = 0;
    Trainer stopped(small(6), picture(0.2), &first.model());
    stopped.run([&](const Progress&) { return ++count < stop_after; });
    Trainer resumed(decode_checkpoint(bytes_of(stopped), "saved"), &first.model());
    resumed.run();
    EXPECT_TRUE(bytes_of(resumed) == bytes_of(straight)) << stop_after;
  }
}

TEST(SinganWarmStart, Refusals) {
  Trainer first(small(1), picture());
  first.run();
  EXPECT_NE(error_text([&] { Trainer(small(1), picture(0, 1), &first.model()); }).find("has 3 channels"),
            std::string::npos);
  Config biased = small(1);
  biased.keep_bias = true;
  EXPECT_NE(error_text([&] { Trainer(biased, picture(), &first.model()); }).find("--preset"),
            std::string::npos);
}

// Models of version 0.1 do not say; the official ones are sampled as the official code does.
TEST(SinganSampleNorm, OfModelsThatDoNotSay) {
  for (const bool official : {false, true}) {
    Config config = small(1);
    if (official) config.keep_bias = true;
    Trainer trainer(config, picture());
    trainer.run();
    Checkpoint checkpoint;
    store(trainer.model(), checkpoint);
    checkpoint.metadata.erase("config.sample_norm");
    EXPECT_EQ(load_model(checkpoint).config.sample_norm,
              official ? FrozenNorm::running : FrozenNorm::instance);
  }
}

// ---- beside others

TEST(SinganBeside, TurnsGiveTheSameBytes) {
  const double phases[] = {0, 0.4, 0.9};
  std::vector<Bytes> want;
  std::vector<std::unique_ptr<Trainer>> trainers;
  for (const double phase : phases) {
    const int64_t iterations = phase > 0.5 ? 3 : 6;  // one is done before the others
    Trainer alone(small(iterations), picture(phase));
    alone.run();
    want.push_back(bytes_of(alone));
    trainers.push_back(std::make_unique<Trainer>(small(iterations), picture(phase)));
    trainers.back()->run_beside_others();
  }
  for (bool any = true; any;) {
    any = false;
    for (auto& t : trainers) {
      t->advance();
      any = any || !t->finished();
    }
  }
  for (size_t i = 0; i < trainers.size(); ++i) EXPECT_TRUE(bytes_of(*trainers[i]) == want[i]) << i;
}

}  // namespace
}  // namespace sga::singan
