// Training a SinGAN, level after level.
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "engine/step_graph.h"
#include "models/singan/losses.h"
#include "models/singan/model.h"
#include "models/singan/plateau.h"
#include "optim/adam.h"

namespace sga::singan {

/// The level in training. Copies share their tensors.
struct LevelTraining {
  LevelTraining(const NetOptions& options, const Tensor& real_image)
      : generator(options),
        critic(options),
        generator_adam(generator.net.parameters()),
        critic_adam(critic.net.parameters()),
        real(real_image) {}

  Generator generator;
  Critic critic;
  Adam generator_adam, critic_adam;
  Tensor real;       ///< (1,H,W,C)
  Tensor rec_prior;  ///< (1,H,W,C), constant over the level
  Tensor palette;    ///< (K,C): the colours that priors are reduced to, for painting; else empty
  double noise_amp = 1;
};

/// Everything random in one iteration.
struct Draws {
  Tensor noise;      ///< (1,H,W,C), the same for every step; H, W of noise_size
  Tensor rec_noise;  ///< of its shape: z* at level 0, empty above
  Tensor priors;     ///< (critic_updates,H,W,C): one for each critic step
  std::vector<Tensor>
      mix;  ///< (1): weight of the real image in the gradient penalty, in [0,1), for each critic step
  std::optional<Window> window{};  ///< what is trained on of the level (Config::crop); all of it if empty
};

/// Critic steps, then generator steps (spec A.6).
///   critic     -mean D(real) + mean D(fake) + penalty_weight * gradient penalty
///   generator  -mean D(fake) + reconstruction_weight * MSE(G(rec), real)
/// `lr` is asked at each Adam step, also when a captured iteration (StepGraph) is replayed.
LossesOf<Tensor> train_iteration(LevelTraining& level, const Config& config, const Draws& draws,
                                 const std::function<double()>& lr);

struct Progress {
  int level = 0, levels = 0;
  int64_t iteration = 0, iterations = 0;  ///< iterations done in this level, of how many
  Losses losses;                          ///< as last read back
  bool measured = false;                  ///< true if they are of this iteration
  bool level_done = false;                ///< this was its last, be it for Config::plateau
};
/// Called after every iteration; false stops the training there.
using Observer = std::function<bool(const Progress&)>;

/// A training that can be stored and resumed between any two iterations, with the same bytes in the end as
/// without a stop.
class Trainer {
 public:
  /// picture (1,H,W,C) in [-1,1]. Levels of `warm` with as many hidden channels are the first weights of the
  /// generators here, and its z* is taken where it fits. Error if its pictures have other channels.
  Trainer(const Config& config, const Tensor& picture, const Model* warm = nullptr);
  /// `warm` as before the stop.
  explicit Trainer(const Checkpoint& checkpoint, const Model* warm = nullptr);
  /// One level of a trained model again, from fresh weights, on priors reduced to the colours of `palette`
  /// (spec A.10): to_palette, or with the official preset to_palette_of_runs. The model ends with that level.
  Trainer(const Model& model, int level, const Tensor& palette);

  /// Trains from where it stands. True when all levels are finished, false when the observer stopped it.
  /// Error naming level, iteration and term when a loss is not finite.
  bool run(const Observer& observer = {});
  /// One iteration of run; false when the observer stopped it there. Nothing if all levels are finished.
  bool advance(const Observer& observer = {});
  /// To be called before the first iteration: on a GPU, iterations then run at the same time as those of
  /// other such trainers that take turns in advance(). Same result.
  void run_beside_others() { beside_ = true; }
  void store(Checkpoint& checkpoint) const;

  const Model& model() const { return model_; }
  /// The model with the level in training, as it is now, as its last: for pictures on the way. Making it and
  /// using it changes nothing in the training, neither its random numbers nor the running statistics.
  Model preview() const;
  bool finished() const { return model_.finished() == levels_; }
  /// Iterations done in the level in training.
  int64_t iteration() const { return iteration_; }

 private:
  void start_from(const Model* warm);
  LevelTraining& begin_level();
  void finish_level();
  Draws draw(const LevelTraining& level);
  void watch_plateau();
  bool level_done() const { return ended_ || iteration_ == model_.config.iterations; }

  Model model_;
  std::vector<Level> warm_;  // to start from
  Rng rng_;
  int levels_ = 0;  // to be trained, those of a model given included
  Tensor palette_;  // of the last of them; empty but for painting
  int64_t iteration_ = 0;
  int64_t decay_at_ = 0;  // iteration at which the rate falls in this level
  bool ended_ = false;    // the level, by its second plateau
  LearningCurve curve_;   // since the rate changed; kept for Config::plateau alone
  Losses losses_;
  std::optional<LevelTraining> current_;  // none before the first and after the last level
  bool beside_ = false;
  // One captured iteration for each level: all of its draws, critic and generator steps.
  std::unique_ptr<StepGraph> step_;
  Draws draws_;
  LossesOf<Tensor> on_device_;
};

}  // namespace sga::singan
