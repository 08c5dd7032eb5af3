#include "models/consingan/training.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"
#include "engine/step_graph.h"
#include "models/singan/config.h"

namespace sga::consingan {
namespace {

// Stages first..level on what the first of them takes; noise[i] is that of stage first + i, scaled.
Tensor make_picture(const LevelTraining& level, const Tensor& input, const std::vector<Tensor>& noise) {
  const GrowingGenerator& g = level.generator;
  Tensor x = level.first == 0 ? g.begin(input) : input;
  for (int n = std::max(level.first, 1); n <= level.level; ++n)
    x = g.rise(n, x, level.sizes[size_t(n)], noise[size_t(n - level.first)]);
  return g.draw(x);
}

// Random features below the stages that learn, or the noise of level 0; and the noise of those stages,
// scaled.
struct FakeInput {
  Tensor x;
  std::vector<Tensor> noise;
};

FakeInput fake_input(const LevelTraining& level, const Draws& draws) {
  NoGrad off;
  const auto noise = [&](int n) { return affine(draws.noise[size_t(n)], level.noise_amp[size_t(n)]); };
  FakeInput in{noise(0), {}};
  if (level.first > 0) in.x = level.generator.begin(in.x);
  for (int n = 1; n < level.first; ++n)
    in.x = level.generator.rise(n, in.x, level.sizes[size_t(n)], noise(n));
  for (int n = level.first; n <= level.level; ++n) in.noise.push_back(noise(n));
  return in;
}

}  // namespace

LevelTraining::LevelTraining(const Model& model, const GrowingGenerator& grown,
                             const ConvStack& critic_of_below, const std::vector<double>& amps)
    : generator(grown),
      critic(critic_of_below),
      level(grown.stages() - 1),
      first(std::max(0, level - int(model.config.concurrent) + 1)),
      critic_adam(critic.parameters()),
      noise_amp(amps),
      sizes(model.pyramid.levels.begin(), model.pyramid.levels.begin() + level + 1),
      real(model.reals[size_t(level)]) {
  const std::vector<GrowingGenerator::Part> parts = generator.parts();
  const auto learn = [&](const GrowingGenerator::Part& part, int below_newest) {
    learning.push_back(
        {part.name, part.parameters, Adam(part.parameters), std::pow(model.config.lr_scale, below_newest)});
  };
  if (first == 0) learn(parts.front(), level);
  for (int n = first; n <= level; ++n) learn(parts[size_t(n) + 1], level - n);
  learn(parts.back(), 0);

  rec_input =
      first == 0 ? model.reals[0] : fixed_features(model, generator, noise_amp, model.reals[0], first - 1);
  for (int n = first; n <= level; ++n)
    rec_noise.push_back(n == 0 ? Tensor()
                               : affine(fixed_noise(model, generator, n), noise_amp[size_t(n)]).detach());
}

singan::LossesOf<Tensor> train_iteration(LevelTraining& level, const Config& config, const Draws& draws,
                                         const std::function<double()>& lr) {
  singan::LossesOf<Tensor> losses;
  // The generator stands still while the critic learns, and there is nothing but the noise to tell fakes
  // apart.
  const FakeInput in = fake_input(level, draws);
  const Tensor fake = make_picture(level, in.x, in.noise);
  for (int64_t step = 0; step < config.critic_updates; ++step) {
    const singan::CriticLosses l =
        singan::critic_step(level.critic, level.critic.parameters(), level.critic_adam, level.real,
                            fake.detach(), draws.mix[size_t(step)], config.penalty_weight, lr);
    losses.d_real = l.real, losses.d_fake = l.fake, losses.penalty = l.penalty;
  }

  const singan::Adversarial adv = singan::adversarial(level.critic, fake);
  const Tensor rec = make_picture(level, level.rec_input, level.rec_noise);
  const Tensor rec_loss = affine(mse(rec, level.real), config.reconstruction_weight);
  std::vector<Tensor> weights;
  for (const auto& part : level.learning)
    for (const Tensor& w : part.parameters.trainable()) weights.push_back(w);
  const std::vector<Tensor> gradients = grad(add(sum(mul(fake, adv.by_fake)), rec_loss), weights);
  auto next = gradients.begin();
  for (auto& part : level.learning) {
    const auto end = next + std::ptrdiff_t(part.parameters.trainable().size());
    const std::vector<Tensor> own(next, end);
    const double factor = part.factor;
    for (int64_t step = 0; step < config.generator_updates; ++step)
      part.adam.step(own, [lr, factor] { return lr() * factor; });
    next = end;
  }
  losses.g_adv = adv.loss;
  losses.g_rec = rec_loss.detach();
  return losses;
}

Trainer::Trainer(const Config& config, const Tensor& picture)
    : model_(make_model(config, picture)), rng_(config.seed) {}

LevelTraining& Trainer::begin_level() {
  const int n = model_.finished();
  GrowingGenerator generator = n ? current_->generator : model_.generator;
  ConvStack critic = n ? current_->critic : make_critic(generator.options());
  std::vector<double> amps = model_.noise_amp;
  if (n == 0) {
    generator.initialise(rng_);
    critic.initialise(rng_);
    amps.push_back(1);
  } else {
    generator.grow();
    amps.push_back(0);
    NoGrad off;
    const Tensor rec = generator.draw(fixed_features(model_, generator, amps, model_.reals[0], n));
    amps.back() = model_.config.noise_weight * std::sqrt(mse(rec, model_.reals[size_t(n)]).item());
  }
  iteration_ = 0;
  return current_.emplace(model_, generator, critic, amps);
}

void Trainer::finish_level() {
  model_.generator = current_->generator.clone();  // the stages in training go on changing
  model_.noise_amp = current_->noise_amp;
  if (!finished()) begin_level();
}

Model Trainer::preview() const {
  Model m = model_;
  if (current_ && !finished()) m.generator = current_->generator, m.noise_amp = current_->noise_amp;
  return m;
}

Draws Trainer::draw() {
  Draws d;
  for (int n = 0; n <= model_.finished(); ++n)
    d.noise.push_back(rng_.normal(current_->generator.noise_shape(n, model_.size(n)), model_.dtype()));
  for (int64_t step = 0; step < model_.config.critic_updates; ++step)
    d.mix.push_back(step_number([this] { return rng_.uniform(); }, model_.dtype()));
  return d;
}

bool Trainer::run(const singan::Observer& observer) {
  while (!finished())
    if (!advance(observer)) return false;
  return true;
}

bool Trainer::advance(const singan::Observer& observer) {
  const Config& config = model_.config;
  if (finished()) return true;
  if (!step_) step_ = std::make_unique<StepGraph>(beside_);
  if (current_ && iteration_ == config.iterations) {
    step_->reset();
    finish_level();
  }
  if (finished()) return true;
  LevelTraining& level = current_ ? *current_ : begin_level();
  step_->run([this, &level] {
    draws_ = draw();
    on_device_ = train_iteration(level, model_.config, draws_, [this] {
      const Config& c = model_.config;
      return step_decay(c.lr, c.decay, c.decay_at(), iteration_);
    });
  });
  ++iteration_;
  const bool last = iteration_ == config.iterations,
             measured = last || iteration_ % singan::kMeasureEvery == 0;
  if (measured) losses_ = singan::read_back(on_device_, level.level, iteration_);
  return !observer || observer({level.level, model_.pyramid.count(), iteration_, config.iterations, losses_,
                                measured, last});
}

void Trainer::store(Checkpoint& checkpoint) const {
  consingan::store(model_, checkpoint);
  auto& meta = checkpoint.metadata;
  meta["train.rng_seed"] = std::to_string(rng_.seed());
  meta["train.rng_counter"] = std::to_string(rng_.counter());
  meta["train.iteration"] = std::to_string(iteration_);
  meta["train.in_level"] = std::to_string(current_ && !finished());
  if (!current_ || finished()) return;
  meta["train.noise_amp"] = singan::to_text(current_->noise_amp.back());
  for (const auto& part : current_->generator.parts())
    part.parameters.store(checkpoint, "train.generator." + part.name + ".");
  current_->critic.parameters().store(checkpoint, "train.critic.");
  for (const auto& part : current_->learning)
    part.adam.store(checkpoint, "train.generator_adam." + part.name + ".");
  current_->critic_adam.store(checkpoint, "train.critic_adam.");
}

Trainer::Trainer(const Checkpoint& checkpoint) : model_(load_model(checkpoint)) {
  const auto named = [](const char* key) { return std::string("consingan checkpoint: ") + key; };
  const auto whole = [&](const char* key) { return singan::parse_int(checkpoint.meta(key), named(key)); };
  const auto unsigned_number = [&](const char* key) {
    return singan::parse_seed(checkpoint.meta(key), named(key));
  };
  rng_ = Rng(unsigned_number("train.rng_seed"), unsigned_number("train.rng_counter"));
  iteration_ = whole("train.iteration");
  SGA_CHECK(iteration_ >= 0 && iteration_ <= model_.config.iterations, "consingan checkpoint: iteration ",
            iteration_, " is out of range");
  const bool in_level = whole("train.in_level") != 0;
  SGA_CHECK(in_level ? !finished() : finished() || model_.finished() == 0,
            "consingan checkpoint: it must hold the level in training, and none beyond the last");
  if (!in_level) return;
  GrowingGenerator generator = model_.generator.clone();
  generator.grow();
  for (auto& part : generator.parts()) part.parameters.load(checkpoint, "train.generator." + part.name + ".");
  const ConvStack critic = make_critic(generator.options());
  Parameters(critic.parameters()).load(checkpoint, "train.critic.");
  std::vector<double> amps = model_.noise_amp;
  amps.push_back(
      singan::parse_double(checkpoint.meta("train.noise_amp"), "consingan checkpoint: train.noise_amp"));
  LevelTraining& level = current_.emplace(model_, generator, critic, amps);
  for (auto& part : level.learning) part.adam.load(checkpoint, "train.generator_adam." + part.name + ".");
  level.critic_adam.load(checkpoint, "train.critic_adam.");
}

}  // namespace sga::consingan
