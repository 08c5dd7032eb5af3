// Training a ConSinGAN: the generator grows by a stage a level.
#pragma once
#include <memory>
#include <optional>

#include "models/consingan/model.h"
#include "models/singan/training.h"

namespace sga::consingan {

/// The level in training: that of the generator's newest stage.
struct LevelTraining {
  /// noise_amp: of all levels up to this one.
  LevelTraining(const Model& model, const GrowingGenerator& grown, const ConvStack& critic_of_below,
                const std::vector<double>& noise_amp);

  /// A part of the generator that learns, at `factor` times the rate.
  struct Learning {
    std::string name;
    Parameters parameters;
    Adam adam;
    double factor;
  };

  GrowingGenerator generator;
  ConvStack critic;
  int level;
  int first;  ///< the lowest stage that learns
  std::vector<Learning> learning;
  Adam critic_adam;
  std::vector<double> noise_amp;  ///< of levels 0..level
  std::vector<Size> sizes;        ///< of levels 0..level
  Tensor real;                    ///< (1,H,W,C)
  Tensor
      rec_input;  ///< what stage `first` takes for the reconstruction: the picture at level 0, else features
  std::vector<Tensor> rec_noise;  ///< of levels first..level, scaled; empty at level 0
};

/// Everything random in one iteration.
struct Draws {
  std::vector<Tensor> noise;  ///< of each level, standard normal
  std::vector<Tensor> mix;    ///< (1): weight of the real image in the penalty, for each critic step
};

/// One fake; critic steps on it; one gradient of the generator, Adam applied with it `generator_updates`
/// times.
///   critic     -mean D(real) + mean D(fake) + penalty_weight * gradient penalty
///   generator  -mean D(fake) + reconstruction_weight * MSE(G(rec), real)
/// At level n, stage i learns at lr * lr_scale^(n-i) if i > n - concurrent; the head as stage 0; the tail at
/// lr. `lr` is asked at each Adam step, also when a captured iteration (StepGraph) is replayed.
singan::LossesOf<Tensor> train_iteration(LevelTraining& level, const Config& config, const Draws& draws,
                                         const std::function<double()>& lr);

/// As singan::Trainer: can be stored and resumed between any two iterations, with the same bytes in the end.
class Trainer {
 public:
  /// picture (1,H,W,C) in [-1,1].
  Trainer(const Config& config, const Tensor& picture);
  explicit Trainer(const Checkpoint& checkpoint);

  /// Trains from where it stands. True when all levels are finished, false when the observer stopped it.
  /// Error naming level, iteration and term when a loss is not finite.
  bool run(const singan::Observer& observer = {});
  /// As of singan::Trainer.
  bool advance(const singan::Observer& observer = {});
  void run_beside_others() { beside_ = true; }
  void store(Checkpoint& checkpoint) const;

  /// As it was when its last level was finished.
  const Model& model() const { return model_; }
  /// The model with the level in training, as it is now, as its last: for pictures on the way. Shares tensors
  /// with the training; using it changes nothing there.
  Model preview() const;
  bool finished() const { return model_.finished() == model_.pyramid.count(); }
  /// Iterations done in the level in training.
  int64_t iteration() const { return iteration_; }

 private:
  LevelTraining& begin_level();
  void finish_level();
  Draws draw();

  Model model_;
  Rng rng_;
  int64_t iteration_ = 0;
  singan::Losses losses_;
  std::optional<LevelTraining> current_;  // none before the first level
  bool beside_ = false;
  // One captured iteration for each level: all of its draws, critic and generator steps.
  std::unique_ptr<StepGraph> step_;
  Draws draws_;
  singan::LossesOf<Tensor> on_device_;
};

}  // namespace sga::consingan
