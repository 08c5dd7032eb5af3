// GANimation against numbers made independently in PyTorch (tests/golden/ganimation_golden.json, float64),
// the condition's way to the output, and a training run that stops, goes on and repeats itself.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/device.h"
#include "models/ganimation/editing.h"
#include "models/ganimation/training.h"
#include "tests/golden_file.h"

namespace sga::ganimation {
namespace {

using nlohmann::json;

json golden() { return golden_json("ganimation_golden.json"); }

// ---- the golden network: every number is scale * sin(0.7 * seed + 0.618 * position in NCHW or OIHW order)
// ----------

double wave(double seed, int64_t i) { return std::sin(0.7 * seed + 0.618 * double(i)); }

/// A tensor stored (A,H,W,B) here whose golden order is (A,B,H,W), or (B,A,H,W)-like when `from` differs in
/// meaning.
Tensor channels_last(const Shape& shape, const std::function<double(int64_t)>& value) {
  const int64_t a = shape[0], h = shape[1], w = shape[2], b = shape[3];
  std::vector<double> out(size_t(a * h * w * b));
  for (int64_t i = 0; i < a; ++i)
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x)
        for (int64_t j = 0; j < b; ++j)
          out[size_t(((i * h + y) * w + x) * b + j)] = value(((i * b + j) * h + y) * w + x);
  return from_host<double>(shape, out);
}

Tensor flat(const Shape& shape, const std::function<double(int64_t)>& value) {
  std::vector<double> out(size_t(shape.numel()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = value(int64_t(i));
  return from_host<double>(shape, out);
}

void fill_generator(Parameters& parameters) {
  int position = 0;
  for (const auto& e : parameters.entries()) {
    const double seed = position++;
    Tensor value = e.value;
    if (value.rank() == 4)
      value.assign(channels_last(value.shape(), [&](int64_t i) { return 0.15 * wave(seed, i); }));
    else if (e.name.ends_with(".gamma"))
      value.assign(flat(value.shape(), [&](int64_t i) { return 1 + 0.1 * wave(seed, i); }));
    else
      value.assign(flat(value.shape(), [&](int64_t i) { return 0.05 * wave(seed, i); }));
  }
}

void fill_discriminator(Parameters& parameters) {
  int position = 100;
  for (const auto& e : parameters.entries()) {
    const double seed = position++;
    const double scale = e.name == "realism.w" ? 0.2 : e.name == "aus.w" ? 0.1 : 0.12;
    Tensor value = e.value;
    if (value.rank() == 4)
      value.assign(channels_last(value.shape(), [&](int64_t i) { return scale * wave(seed, i); }));
    else
      value.assign(flat(value.shape(), [&](int64_t i) { return 0.05 * wave(seed, i); }));
  }
}

TrainingConfig golden_config() {
  TrainingConfig c = recipe("official");
  c.generator = {.size = 16, .conv_dim = 4, .blocks = 2, .aus = 3};
  c.discriminator = {.size = 16, .conv_dim = 4, .aus = 3};
  c.batch = 2;
  c.weights.aus = 4000.0 / 2;  // the golden run divides 4000 by its batch
  c.critic_steps = 1;
  c.epoch_iterations = 1000;
  return c;
}

struct GoldenRun {
  Trainer trainer{golden_config(), Dtype::f64};
  Batch batch;
  Tensor mix = from_host<double>({2, 1, 1, 1}, {0.25, 0.75});

  GoldenRun() {
    fill_generator(trainer.generator().parameters());
    fill_discriminator(trainer.discriminator().parameters());
    batch.images = channels_last({2, 16, 16, 3}, [](int64_t i) { return 0.9 * wave(7, i); });
    batch.source_aus = flat({2, 3}, [](int64_t i) { return 0.5 + 0.5 * wave(3, i); });
    batch.target_aus = flat({2, 3}, [](int64_t i) { return 0.5 + 0.5 * wave(5, i); });
  }
  const Tensor& weight(Parameters& parameters, const std::string& name) {
    for (const auto& e : parameters.entries())
      if (e.name == name) return e.value;
    throw Error("no parameter " + name);
  }
};

void expect_golden(double got, double want, const std::string& name) {
  EXPECT_NEAR(got, want, 1e-8 * std::max(1.0, std::abs(want))) << name;
}

/// Element (k,c,r,s) in golden order of a (K,R,S,C) filter.
double at(const Tensor& w, int64_t k, int64_t c, int64_t r, int64_t s) {
  return to_host<double>(w)[size_t(((k * w.dim(1) + r) * w.dim(2) + s) * w.dim(3) + c)];
}

double norm2(const Tensor& t) {
  double sum = 0;
  for (double v : to_host<double>(t)) sum += v * v;
  return std::sqrt(sum);
}
double norm2(const std::vector<Tensor>& tensors) {
  double sum = 0;
  for (const Tensor& t : tensors) sum += norm2(t) * norm2(t);
  return std::sqrt(sum);
}

TEST(GanimationGolden, GeneratorForward) {
  GoldenRun run;
  const json want = golden();
  NoGrad off;
  const GeneratorOutput g = run.trainer.generator().forward(run.batch.images, run.batch.target_aus);
  const Tensor fake = composite(g, run.batch.images);
  expect_golden(mean(g.colour).item(), want["C_mean"], "C_mean");
  expect_golden(sum(abs(g.colour)).item(), want["C_sum_abs"], "C_sum_abs");
  expect_golden(mean(g.attention).item(), want["A_mean"], "A_mean");
  expect_golden(mean(fake).item(), want["fake_mean"], "fake_mean");
  expect_golden(at(fake, 0, 0, 0, 0), want["fake[0,0,0,0]"], "fake[0,0,0,0]");
  expect_golden(at(fake, 1, 2, 15, 15), want["fake[1,2,15,15]"], "fake[1,2,15,15]");
}

TEST(GanimationGolden, CriticTermsAndGradients) {
  GoldenRun run;
  const json want = golden();
  Discriminator& d = run.trainer.discriminator();
  const std::vector<Tensor> weights = d.parameters().trainable();
  Tensor fake;
  {
    NoGrad off;
    fake =
        composite(run.trainer.generator().forward(run.batch.images, run.batch.target_aus), run.batch.images);
  }
  const DiscriminatorOutput real = d.forward(run.batch.images), generated = d.forward(fake);
  const auto expect_all = [](const Tensor& got, const json& values, const char* name) {
    const std::vector<double> numbers = to_host<double>(got);
    ASSERT_EQ(numbers.size(), values.size()) << name;
    for (size_t i = 0; i < numbers.size(); ++i) expect_golden(numbers[i], values[i], name);
  };
  expect_all(real.realism, want["D_I(real)"], "D_I(real)");
  expect_all(real.aus, want["D_aux(real)"], "D_aux(real)");
  expect_all(generated.realism, want["D_I(fake)"], "D_I(fake)");

  const Tensor loss = add(sub(mean(generated.realism), mean(real.realism)),
                          affine(mse(real.aus, run.batch.source_aus), 4000.0 / 2));
  const std::vector<Tensor> gradients = grad(loss, weights);
  expect_golden(norm2(gradients), want["d_grad_l2"], "d_grad_l2");
  for (int s = 0; s < 4; ++s)
    expect_golden(at(gradients[0], 0, 0, 0, s), want["d_grad conv0.w[0,0,0,0..3]"][size_t(s)],
                  "d_grad conv0.w");

  Tensor mixed;
  {
    NoGrad off;
    mixed = attention_composite(expand(run.mix, {2, 16, 16, 1}), run.batch.images, fake);
  }
  mixed.set_requires_grad();
  const Tensor slope = grad(d.realism(d.features(mixed)), {mixed}, {}, true)[0];
  for (int n = 0; n < 2; ++n)
    expect_golden(norm2(slice(slope.detach(), 0, n, 1)), want["gp_norms"][size_t(n)], "gp_norms");
  const Tensor penalty = affine(gradient_penalty(slope, NormOver::sample, 1e-12), 10);
  expect_golden(penalty.item(), want["d_gp"], "d_gp");
  const std::vector<Tensor> second = grad(penalty, weights);
  expect_golden(norm2(second), want["gp_grad_l2"], "gp_grad_l2");
  for (int s = 0; s < 4; ++s)
    expect_golden(at(second[0], 0, 0, 0, s), want["gp_grad conv0.w[0,0,0,0..3]"][size_t(s)],
                  "gp_grad conv0.w");
  for (int s = 0; s < 3; ++s)
    expect_golden(at(second[second.size() - 2], 0, 0, 0, s), want["gp_grad dI.w[0,0,0,0..2]"][size_t(s)],
                  "gp_grad dI.w");
  for (size_t i = 1; i < second.size() - 2; i += 2) EXPECT_EQ(norm2(second[i]), 0) << "bias " << i;
  EXPECT_EQ(norm2(second.back()), 0) << "AU head";
}

TEST(GanimationGolden, WholeIterationWithTwoCriticSteps) {
  GoldenRun run;
  const json want = golden();
  Trainer& t = run.trainer;

  // The generator's gradients belong to the discriminator after both of its steps: rebuilt from a trainer
  // that has made them, on the generator of one that has not.
  t.step(run.batch, run.mix);
  const Losses losses = t.losses();
  const std::map<std::string, std::string> names{
      {"d_real", "d_real"},        {"d_fake", "d_fake"},
      {"d_aus", "d_cond"},         {"d_penalty", "d_gp after step 1"},
      {"g_fake", "g_mskd_fake"},   {"g_aus", "g_mskd_cond"},
      {"g_cycle", "g_cyc"},        {"g_mask", "g_m1"},
      {"g_mask_cycle", "g_m2"},    {"g_smooth", "g_m1_s"},
      {"g_smooth_cycle", "g_m2_s"}};
  ASSERT_EQ(losses.terms.size(), names.size());
  double total = 0;
  for (const auto& [mine, theirs] : names) {
    expect_golden(losses.terms.at(mine), want[theirs], theirs);
    if (mine.starts_with("g_")) total += losses.terms.at(mine);
  }
  expect_golden(total, want["g_total"], "g_total");

  const Tensor conv0 = run.weight(t.discriminator().parameters(), "conv0.w");
  for (int s = 0; s < 4; ++s)
    expect_golden(at(conv0, 0, 0, 0, s), want["conv0.w[0,0,0,0..3] after Adam step 2"][size_t(s)],
                  "after step 2");
  const Tensor stem = run.weight(t.generator().parameters(), "stem.w");
  for (int s = 0; s < 4; ++s)
    expect_golden(at(stem, 0, 0, 0, s), want["stem.w flat[0..3] after G Adam"][size_t(s)],
                  "stem.w after Adam");

  GoldenRun fresh;
  Discriminator& d = t.discriminator();
  Generator& g = fresh.trainer.generator();
  const GeneratorOutput first = g.forward(run.batch.images, run.batch.target_aus);
  const Tensor fake = composite(first, run.batch.images);
  const GeneratorOutput second = g.forward(fake, run.batch.source_aus);
  const DiscriminatorOutput judged = d.forward(fake);
  Tensor loss = affine(mean(judged.realism), -1);
  loss = add(loss, affine(mse(judged.aus, run.batch.target_aus), 4000.0 / 2));
  loss = add(loss, affine(l1(composite(second, fake), run.batch.images), 10));
  for (const Tensor& a : {first.attention, second.attention})
    loss = add(loss, add(affine(mean(a), 0.1), affine(total_variation(a), 1e-5)));
  const std::vector<Tensor> gradients = grad(loss, g.parameters().trainable());
  expect_golden(norm2(gradients), want["g_grad_l2"], "g_grad_l2");
  const std::vector<std::string> golden_names{"stem.w", "stem.gamma", "stem.beta",  "res0a.w",
                                              "up1.w",  "colour.w",   "attention.w"};
  for (const std::string& name : golden_names) {
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (g.parameters().entries()[i].name != name) continue;
      expect_golden(norm2(gradients[i]), want["g_grad " + name + " l2"], name + " l2");
      expect_golden(to_host<double>(gradients[i])[0], want["g_grad " + name + " first"], name + " first");
    }
  }
}

TEST(GanimationGolden, FirstCriticStepAlone) {
  GoldenRun run;
  const json want = golden();
  Discriminator& d = run.trainer.discriminator();
  Tensor fake;
  {
    NoGrad off;
    fake =
        composite(run.trainer.generator().forward(run.batch.images, run.batch.target_aus), run.batch.images);
  }
  const DiscriminatorOutput real = d.forward(run.batch.images);
  const Tensor loss = add(sub(mean(d.forward(fake).realism), mean(real.realism)),
                          affine(mse(real.aus, run.batch.source_aus), 4000.0 / 2));
  Adam adam(d.parameters(), golden_config().adam);
  adam.step(grad(loss, d.parameters().trainable()), 1e-4);
  for (int s = 0; s < 4; ++s)
    expect_golden(at(run.weight(d.parameters(), "conv0.w"), 0, 0, 0, s),
                  want["conv0.w[0,0,0,0..3] after Adam step 1"][size_t(s)], "after step 1");
}

// ---- how the condition reaches the output

/// Largest change of the colour when the action units go from 0 to random values.
double condition_effect(const GeneratorConfig& config) {
  NoGrad off;
  Rng rng(3);
  Generator g(config, rng, Dtype::f64);
  const Tensor x = affine(rng.uniform({2, config.size, config.size, 3}, Dtype::f64), 2, -1);
  const Tensor none = zeros({2, config.aus}, Dtype::f64), some = rng.uniform({2, config.aus}, Dtype::f64);
  double largest = 0;
  for (double v : to_host<double>(sub(g.forward(x, some).colour, g.forward(x, none).colour)))
    largest = std::max(largest, std::abs(v));
  return largest;
}

TEST(Ganimation, TiledConditionPassesOnlyThroughTheZeroPaddedBorder) {
  GeneratorConfig c{.size = 32, .conv_dim = 8, .blocks = 2};
  c.stem_padding = StemPadding::reflect;
  EXPECT_LT(condition_effect(c), 1e-12);
  c.stem_padding = StemPadding::zero;
  EXPECT_GT(condition_effect(c), 1e-3);
  c.stem_padding = StemPadding::reflect;
  c.conditioning = Conditioning::film;
  EXPECT_GT(condition_effect(c), 1e-3);
}

TEST(Ganimation, BottleneckConditionAddsPlanesBeforeTheFirstBlock) {
  const GeneratorConfig c{.size = 32, .conv_dim = 8, .blocks = 2, .conditioning = Conditioning::bottleneck};
  EXPECT_GT(condition_effect(c), 1e-6);
  Rng rng;
  const Generator g(c, rng);
  std::map<std::string, Shape> shapes;
  for (const auto& entry : g.parameters().entries()) shapes[entry.name] = entry.value.shape();
  EXPECT_EQ(shapes["stem.w"], (Shape{8, 7, 7, 3}));
  EXPECT_EQ(shapes["res0a.w"], (Shape{32, 3, 3, 32 + 17}));
  EXPECT_EQ(shapes["res1a.w"], (Shape{32, 3, 3, 32}));
  std::map<std::string, std::string> text;
  store(c, text, "");
  EXPECT_EQ(text["conditioning"], "bottleneck");
}

TEST(Ganimation, RelativeUnitsAreTheDifferenceToTheFacesOwn) {
  NoGrad off;
  Rng rng(4);
  GeneratorConfig c{.size = 16, .conv_dim = 4, .blocks = 1, .conditioning = Conditioning::film};
  c.units = Units::relative;
  const Generator g(c, rng);
  const Tensor x = rng.normal({2, 16, 16, 3}), wanted = rng.uniform({2, 17}), shown = rng.uniform({2, 17});
  EXPECT_EQ(to_host<float>(g.repaint(x, wanted, shown).colour),
            to_host<float>(g.forward(x, sub(wanted, shown)).colour));
  EXPECT_EQ(to_host<float>(g.repaint(x, shown, shown).attention),
            to_host<float>(g.forward(x, zeros({2, 17})).attention));
  c.units = Units::absolute;
  Rng same(4);
  const Generator absolute(c, same);
  const Tensor y = same.normal({2, 16, 16, 3});
  EXPECT_EQ(to_host<float>(absolute.repaint(y, wanted, shown).colour),
            to_host<float>(absolute.forward(y, wanted).colour));
}

TEST(Ganimation, OfficialNetworksHaveThePublishedNumberOfParameters) {
  Rng rng;
  EXPECT_EQ(Generator(recipe("official").generator, rng).parameters().numel(), 8'471'296);
  EXPECT_EQ(Discriminator(recipe("official").discriminator, rng).parameters().numel(), 44'860'352);
}

TEST(Ganimation, ResizeUpsamplingKeepsTheSize) {
  NoGrad off;
  Rng rng(1);
  const Generator g({.size = 16, .conv_dim = 4, .blocks = 1, .upsample = Upsample::resize}, rng);
  const GeneratorOutput out = g.forward(rng.normal({1, 16, 16, 3}), rng.uniform({1, 17}));
  EXPECT_EQ(out.colour.shape(), (Shape{1, 16, 16, 3}));
  EXPECT_EQ(out.attention.shape(), (Shape{1, 16, 16, 1}));
}

TEST(Ganimation, LearningRateFallsAfterTheTwentyFirstEpoch) {
  EXPECT_DOUBLE_EQ(rate_factor(1, 20, 10), 1);
  EXPECT_DOUBLE_EQ(rate_factor(21, 20, 10), 1);
  EXPECT_DOUBLE_EQ(rate_factor(22, 20, 10), 0.9);
  EXPECT_DOUBLE_EQ(rate_factor(30, 20, 10), 0.1);
}

TEST(Ganimation, LearningRatesOfTheRecipes) {
  EXPECT_DOUBLE_EQ(rate_factor(20, 20, 10, Decay::thesis), 1);
  EXPECT_DOUBLE_EQ(rate_factor(21, 20, 10, Decay::thesis), 0.9);
  EXPECT_DOUBLE_EQ(rate_factor(30, 20, 10, Decay::thesis), 0);
  EXPECT_DOUBLE_EQ(rate_factor(19, 20, 10, Decay::replicate), 1);
  EXPECT_NEAR(rate_factor(20, 20, 10, Decay::replicate), 10.0 / 11, 1e-12);
  EXPECT_NEAR(rate_factor(30, 20, 10, Decay::replicate), 0, 1e-12);
}

TEST(Ganimation, RecipesHaveTheirWeights) {
  EXPECT_EQ(recipe("official").weights.aus, 160);
  const TrainingConfig paper = recipe("paper", 64), replicate = recipe("replicate"),
                       improved = recipe("improved");
  EXPECT_EQ(paper.weights.aus, 68'000);
  EXPECT_EQ(paper.weights.cycle, 10 * 3 * 64 * 64);
  EXPECT_EQ(paper.generator.size, 64);
  EXPECT_EQ(recipe("paper").weights.cycle, 491'520);
  EXPECT_EQ(replicate.weights.mask, 0);
  EXPECT_FALSE(replicate.generator.affine);
  EXPECT_TRUE(replicate.shuffle);
  EXPECT_EQ(improved.generator.size, 64);
  EXPECT_EQ(improved.generator.upsample, Upsample::resize);
  EXPECT_EQ(improved.generator.units, Units::relative);
  EXPECT_TRUE(improved.band.active());
  EXPECT_GT(improved.weights.aus_start, improved.weights.aus);
  EXPECT_FALSE(recipe("small").band.active());
}

TEST(Ganimation, NormsWithoutScaleAndShift) {
  Rng rng(1);
  const GeneratorConfig plain{.size = 16, .conv_dim = 4, .blocks = 1, .affine = false};
  GeneratorConfig affine = plain;
  affine.affine = true;
  const Generator g(plain, rng), h(affine, rng);
  EXPECT_EQ(g.parameters().entries().size(), h.parameters().entries().size());  // the same file
  EXPECT_EQ(h.parameters().numel() - g.parameters().numel(), 2 * (4 + 8 + 16 + 2 * 16 + 8 + 4));
  Checkpoint checkpoint;
  store(plain, checkpoint.metadata, "generator.");
  EXPECT_FALSE(generator_config(checkpoint, "generator.").affine);
  checkpoint.metadata["generator.affine"] = "perhaps";
  EXPECT_THROW(generator_config(checkpoint, "generator."), Error);
  checkpoint.metadata.erase("generator.affine");
  EXPECT_TRUE(generator_config(checkpoint, "generator.").affine);
}

TEST(Ganimation, BadConfigurationsAreRefused) {
  Rng rng;
  EXPECT_THROW(Generator({.size = 30}, rng), Error);
  EXPECT_THROW(Discriminator({.size = 96}, rng), Error);
  EXPECT_THROW(recipe("none"), Error);
}

// ---- a small training run

TrainingConfig tiny(bool official) {
  TrainingConfig c = recipe(official ? "official" : "small");
  c.generator.size = c.discriminator.size = 32;
  c.generator.conv_dim = c.discriminator.conv_dim = 8;
  c.generator.blocks = 2;
  c.batch = 4;
  c.critic_steps = 2;
  c.epoch_iterations = 4;
  c.constant_epochs = c.decay_epochs = 1;
  c.seed = 7;
  return c;
}

/// A bright disc whose height follows the first action unit.
Batch synthetic_batch(Rng& rng, int64_t n, int64_t size, Dtype dtype = Dtype::f32) {
  Batch batch;
  batch.source_aus = cast(rng.uniform({n, 17}), dtype);
  batch.target_aus = cast(rng.uniform({n, 17}), dtype);
  const std::vector<float> aus = to_host<float>(batch.source_aus);
  std::vector<float> pixels;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t y = 0; y < size; ++y)
      for (int64_t x = 0; x < size; ++x) {
        const double dy = double(y) / double(size) - 0.25 - 0.5 * aus[size_t(i * 17)],
                     dx = double(x) / double(size) - 0.5;
        for (int c = 0; c < 3; ++c)
          pixels.push_back(dy * dy + dx * dx < 0.04 ? 0.8f : -0.5f + 0.1f * float(c));
      }
  batch.images = from_host<float>({n, size, size, 3}, pixels, dtype);
  return batch;
}

void train(Trainer& trainer, int64_t until) {
  while (trainer.iteration() < until)
    trainer.step(synthetic_batch(trainer.rng(), trainer.config().batch, trainer.config().generator.size));
}

Bytes state(const Trainer& trainer) {
  Checkpoint checkpoint;
  trainer.store(checkpoint);
  return encode_checkpoint(checkpoint);
}

class GanimationTraining : public testing::TestWithParam<bool> {};

TEST_P(GanimationTraining, SameSeedSameBytesAndStoppingChangesNothing) {
  Trainer whole(tiny(GetParam())), again(tiny(GetParam())), stopped(tiny(GetParam()));
  train(whole, 7);
  train(again, 7);
  EXPECT_EQ(state(whole), state(again));

  train(stopped, 3);
  const Bytes saved = state(stopped);
  TrainingConfig other = tiny(GetParam());
  other.seed = 99;  // everything of the seed comes from the checkpoint
  Trainer resumed(other);
  resumed.load(decode_checkpoint(saved, "checkpoint"));
  EXPECT_EQ(resumed.iteration(), 3);
  train(resumed, 7);
  EXPECT_EQ(state(whole), state(resumed));
}

INSTANTIATE_TEST_SUITE_P(Recipes, GanimationTraining, testing::Bool(),
                         [](const auto& test) { return test.param ? "official" : "small"; });

TEST(Ganimation, EpochsShorterThanTheCriticStepsStillTrainTheGenerator) {
  TrainingConfig c = tiny(true);
  c.epoch_iterations = 1;
  Trainer trainer(c);
  train(trainer, 4);
  EXPECT_EQ(trainer.generator_updates(), 2);
}

/// Loss terms and mean attention of the first 8 iterations.
json trace(Dtype dtype) {
  Trainer trainer(tiny(true), dtype);
  json lines = json::array();
  for (int i = 0; i < 8; ++i) {
    Batch batch = synthetic_batch(trainer.rng(), 4, 32, dtype);
    const Tensor mix = cast(trainer.rng().uniform({4, 1, 1, 1}), dtype);
    trainer.step(batch, mix);
    const Losses losses = trainer.losses();
    json line = losses.terms;
    line["attention"] = losses.attention;
    lines.push_back(line);
  }
  return lines;
}

// The trace was recorded in double; float follows it: rounding is amplified by Adam, whose first steps depend
// on the signs of gradients, and by the critic.
TEST(Ganimation, TrainingFollowsTheRecordedTrace) {
  const json want = golden_json("ganimation_trace.json");
  const json got = trace(Dtype::f32);
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(got[i].size(), want[i].size());
    for (const auto& [name, value] : want[i].items())
      EXPECT_NEAR(got[i][name].get<double>(), value.get<double>(),
                  2e-3 * std::abs(value.get<double>()) + 1e-6)
          << name << " of iteration " << i + 1;
  }
}

// Writes the trace anew: --gtest_also_run_disabled_tests --gtest_filter=*RecordTrace. For deliberate changes
// only.
TEST(Ganimation, DISABLED_RecordTrace) {
  write_file(golden_path("ganimation_trace.json"), trace(Dtype::f64).dump(1) + "\n");
}

TEST(Ganimation, TrainingNamesTheTermThatIsNotFinite) {
  Trainer trainer(tiny(true));
  Batch batch = synthetic_batch(trainer.rng(), 4, 32);
  batch.source_aus = full({4, 17}, NAN);
  trainer.step(batch);
  try {
    trainer.losses();
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("iteration 1 the loss term d_aus"), std::string::npos) << e.what();
  }
}

TEST(Ganimation, LoadRefusesAnotherConfiguration) {
  Trainer small(tiny(false));
  Checkpoint checkpoint;
  small.store(checkpoint);
  Trainer official(tiny(true));
  EXPECT_THROW(official.load(checkpoint), Error);
  TrainingConfig config = tiny(false);
  config.generator.units = Units::relative;
  Trainer relative(config);
  EXPECT_THROW(relative.load(checkpoint), Error);
  relative.store(checkpoint);
  EXPECT_THROW(small.load(checkpoint), Error) << "which does not know of relative units";
  EXPECT_NO_THROW(relative.load(checkpoint));
}

// ---- editing

TEST(GanimationEditing, TargetsFollowTheMode) {
  Expression smile = parse_action_units("12=0.8,6=0.5");
  ActionUnits source{}, limits;
  limits.fill(0.7f);
  source[size_t(index_of(12))] = 0.3f;
  source[size_t(index_of(1))] = 0.9f;
  const auto value = [](const ActionUnits& y, int au) { return y[size_t(index_of(au))]; };

  const ActionUnits set = target_action_units(smile, EditMode::set, 1, source, limits);
  EXPECT_FLOAT_EQ(value(set, 12), 0.7f);  // clamped
  EXPECT_FLOAT_EQ(value(set, 6), 0.5f);
  EXPECT_FLOAT_EQ(value(set, 1), 0);
  const ActionUnits added = target_action_units(smile, EditMode::add, 0.25f, source, limits);
  EXPECT_FLOAT_EQ(value(added, 12), 0.5f);
  EXPECT_FLOAT_EQ(value(added, 1), 0.9f);  // as in the source, though above the limit
  EXPECT_EQ(target_action_units(smile, EditMode::add, 0, source, limits), source);
  EXPECT_THROW(target_action_units(smile, EditMode::set, NAN, source, limits), Error);
}

ActionUnits smile_of(float strength) {
  ActionUnits units{};
  units[size_t(index_of(12))] = strength;
  return units;
}

TEST(GanimationEditing, ModelFileRoundTrip) {
  const fs::path folder = fs::path(testing::TempDir()) / "ganimation_editing";
  make_folder(folder);
  Rng rng(5);
  const Generator g({.size = 32, .conv_dim = 8, .blocks = 1, .conditioning = Conditioning::film}, rng);
  const Discriminator d({.size = 32, .conv_dim = 8}, rng);
  ModelCard card;
  card.crop_recipe = "mode=landmarks margin=1.5 size=32";
  card.limits[3] = 0.25f;
  card.about = "a test";
  save_checkpoint(folder / "model.safetensors", export_model(g, card, &d));

  const Model model(folder / "model.safetensors");
  EXPECT_EQ(model.card().crop_recipe, card.crop_recipe);
  EXPECT_EQ(model.card().limits, card.limits);
  EXPECT_EQ(model.parameters(), g.parameters().numel());
  const Tensor crops = affine(rng.uniform({2, 32, 32, 3}), 2, -1);
  std::vector<ActionUnits> targets(2);
  targets[1].fill(0.5f);
  const Edit edit = model.edit(crops, targets);
  const GeneratorOutput direct = g.forward(crops, to_tensor(targets));
  EXPECT_EQ(to_host<float>(edit.edited), to_host<float>(composite(direct, crops)));
  ASSERT_TRUE(model.can_estimate());
  EXPECT_EQ(to_host<float>(to_tensor(model.estimate(crops))),
            to_host<float>(clamp(d.forward(crops).aus, 0, 1)));

  targets[0][0] = NAN;
  EXPECT_THROW(model.edit(crops, targets), Error);
  EXPECT_THROW(model.edit(slice(crops, 1, 0, 16), targets), Error);

  Rng rng2(6);
  const Generator difference(
      {.size = 32, .conv_dim = 8, .blocks = 1, .conditioning = Conditioning::film, .units = Units::relative},
      rng2);
  const Model relative(export_model(difference, card, &d), "relative");
  EXPECT_EQ(relative.config().units, Units::relative);
  const std::vector<ActionUnits> wanted(2, smile_of(0.5f)), own(2, smile_of(0.2f));
  EXPECT_EQ(to_host<float>(relative.edit(crops, wanted, own).colour),
            to_host<float>(difference.forward(crops, sub(to_tensor(wanted), to_tensor(own))).colour));
  EXPECT_EQ(to_host<float>(relative.edit(crops, wanted).colour),
            to_host<float>(relative.edit(crops, wanted, relative.estimate(crops)).colour));
  EXPECT_THROW(Model(export_model(difference, card), "blind").edit(crops, wanted), Error);

  Checkpoint other = export_model(g, card);
  EXPECT_FALSE(Model(other, "other").can_estimate());
  other.metadata["au_limits"] = "1 2 x";
  EXPECT_THROW(Model(other, "other"), Error);
  other = export_model(g, card);
  other.metadata["format"] = "singan";
  EXPECT_THROW(Model(other, "other"), Error);
  other = export_model(g, card);
  other.tensors.erase("generator.up1.w");
  EXPECT_THROW(Model(other, "other"), Error);
  fs::remove_all(folder);
}

TEST(Ganimation, AScheduleOfAnyLengthIsStretched) {
  TrainingConfig c;
  c.epoch_iterations = 4;
  EXPECT_EQ(c.iterations(), 120);
  for (int64_t i = 0; i < 120; ++i) EXPECT_EQ(c.epoch_of(i), i / 4);
  for (const int64_t steps : {1, 7, 29, 30, 31, 100, 12345}) {
    c.steps = steps;
    EXPECT_EQ(c.iterations(), steps);
    EXPECT_EQ(c.epoch_of(steps - 1), (steps - 1) * 30 / steps);
    for (int64_t epoch = 0; epoch < 30; ++epoch) {
      const int64_t begin = c.epoch_begin(epoch);
      EXPECT_TRUE(begin == 0 || c.epoch_of(begin - 1) < epoch);
      EXPECT_TRUE(begin == c.epoch_begin(epoch + 1) || c.epoch_of(begin) == epoch);
    }
    EXPECT_TRUE(steps < 30 || c.epoch_of(steps - 1) == 29);  // the rate falls to its end
  }
}

// ---- what the recipe improved adds

Batch random_batch(const TrainingConfig& c, Rng& rng) {
  const int64_t s = c.generator.size;
  return {clamp(rng.normal({c.batch, s, s, 3}), -1, 1), rng.uniform({c.batch, 17}),
          rng.uniform({c.batch, 17})};
}

TEST(Ganimation, TheAttentionIsHeldInItsBand) {
  const auto attention_after = [](AttentionBand band) {
    TrainingConfig c = tiny(false);
    c.band = band;
    c.lr_generator = 3e-2;
    c.critic_steps = 1;
    c.batch = 1;
    Trainer trainer(c);
    Rng rng(2);
    while (trainer.generator_updates() < 8) trainer.step(random_batch(c, rng));
    return trainer.losses();
  };
  const Losses free = attention_after({});
  EXPECT_FALSE(free.terms.contains("g_band"));
  const Losses low = attention_after({0.1, 0.2}), high = attention_after({0.8, 0.9});
  EXPECT_LT(low.attention, 0.3);  // of the whole picture, a little behind its middle
  EXPECT_GT(high.attention, 0.7);
  TrainingConfig c = tiny(false);
  c.band = {0.8, 0.2};
  EXPECT_THROW(Trainer{c}, Error);
}

TEST(Ganimation, TheBandAsksForTheSquareOfWhatLiesOutside) {
  // Two samples of 12 px: the middle, rows 2 to 9 and columns 3 to 8, has a mean of its own.
  const auto attention = [](float first, float second, float around) {
    std::vector<float> v;
    for (const float middle : {first, second})
      for (int y = 0; y < 12; ++y)
        for (int x = 0; x < 12; ++x) v.push_back(y >= 2 && y < 10 && x >= 3 && x < 9 ? middle : around);
    return from_host<float>({2, 12, 12, 1}, v);
  };
  const auto cost = [&](const Tensor& a) { return band_penalty(a, {0.3, 0.85}).item(); };
  for (const float around : {0.f, 0.5f, 1.f}) {
    EXPECT_NEAR(cost(attention(0.4f, 0.8f, around)), 0, 1e-9);
    EXPECT_NEAR(cost(attention(0.95f, 0.8f, around)), kBandWeight * 0.01 / 2, 1e-4);
    EXPECT_NEAR(cost(attention(0.1f, 1, around)), kBandWeight * (0.04 + 0.0225) / 2, 1e-4);
  }
  // Pulled down above the band, up below it, nowhere else.
  Tensor a = attention(0.95f, 0.1f, 0.5f);
  a.set_requires_grad();
  const std::vector<float> pull = to_host<float>(grad(band_penalty(a, {0.3, 0.85}), {a})[0]);
  EXPECT_GT(pull[5 * 12 + 5], 0);
  EXPECT_LT(pull[144 + 5 * 12 + 5], 0);
  EXPECT_EQ(pull[0], 0);
  EXPECT_EQ(pull[143], 0);
  // Both passes pay.
  TrainingConfig c = tiny(false);
  c.band = {0.999, 1};
  Rng rng(3);
  Trainer trainer(c);
  while (!trainer.generator_updates()) trainer.step(random_batch(c, rng));
  const double both = trainer.losses().terms.at("g_band");
  EXPECT_GT(both, 0);
  EXPECT_LT(both, 2 * kBandWeight);
}

TEST(Ganimation, TheWeightOfTheActionUnitsFallsInTheFirstThird) {
  TrainingConfig plain = tiny(false), falling = plain;
  plain.weights.aus = falling.weights.aus = 10;
  falling.weights.aus_start = 40;
  plain.steps = falling.steps = 12;
  Rng rng(3);
  const Batch batch = random_batch(plain, rng);
  Trainer a(plain), b(falling);
  a.step(batch), b.step(batch);
  const double error = a.losses().terms.at("d_aus") / 10;
  EXPECT_NEAR(b.losses().terms.at("d_aus"), 40 * error, 1e-6 * error);
  // Half of the way: 25. After the third: as without.
  for (const auto& [iteration, weight] : std::map<int64_t, double>{{2, 25}, {4, 10}, {9, 10}}) {
    Checkpoint checkpoint;
    a.store(checkpoint);
    checkpoint.metadata["iteration"] = std::to_string(iteration);
    Trainer p(plain), q(falling);
    p.load(checkpoint), q.load(checkpoint);
    p.step(batch), q.step(batch);
    EXPECT_NEAR(q.losses().terms.at("d_aus") / p.losses().terms.at("d_aus"), weight / 10, 1e-6) << iteration;
  }
  falling.weights.aus_start = -1;
  EXPECT_THROW(Trainer{falling}, Error);
}

TEST(Ganimation, ThePaperLiterallyAddsUpWhatItPrints) {
  TrainingConfig c = tiny(false), paper = c;
  paper.weights.mask_root = true;
  paper.weights.variation = Variation::squared;
  Rng rng(3);
  const Batch batch = random_batch(c, rng);
  Trainer plain(c), literal(paper);
  for (int i = 0; i < 2; ++i) plain.step(batch), literal.step(batch);  // the second teaches the generator
  const auto a = plain.losses().terms, b = literal.losses().terms;
  // A is about one half everywhere: its mean 0.5, the root of the sum of squares over 32x32 pixels 16.
  EXPECT_NEAR(a.at("g_mask") / c.weights.mask, 0.5, 0.1);
  EXPECT_NEAR(b.at("g_mask") / c.weights.mask, 16, 3);
  EXPECT_LT(b.at("g_smooth"), a.at("g_smooth"));  // differences are far below 1
  EXPECT_NEAR(a.at("g_cycle"), b.at("g_cycle"), 1e-3 * a.at("g_cycle") + 1e-3);
}

}  // namespace
}  // namespace sga::ganimation
