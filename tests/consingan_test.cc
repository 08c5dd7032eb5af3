// ConSinGAN: sizes of its levels, its step against finite differences, stop and resume, sampling.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "engine/memory.h"
#include "engine/ops.h"
#include "models/consingan/forecast.h"
#include "models/consingan/training.h"
#include "tests/error_text.h"

namespace sga::consingan {
namespace {

using singan::SampleOptions;

Tensor test_picture(int64_t h, int64_t w, int64_t channels, Dtype dtype) {
  std::vector<float> v;
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x)
      for (int c = 0; c < int(channels); ++c)
        v.push_back(float(0.6 * std::sin(0.35 * x + 0.9 * c) * std::cos(0.28 * y) +
                          0.3 * ((x / 8 + y / 8) % 2) - 0.15));
  return from_host({1, h, w, channels}, v, dtype);
}

Tensor small_picture(Dtype dtype = Dtype::f32, int64_t channels = 3) {
  return test_picture(20, 24, channels, dtype);
}

// Five levels from 12 to 20 rows: at the last two the lowest stages stand still.
Config small_config(int64_t iterations) {
  Config c;
  c.min_size = 12;
  c.stages = 5;
  c.channels = 6;
  c.iterations = iterations;
  c.seed = 7;
  return c;
}

Bytes bytes_of(const Trainer& trainer) {
  Checkpoint checkpoint;
  trainer.store(checkpoint);
  return encode_checkpoint(checkpoint);
}

const Model& trained() {
  static const Model model = [] {
    Trainer trainer(small_config(3), small_picture());
    trainer.run();
    return trainer.model();
  }();
  return model;
}

// ---- pyramid

TEST(ConsinganPyramid, SizesOfTheLevels) {
  const struct {
    int64_t h, w, stages;
    std::vector<Size> levels;
  } rows[] = {{188, 250, 6, {{25, 34}, {32, 42}, {42, 56}, {63, 84}, {126, 167}, {188, 250}}},
              {376, 500, 6, {{25, 34}, {32, 42}, {42, 56}, {63, 84}, {126, 167}, {188, 250}}},
              {250, 188, 3, {{34, 25}, {92, 69}, {250, 188}}},
              {100, 100, 2, {{25, 25}, {100, 100}}},
              {25, 25, 3, {{25, 25}, {25, 25}, {25, 25}}}};
  for (const auto& row : rows) {
    Config config;
    config.stages = row.stages;
    const singan::Pyramid p = make_pyramid(row.h, row.w, config);
    EXPECT_EQ(p.levels, row.levels) << row.h << "x" << row.w << ", " << row.stages << " stages";
  }
  EXPECT_NEAR(make_pyramid(188, 250, {}).ratio, std::pow(25 / 188.0, 0.2), 1e-12);
  EXPECT_NEAR(make_pyramid(376, 500, {}).scale1, 0.5, 1e-12);
}

TEST(ConsinganPyramid, WhatCannotBeIsRefused) {
  EXPECT_NE(error_text([] { make_pyramid(24, 300, {}); }).find("300x24"), std::string::npos);
  Config config;
  config.min_size = 5;
  EXPECT_NE(error_text([&] { make_pyramid(60, 60, config); }).find("--min-size"), std::string::npos);
  const auto refused = [](auto change, const char* part) {
    Config c;
    change(c);
    EXPECT_NE(error_text([&] { check(c); }).find(part), std::string::npos) << part;
  };
  refused([](Config& c) { c.stages = 1; }, "stages must lie between 2 and 16, got 1");
  refused([](Config& c) { c.lr_scale = NAN; }, "lr_scale");
  refused([](Config& c) { c.lr_scale = 1.5; }, "lr_scale");
  refused([](Config& c) { c.iterations = 0; }, "iterations");
}

TEST(ConsinganConfig, Qualities) {
  Config quick, full;
  set_quality(quick, "quick"), set_quality(full, "full");
  EXPECT_EQ(quick.iterations, 400);
  EXPECT_EQ(quick.critic_updates, 1);
  EXPECT_EQ(full.iterations, 2000);
  EXPECT_EQ(full.critic_updates, 3);
  EXPECT_NE(error_text([&] { set_quality(quick, "best"); }).find("best"), std::string::npos);
}

// ---- networks

TEST(ConsinganNetworks, ParameterCounts) {
  GrowingGenerator g(NetOptions{});
  for (int n = 0; n < 6; ++n) g.grow();
  int64_t weights = 0;
  for (const auto& part : g.parts()) weights += part.parameters.numel();
  // 3x3 filters with biases: 3 -> 64, six stages of three 64 -> 64, 64 -> 3. The paper says 660 thousand.
  EXPECT_EQ(weights, (3 * 9 + 1) * 64 + 18 * (64 * 9 + 1) * 64 + (64 * 9 + 1) * 3);
  EXPECT_EQ(make_critic(NetOptions{}).parameters().numel(),
            (3 * 9 + 1) * 64 + 3 * (64 * 9 + 1) * 64 + 64 * 9);
}

TEST(ConsinganNetworks, ANewStageIsACopyThatLearnsOnItsOwn) {
  Rng rng(3);
  GrowingGenerator g({.width = 4});
  g.initialise(rng);
  g.grow();
  const auto parts = g.parts();
  const Tensor below = parts[1].parameters.trainable()[0], above = parts[2].parameters.trainable()[0];
  EXPECT_EQ(to_host<float>(below), to_host<float>(above));
  const GrowingGenerator copy = g.clone();
  Tensor(above).assign(zeros(above.shape()));
  EXPECT_NE(to_host<float>(below), to_host<float>(above));
  EXPECT_EQ(to_host<float>(copy.parts()[2].parameters.trainable()[0]), to_host<float>(below));
}

TEST(ConsinganNetworks, ShapesAtAnySize) {
  Rng rng(3);
  for (const int64_t layers : {1, 2, 3}) {
    GrowingGenerator g({.colours = 4, .width = 5, .layers = layers});
    g.initialise(rng);
    g.grow();
    const Tensor f = g.begin(rng.normal(g.noise_shape(0, {13, 17})));
    EXPECT_EQ(f.shape(), (Shape{1, 13, 17, 5}));
    const Tensor up = g.rise(1, f, {21, 19}, rng.normal(g.noise_shape(1, {21, 19})));
    EXPECT_EQ(up.shape(), (Shape{1, 21, 19, 5}));
    EXPECT_EQ(g.draw(up).shape(), (Shape{1, 21, 19, 4}));
  }
}

// ---- the step

// The level above the `levels` finished ones, in double, and draws for it.
struct Step {
  Config config = small_config(2);
  Model model;
  Rng rng{11};
  std::optional<LevelTraining> level;
  Draws draws;

  explicit Step(int levels) : model(make_model(config, small_picture(Dtype::f64))) {
    GrowingGenerator g(model.generator.options());
    g.initialise(rng);
    ConvStack critic = make_critic(g.options());
    critic.initialise(rng);
    std::vector<double> amps = {1};
    for (int n = 0; n < levels; ++n) g.grow(), amps.push_back(0.1 + 0.05 * n);
    // Larger than N(0,0.02), so that finite differences see every stage.
    const auto enlarge = [&](const Parameters& p) {
      for (Tensor w : p.trainable())
        if (w.rank() == 4) w.assign(affine(w, 5));
    };
    for (const auto& part : g.parts()) enlarge(part.parameters);
    enlarge(critic.parameters());
    level.emplace(model, g, critic, amps);
    for (int n = 0; n <= levels; ++n)
      draws.noise.push_back(rng.normal(g.noise_shape(n, model.size(n)), Dtype::f64));
    for (const double mix : {0.1, 0.5, 0.8}) draws.mix.push_back(full({1}, mix, Dtype::f64));
  }

  /// The generator's loss, by the definition: every stage anew, from the noise and from the picture.
  double generator_loss(const GrowingGenerator& g) const {
    NoGrad off;
    const auto picture = [&](Tensor x, const std::function<Tensor(int)>& noise) {
      x = g.begin(x);
      for (int n = 1; n < g.stages(); ++n)
        x = g.rise(n, x, model.size(n), affine(noise(n), level->noise_amp[size_t(n)]));
      return g.draw(x);
    };
    const Tensor fake = picture(draws.noise[0], [&](int n) { return draws.noise[size_t(n)]; });
    const Tensor rec = picture(model.reals[0], [&](int n) { return fixed_noise(model, g, n); });
    return -mean(level->critic(fake)).item() +
           config.reconstruction_weight * mse(rec, model.reals[size_t(g.stages()) - 1]).item();
  }
};

TEST(ConsinganTraining, GeneratorGradientsAreFiniteDifferences) {
  for (const int levels : {0, 1, 4}) {
    SCOPED_TRACE(levels);
    Step s(levels);
    const GrowingGenerator before = s.level->generator.clone();
    const double lr = 1e-3;
    const auto losses = train_iteration(*s.level, s.config, s.draws, [&] { return lr; });
    // The critic stands as it did in the generator's step.
    EXPECT_NEAR(losses.g_adv.item() + losses.g_rec.item(), s.generator_loss(before), 1e-9);

    std::map<std::string, double> rate;
    for (const auto& part : s.level->learning) rate[part.name] = lr * part.factor;
    const auto now = s.level->generator.parts(), then = before.parts();
    for (size_t i = 0; i < now.size(); ++i) {
      SCOPED_TRACE(now[i].name);
      Checkpoint adam;
      for (const auto& part : s.level->learning)
        if (part.name == now[i].name) part.adam.store(adam, "");
      for (size_t t = 0; t < now[i].parameters.entries().size(); ++t) {
        const auto& entry = now[i].parameters.entries()[t];
        const Tensor weight = then[i].parameters.entries()[t].value;
        const std::vector<double> was = to_host<double>(weight), is = to_host<double>(entry.value);
        if (!rate.contains(now[i].name)) {
          EXPECT_EQ(was, is) << "a stage that stands still has moved";
          continue;
        }
        // Three Adam steps with one gradient g: m = (1 - 0.5^3) g, and each step is the rate times g / |g|.
        const std::vector<double> m = to_host<double>(adam.get(entry.name + ".m"));
        for (size_t k = 0; k < was.size(); k += 1 + was.size() / 3) {
          const auto loss_at = [&](double value) {
            std::vector<double> changed = was;
            changed[k] = value;
            Tensor(weight).assign(from_host(weight.shape(), changed));
            return s.generator_loss(before);
          };
          const double h = 1e-6;
          const double slope = (loss_at(was[k] + h) - loss_at(was[k] - h)) / (2 * h);
          loss_at(was[k]);
          EXPECT_NEAR(m[k] / 0.875, slope, 1e-6 + 1e-4 * std::abs(slope)) << entry.name << " " << k;
          EXPECT_NEAR(is[k] - was[k], -3 * rate[now[i].name] * (slope > 0 ? 1 : -1),
                      0.01 * rate[now[i].name] + 1e-9)
              << entry.name << " " << k << ", slope " << slope;
        }
      }
    }
  }
}

TEST(ConsinganTraining, RatesOfTheStages) {
  const auto rates = [](int levels) {
    std::vector<std::pair<std::string, double>> found;
    const Step s(levels);
    for (const auto& part : s.level->learning) found.push_back({part.name, part.factor});
    return found;
  };
  using Rates = std::vector<std::pair<std::string, double>>;
  EXPECT_EQ(rates(0), (Rates{{"head", 1}, {"stage0", 1}, {"tail", 1}}));
  EXPECT_EQ(rates(1), (Rates{{"head", 0.1}, {"stage0", 0.1}, {"stage1", 1}, {"tail", 1}}));
  EXPECT_EQ(rates(4), (Rates{{"stage2", std::pow(0.1, 2)}, {"stage3", 0.1}, {"stage4", 1}, {"tail", 1}}));
}

TEST(ConsinganTraining, TheCriticGoesFromStageToStage) {
  Trainer trainer(small_config(1), small_picture());
  trainer.run(
      [](const singan::Progress& p) { return p.level == 0; });  // stops in level 1, after one iteration
  Checkpoint c;
  trainer.store(c);
  Trainer fresh(small_config(1), small_picture());
  fresh.run([](const singan::Progress&) { return false; });
  Checkpoint below;
  fresh.store(below);
  const std::string key = "train.critic.conv1.weight";
  const std::vector<float> a = to_host<float>(below.get(key)), b = to_host<float>(c.get(key));
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 3e-3f);  // three Adam steps of 5e-4
  EXPECT_NE(a, b);
}

TEST(ConsinganTraining, ReconstructionLossFallsToWhatTheModelGives) {
  Config config = small_config(60);
  config.stages = 2;
  config.min_size = 24;  // on smaller maps the critic outweighs the reconstruction
  config.channels = 8;
  config.critic_updates = 1;
  Trainer trainer(config, test_picture(32, 32, 3, Dtype::f32));
  std::vector<double> first(2), last(2);
  EXPECT_TRUE(trainer.run([&](const singan::Progress& p) {
    EXPECT_EQ(p.levels, 2);
    (p.iteration <= 10 ? first : last)[size_t(p.level)] = p.losses.g_rec;
    return true;
  }));
  EXPECT_LT(last[0], 0.5 * first[0]);
  EXPECT_LT(last[1], 0.5 * first[0]);
  const Model& m = trainer.model();  // one more step than the loss has seen
  EXPECT_NEAR(10 * mse(reconstruction(m), m.image).item(), last[1], 0.05 * last[1]);
}

// Recorded from this code in double, after the gradients passed: the losses at the end of four levels, so
// that one has a stage that stands still. Training is chaotic, so the trace is short.
class RecordedTrace : public ::testing::TestWithParam<Dtype> {};
INSTANTIATE_TEST_SUITE_P(Precision, RecordedTrace, ::testing::Values(Dtype::f64, Dtype::f32),
                         [](const auto& param) { return name_of(param.param); });
TEST_P(RecordedTrace, IsFollowed) {
  constexpr double kTrace[4][5] = {// d_real, d_fake, penalty, g_adv, g_rec
                                   {0.0017202505288424761, 0.0016942623218069598, 0.099998831538456012,
                                    -0.0017118868761965952, 0.650230004029274},
                                   {0.0032985438976977158, 0.0031536009456329872, 0.099987333819530858,
                                    -0.0031683630915582861, 0.60729056569616546},
                                   {0.0050358345472653609, 0.0044087400485839237, 0.099886252070481019,
                                    -0.0044225015167365985, 0.58972426869176631},
                                   {0.0065325961708664719, 0.0043443643237024675, 0.099450417966177665,
                                    -0.0043313398960501655, 0.59777196141388667}};
  Config config = small_config(3);
  config.stages = 4;
  Trainer trainer(config, small_picture(GetParam()));
  std::vector<singan::Losses> ends;
  trainer.run([&](const singan::Progress& p) {
    if (p.iteration == p.iterations) ends.push_back(p.losses);
    return true;
  });
  ASSERT_EQ(ends.size(), std::size(kTrace));
  for (size_t level = 0; level < ends.size(); ++level) {
    const singan::Losses& l = ends[level];
    const double got[] = {l.d_real, l.d_fake, l.penalty, l.g_adv, l.g_rec};
    for (size_t i = 0; i < 5; ++i)
      EXPECT_NEAR(got[i], kTrace[level][i], GetParam() == Dtype::f64 ? 1e-6 * std::abs(got[i]) : 2e-3)
          << "level " << level << " loss " << i;
  }
}

TEST(ConsinganTraining, StopAndResumeGivesTheSameBytes) {
  const Config config = small_config(4);
  Trainer straight(config, small_picture());
  straight.run();
  const Bytes want = bytes_of(straight);
  Trainer again(config, small_picture());
  again.run();
  EXPECT_TRUE(want == bytes_of(again)) << "the same seed must give the same bytes";
  // Within a level, at its end, as the first thing of the next; below and above where stages stand still.
  for (const int stop_after : {1, 3, 4, 5, 13, 16, 18, 20}) {
    SCOPED_TRACE(stop_after);
    Bytes saved;
    {
      int count = 0;
      Trainer trainer(config, small_picture());
      EXPECT_FALSE(trainer.run([&](const singan::Progress&) { return ++count < stop_after; }));
      saved = bytes_of(trainer);
    }
    Trainer resumed(decode_checkpoint(saved, "saved"));
    EXPECT_TRUE(bytes_of(resumed) == saved);
    EXPECT_TRUE(resumed.run());
    EXPECT_TRUE(bytes_of(resumed) == want);
  }
}

TEST(ConsinganTraining, TheFinishedModelDoesNotMoveWithTheNextLevel) {
  Trainer trainer(small_config(3), small_picture());
  std::vector<float> at_first;
  trainer.run([&](const singan::Progress& p) {
    EXPECT_EQ(trainer.model().finished(), p.level);
    const Model now = trainer.preview();
    EXPECT_EQ(now.finished(), p.level + 1);
    EXPECT_EQ(reconstruction(now).dim(1), now.size(p.level).h);
    if (p.level == 1) {
      const std::vector<float> rec = to_host<float>(reconstruction(trainer.model()));
      if (at_first.empty()) at_first = rec;
      EXPECT_EQ(rec, at_first);
    }
    return p.level < 2;
  });
  EXPECT_FALSE(at_first.empty());
}

TEST(ConsinganForecast, MemoryAsItTurnsOut) {
  for (const int64_t concurrent : {1, 3}) {
    SCOPED_TRACE(concurrent);
    Config config;
    config.iterations = 1, config.critic_updates = 1, config.stages = 4, config.concurrent = concurrent;
    const auto stats = [before = memory_stats().live] { return double(memory_stats().peak - before); };
    reset_memory_peak();
    Trainer trainer(config, test_picture(64, 72, 3, Dtype::f32));
    trainer.run();
    const double took = stats();
    EXPECT_NEAR(double(peak_bytes(config, trainer.model().pyramid)), took, 0.1 * took);
    const auto again = [before = memory_stats().live] { return double(memory_stats().peak - before); };
    reset_memory_peak();
    Rng rng(1);
    random_sample(trainer.model(), {.scale_h = 2, .scale_v = 3}, rng);
    EXPECT_NEAR(double(sample_bytes(config, {192, 144})), again(), 0.05 * again());
  }
}

TEST(ConsinganForecast, CountsConvolutions) {
  Config config;
  config.channels = 2, config.layers = 1, config.concurrent = 1, config.critic_updates = 3;
  const double stage = 18 * 4 * 12 * 12, head = 18 * 2 * 12 * 12, tail = head;
  const double critic = 18 * (2 * 10 * 10 + 4 * 8 * 8 + 2 * 6 * 6);
  EXPECT_EQ(iteration_flops(config, {{12, 12}}, 1), 38 * critic + 6 * (head + stage + tail));
  EXPECT_EQ(iteration_flops(config, {{12, 12}, {12, 12}}, 1),
            38 * critic + head + stage + 6 * (stage + tail));
}

TEST(ConsinganForecast, TimeIsMeasuredAndTouchesNothing) {
  const Config config = small_config(2);
  Trainer straight(config, small_picture()), forecast(config, small_picture());
  const singan::Pyramid& pyramid = forecast.model().pyramid;
  const std::vector<double> seconds = iteration_seconds(config, pyramid, small_picture().dim(3));
  ASSERT_EQ(seconds.size(), size_t(pyramid.count()));
  for (const double s : seconds) {
    EXPECT_GT(s, 1e-5);
    EXPECT_LT(s, 10);
  }
  straight.run(), forecast.run();
  EXPECT_TRUE(bytes_of(forecast) == bytes_of(straight));
}

TEST(ConsinganTraining, BreakdownNamesLevelIterationAndTerm) {
  Tensor picture = small_picture();
  picture.data<float>()[0] = NAN;
  const std::string text = error_text([&] { Trainer(small_config(20), picture).run(); });
  EXPECT_NE(text.find("level 0"), std::string::npos) << text;
  EXPECT_NE(text.find("critic's score of the real image"), std::string::npos) << text;
}

TEST(ConsinganTraining, DamagedCheckpointsAreRefused) {
  Trainer trainer(small_config(3), small_picture());
  int count = 0;
  trainer.run([&](const singan::Progress&) { return ++count < 5; });
  Checkpoint whole;
  trainer.store(whole);
  const auto refused = [&](auto change, const char* part) {
    Checkpoint c = whole;
    change(c);
    const std::string text = error_text([&] { Trainer resumed(c); });
    EXPECT_NE(text.find(part), std::string::npos) << part << ": " << text;
  };
  refused([](Checkpoint& c) { c.metadata["model"] = "singan"; }, "not a ConSinGAN");
  refused([](Checkpoint& c) { c.metadata["format"] = "2"; }, "format 2");
  refused([](Checkpoint& c) { c.metadata["finished"] = "9"; }, "9 finished levels of 5");
  refused([](Checkpoint& c) { c.metadata["config.channels"] = "1000000"; }, "channels");
  refused([](Checkpoint& c) { c.metadata["config.max_size"] = "16"; }, "max_size 16");
  refused([](Checkpoint& c) { c.metadata["train.in_level"] = "0"; }, "level in training");
  refused([](Checkpoint& c) { c.metadata["train.iteration"] = "4"; }, "iteration 4");
  refused([](Checkpoint& c) { c.tensors["image"] = zeros({20, 24, 3}); }, "(1,H,W,C)");
  refused([](Checkpoint& c) { c.tensors.erase("generator.stage0.conv1.weight"); }, "stage0.conv1");
  refused([](Checkpoint& c) { c.tensors.erase("train.generator_adam.tail.conv0.bias.v"); }, "tail.conv0");
}

// ---- pictures

TEST(ConsinganSampling, SizesSeedsAndStartLevels) {
  const Model& m = trained();
  ASSERT_EQ(m.finished(), 5);
  const auto sample = [&](const SampleOptions& o, uint64_t seed) {
    Rng rng(seed);
    return random_sample(m, o, rng);
  };
  EXPECT_EQ(sample({}, 1).shape(), (Shape{1, 20, 24, 3}));
  EXPECT_EQ(to_host<float>(sample({}, 1)), to_host<float>(sample({}, 1)));
  EXPECT_NE(to_host<float>(sample({}, 1)), to_host<float>(sample({}, 2)));
  EXPECT_EQ(sample({0, 2, 0.5}, 1).shape(), (Shape{1, 10, 48, 3}));
  EXPECT_EQ(sample({3, 0.75, 1.5}, 1).shape(), (Shape{1, 30, 18, 3}));
  // The higher the start, the nearer to the reconstruction.
  const Tensor rec = reconstruction(m);
  EXPECT_LT(mse(sample({4, 1, 1}, 1), rec).item(), mse(sample({0, 1, 1}, 1), rec).item());

  EXPECT_NE(error_text([&] { sample({5, 1, 1}, 1); }).find("between 0 and 4"), std::string::npos);
  EXPECT_NE(error_text([&] { sample({0, 0.05, 1}, 1); }).find("0.1"), std::string::npos);
  const Model none = make_model(small_config(1), small_picture());
  EXPECT_NE(error_text([&] { reconstruction(none); }).find("no finished level"), std::string::npos);
}

TEST(ConsinganSampling, InjectionTakesAPictureOfAnySize) {
  const Model& m = trained();
  const auto injected = [&](const Tensor& picture, int start, uint64_t seed) {
    Rng rng(seed);
    return inject(m, picture, start, rng);
  };
  const Tensor other = affine(small_picture(), -1);
  for (int start = 1; start < 5; ++start) {
    EXPECT_EQ(injected(m.image, start, 1).shape(), m.image.shape());
    EXPECT_NE(to_host<float>(injected(m.image, start, 1)), to_host<float>(injected(other, start, 1)));
  }
  EXPECT_EQ(injected(zeros({1, 37, 51, 3}), 2, 1).shape(), m.image.shape());
  EXPECT_NE(to_host<float>(injected(m.image, 1, 1)), to_host<float>(injected(m.image, 1, 2)));
  // The training picture itself is sampled from that level on.
  Rng rng(1);
  EXPECT_EQ(to_host<float>(injected(m.image, 3, 1)), to_host<float>(random_sample(m, {3, 1, 1}, rng)));
  EXPECT_NE(error_text([&] { injected(m.image, 0, 1); }).find("between 1 and 4"), std::string::npos);
  EXPECT_NE(error_text([&] { injected(zeros({1, 20, 24, 1}), 1, 1); }).find("(1,H,W,3)"), std::string::npos);
}

TEST(ConsinganSampling, AModelFileGivesTheSamePictures) {
  Checkpoint c;
  store(trained(), c);
  EXPECT_EQ(c.meta("model"), "consingan");
  const Model loaded = load_model(decode_checkpoint(encode_checkpoint(c), "file"));
  EXPECT_EQ(to_host<float>(reconstruction(loaded)), to_host<float>(reconstruction(trained())));
  Rng a(4), b(4);
  EXPECT_EQ(to_host<float>(random_sample(loaded, {2, 1.5, 1}, a)),
            to_host<float>(random_sample(trained(), {2, 1.5, 1}, b)));
}

TEST(ConsinganSampling, OtherNumbersOfChannels) {
  for (const int64_t channels : {1, 4}) {
    Trainer trainer(small_config(1), small_picture(Dtype::f32, channels));
    trainer.run();
    Rng rng(1);
    EXPECT_EQ(random_sample(trainer.model(), {}, rng).shape(), (Shape{1, 20, 24, channels}));
    EXPECT_EQ(reconstruction(trainer.model()).dim(3), channels);
  }
}

}  // namespace
}  // namespace sga::consingan
