#include "models/singan/training.h"

#include <cmath>

#include "engine/ops.h"
#include "engine/step_graph.h"
#include "models/singan/palette.h"

namespace sga::singan {
namespace {

// generator_input of a level in training, in few colours where it has a palette. The official code reduces
// the border of zeros with the rest.
GeneratorInput whole_input_of(const LevelTraining& level, const Config& config, const Tensor& noise,
                              const Tensor& prior) {
  if (!level.palette) return generator_input(noise, level.noise_amp, prior);
  if (config.resize == ResizeStyle::smooth)
    return generator_input(noise, level.noise_amp, to_palette(prior, level.palette));
  NoGrad off;
  return padded_input(noise, level.noise_amp,
                      to_palette_of_runs(pad(prior, all_sides(kBorder)), level.palette));
}

// Of a window: kBorder around it comes from the level, and is zero only where the level ends.
GeneratorInput input_of(const LevelTraining& level, const Config& config, const Tensor& noise,
                        const Tensor& prior, const std::optional<Window>& window) {
  const GeneratorInput whole = whole_input_of(level, config, noise, prior);
  if (!window) return whole;
  NoGrad off;
  const auto part = [&](const Tensor& x) {
    return crop(x, window->top, window->left, window->h + 2 * kBorder, window->w + 2 * kBorder);
  };
  return {part(whole.z), part(whole.prev)};
}

}  // namespace

LossesOf<Tensor> train_iteration(LevelTraining& level, const Config& config, const Draws& draws,
                                 const std::function<double()>& lr) {
  LossesOf<Tensor> losses;
  const auto& window = draws.window;
  const Tensor real = window ? crop(level.real, window->top, window->left, window->h, window->w) : level.real;
  GeneratorInput in;
  Tensor fake;
  for (int64_t step = 0; step < config.critic_updates; ++step) {
    in = input_of(level, config, draws.noise, slice(draws.priors, 0, step, 1), window);
    // Only the last fake is walked back through.
    GradMode mode(step + 1 == config.critic_updates);
    fake = level.generator(in.z, in.prev);
    GradMode on(true);
    const CriticLosses l =
        critic_step(level.critic, level.critic.net.parameters(), level.critic_adam, real, fake.detach(),
                    draws.mix[size_t(step)], config.penalty_weight, lr);
    losses.d_real = l.real, losses.d_fake = l.fake, losses.penalty = l.penalty;
  }

  // D stands still from here on, so one fake has one adversarial gradient, whatever the number of steps.
  Adversarial adv = adversarial(level.critic, fake);
  const GeneratorInput rec = input_of(level, config, draws.rec_noise, level.rec_prior, window);
  const std::vector<Tensor> weights = level.generator.net.parameters().trainable();
  std::vector<Tensor> gradients;
  for (int64_t step = 0; step < config.generator_updates; ++step) {
    if (config.generator_steps == GeneratorSteps::fresh && step > 0) {
      fake = level.generator(in.z, in.prev);
      adv = adversarial(level.critic, fake);
    }
    if (config.generator_steps != GeneratorSteps::accum || step == 0) {
      const Tensor rec_loss =
          affine(mse(level.generator(rec.z, rec.prev), real), config.reconstruction_weight);
      // A node keeps its activations and shares the weights' storage: asked again after Adam, the old graph
      // of `fake` answers with old activations and new weights. That is GeneratorSteps::official.
      gradients = grad(add(sum(mul(fake, adv.by_fake)), rec_loss), weights);
      losses.g_rec = rec_loss.detach();
    }
    level.generator_adam.step(gradients, lr);
  }
  losses.g_adv = adv.loss;
  return losses;
}

Trainer::Trainer(const Config& config, const Tensor& picture, const Model* warm)
    : model_(make_model(config, picture)), rng_(config.seed), levels_(model_.pyramid.count()) {
  const Size coarsest = noise_size(config, model_.size(0));
  model_.code = rng_.normal({1, coarsest.h, coarsest.w, 1}, model_.dtype());
  start_from(warm);
  if (warm && warm->code.shape() == model_.code.shape()) model_.code = warm->code;
}

void Trainer::start_from(const Model* warm) {
  if (!warm) return;
  SGA_CHECK(warm->channels() == model_.channels(), "singan: the model to start from has ", warm->channels(),
            " channels, the picture to train on ", model_.channels(), "; give --channels ", warm->channels());
  SGA_CHECK(warm->config.keep_bias == model_.config.keep_bias,
            "singan: of the model to start from and this training one is of the official preset, the other "
            "not; train both with the same --preset");
  warm_ = warm->levels;
}

Trainer::Trainer(const Model& model, int level, const Tensor& palette)
    : model_(model),
      rng_(Rng(model.config.seed).fork(uint64_t(level))),
      levels_(level + 1),
      palette_(palette) {
  SGA_CHECK(level >= 1 && level < model.finished(),
            "singan: the level to train again must lie between 1 and ", model.finished() - 1, ", got ",
            level);
  model_.levels.erase(model_.levels.begin() + level, model_.levels.end());
}

LevelTraining& Trainer::begin_level() {
  const int n = model_.finished();
  const std::optional<LevelTraining> before = std::move(current_);
  current_.emplace(net_options(model_, n), model_.reals[size_t(n)]);
  LevelTraining& level = *current_;
  if (before && before->generator.net.options().width == level.generator.net.options().width) {
    level.generator.net.parameters().copy_from(before->generator.net.parameters());
    level.critic.net.parameters().copy_from(before->critic.net.parameters());
  } else {
    level.generator.net.initialise(rng_);
    level.critic.net.initialise(rng_);
  }
  if (size_t(n) < warm_.size()) {
    const PatchNet& warm = warm_[size_t(n)].generator.net;
    if (warm.options().width == level.generator.net.options().width)
      level.generator.net.parameters().copy_from(warm.parameters());
  }
  level.rec_prior = reconstruction_prior(model_, n);
  if (n + 1 == levels_) level.palette = palette_;
  if (n > 0)
    level.noise_amp = model_.config.noise_weight * std::sqrt(mse(level.real, level.rec_prior).item());
  iteration_ = 0;
  decay_at_ = model_.config.decay_at();
  ended_ = false;
  curve_.clear();
  return level;
}

void Trainer::finish_level() {
  const Generator& g = current_->generator;
  model_.levels.push_back({g, FrozenGenerator(g), current_->noise_amp, current_->palette});
  if (!finished()) begin_level();
}

Draws Trainer::draw(const LevelTraining& level) {
  const int n = model_.finished();
  const Size size = model_.size(n);
  const bool coarsest = n == 0;
  Draws d;
  d.noise = draw_noise(model_, n, size, rng_);
  if (coarsest && !model_.config.fixed_code) model_.code = rng_.normal(model_.code.shape(), model_.dtype());
  if (coarsest) d.rec_noise = code_noise(model_);
  if (crops(model_.config, size)) {
    const int64_t most = model_.config.crop;
    Window w{0, 0, std::min(size.h, most), std::min(size.w, most)};
    w.top = int64_t(rng_.uniform() * double(size.h - w.h + 1));
    w.left = int64_t(rng_.uniform() * double(size.w - w.w + 1));
    d.window = w;
  }
  d.priors = random_priors(model_, n, model_.config.critic_updates, rng_);
  for (int64_t step = 0; step < model_.config.critic_updates; ++step)
    d.mix.push_back(step_number([this] { return rng_.uniform(); }, model_.dtype()));
  SGA_CHECK((Size{level.real.dim(1), level.real.dim(2)} == size), "singan: level ", n,
            " has an image of shape ", level.real.shape());
  return d;
}

void Trainer::watch_plateau() {
  const int64_t window = model_.config.plateau / kMeasureEvery;
  if (iteration_ > decay_at_ && iteration_ - kMeasureEvery <= decay_at_) curve_.clear();
  curve_.add(losses_.g_rec, losses_.d_real - losses_.d_fake, plateau_memory(window));
  if (!on_plateau(curve_, window)) return;
  if (iteration_ <= decay_at_)
    decay_at_ = iteration_;
  else
    ended_ = true;
}

Model Trainer::preview() const {
  Model m = model_;
  if (current_ && !finished())
    m.levels.push_back(
        {current_->generator, FrozenGenerator(current_->generator), current_->noise_amp, current_->palette});
  return m;
}

bool Trainer::run(const Observer& observer) {
  while (!finished())
    if (!advance(observer)) return false;
  return true;
}

bool Trainer::advance(const Observer& observer) {
  const Config& config = model_.config;
  if (finished()) return true;
  if (!step_) step_ = std::make_unique<StepGraph>(beside_);
  if (current_ && level_done()) {
    step_->reset();
    finish_level();
  }
  if (finished()) return true;
  LevelTraining& level = current_ ? *current_ : begin_level();
  const auto iteration = [this, &level] {
    const Config& c = model_.config;
    draws_ = draw(level);
    on_device_ = train_iteration(level, c, draws_,
                                 [this, &c] { return step_decay(c.lr, c.decay, decay_at_, iteration_); });
  };
  // Windows move, so such an iteration is not the same again and again; it is large enough not to need that.
  if (crops(config, model_.size(model_.finished())))
    iteration();
  else
    step_->run(iteration);
  ++iteration_;
  const bool last = iteration_ == config.iterations;
  if (config.snapshot_every && ((iteration_ - 1) % config.snapshot_every == 0 || last)) {
    // The official code makes a picture here with the generator in training mode, which moves its
    // statistics.
    NoGrad off;
    const GeneratorInput rec = input_of(level, config, draws_.rec_noise, level.rec_prior, draws_.window);
    level.generator(rec.z, rec.prev);
  }
  const bool measured = last || iteration_ % kMeasureEvery == 0;
  if (measured) losses_ = read_back(on_device_, model_.finished(), iteration_);
  if (config.plateau && measured) watch_plateau();
  return !observer || observer({model_.finished(), levels_, iteration_, config.iterations, losses_, measured,
                                level_done()});
}

void Trainer::store(Checkpoint& checkpoint) const {
  singan::store(model_, checkpoint);
  auto& meta = checkpoint.metadata;
  meta["train.rng_seed"] = std::to_string(rng_.seed());
  meta["train.rng_counter"] = std::to_string(rng_.counter());
  meta["train.levels"] = std::to_string(levels_);
  meta["train.iteration"] = std::to_string(iteration_);
  meta["train.in_level"] = std::to_string(current_ && !finished());
  if (palette_) checkpoint.tensors["train.palette"] = palette_;
  if (!current_ || finished()) return;
  meta["train.noise_amp"] = to_text(current_->noise_amp);
  if (model_.config.plateau) {
    meta["train.decay_at"] = std::to_string(decay_at_);
    meta["train.ended"] = std::to_string(ended_);
    meta["train.curve"] = text_of(curve_);
  }
  current_->generator.net.parameters().store(checkpoint, "train.generator.");
  current_->critic.net.parameters().store(checkpoint, "train.critic.");
  current_->generator_adam.store(checkpoint, "train.generator_adam.");
  current_->critic_adam.store(checkpoint, "train.critic_adam.");
}

Trainer::Trainer(const Checkpoint& checkpoint, const Model* warm) : model_(load_model(checkpoint)) {
  start_from(warm);
  const auto whole = [&](const std::string& key) {
    return parse_int(checkpoint.meta(key), "singan checkpoint: " + key);
  };
  rng_ = Rng(parse_seed(checkpoint.meta("train.rng_seed"), "singan checkpoint: train.rng_seed"),
             parse_seed(checkpoint.meta("train.rng_counter"), "singan checkpoint: train.rng_counter"));
  iteration_ = whole("train.iteration");
  palette_ = load_palette(checkpoint, "train.palette");
  levels_ = int(whole("train.levels"));
  SGA_CHECK(levels_ >= model_.finished() && levels_ <= model_.pyramid.count(),
            "singan checkpoint: train.levels ", levels_, " is out of range");
  SGA_CHECK(iteration_ >= 0 && iteration_ <= model_.config.iterations, "singan checkpoint: iteration ",
            iteration_, " is out of range");
  if (whole("train.in_level") == 0) return;
  const int n = model_.finished();
  SGA_CHECK(n < levels_, "singan checkpoint: in training beyond the last level");
  LevelTraining& level = current_.emplace(net_options(model_, n), model_.reals[size_t(n)]);
  level.noise_amp = parse_double(checkpoint.meta("train.noise_amp"), "singan checkpoint: train.noise_amp");
  decay_at_ = model_.config.decay_at();
  if (model_.config.plateau) {
    decay_at_ = whole("train.decay_at");
    ended_ = whole("train.ended") != 0;
    curve_ = parse_curve(checkpoint.meta("train.curve"), "singan checkpoint: train.curve");
  }
  level.generator.net.parameters().load(checkpoint, "train.generator.");
  level.critic.net.parameters().load(checkpoint, "train.critic.");
  level.generator_adam.load(checkpoint, "train.generator_adam.");
  level.critic_adam.load(checkpoint, "train.critic_adam.");
  level.rec_prior = reconstruction_prior(model_, n);
  if (n + 1 == levels_) level.palette = palette_;
}

}  // namespace sga::singan
