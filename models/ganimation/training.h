// Training GANimation: the two critic steps, the generator step, and everything needed to stop and go on.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/step_graph.h"
#include "models/ganimation/networks.h"
#include "optim/adam.h"

namespace sga::ganimation {

/// Weights of the loss terms; every term is a mean over the batch unless said otherwise.
struct LossWeights {
  double penalty = 10;  ///< mean over samples of (|gradient of the summed realism map by the image| - 1)^2
  double aus =
      160;  ///< mean squared error of the 17 action units. The official 4000 / batch at its batch of 25.
  /// Above `aus`: what their weight starts at, falling along a line to `aus` in the first third of the
  /// iterations. 0: it is `aus` throughout.
  double aus_start = 0;
  double cycle = 10;     ///< mean |x - there and back|
  double mask = 0.1;     ///< mean attention, both passes. Higher means more is painted.
  double smooth = 1e-5;  ///< total variation of the attention summed over the batch, both passes
  double identity = 0;   ///< mean |x - G(x, own action units)|; above 0 costs a third generator pass
  bool mask_root =
      false;  ///< the mask's term is the root of the sum of A^2 over a sample, as the paper prints
  Variation variation = Variation::absolute;  ///< the paper and the thesis print squared differences
};

/// Where the mean attention a of each sample shall lie, over the middle of the picture: without a sixth of
/// the side above and below and a quarter left and right. Over the whole picture the band is kept where it
/// costs least, by repainting dark hair and background (measured). A weight of the plain mean that follows
/// the attention up and down does not hold it: the sigmoid is flat at either end, and by the time the weight
/// counts the network copies or paints everything (measured).
struct AttentionBand {
  double low = 0, high = 1;
  bool active() const { return low > 0 || high < 1; }
};
constexpr double kBandWeight = 100;
/// What attention (N,S,S,1) outside the band costs:
///   kBandWeight * mean over the samples of max(0, a - high)^2 + max(0, low - a)^2.
Tensor band_penalty(const Tensor& attention, const AttentionBand& band);

/// How the rate falls after the constant epochs.
///   official   by 1/decay_epochs of itself after each epoch, from constant + 2 on: never 0
///   thesis     linearly to 0 in the last epoch, from constant + 1 on
///   replicate  the same over one epoch more, from constant on
enum class Decay { official, thesis, replicate };

struct TrainingConfig {
  GeneratorConfig generator;
  DiscriminatorConfig discriminator;
  LossWeights weights;
  int64_t batch = 25;
  int64_t critic_steps = 5;           ///< iterations a generator update; the critic learns in every iteration
  bool separate_penalty_step = true;  ///< the official way: a second Adam step for the penalty alone
  double lr_generator = 1e-4, lr_critic = 1e-4;
  AdamOptions adam{.eps_before_correction = true};  ///< as PyTorch did when the official model was trained
  /// The rate is constant for `constant_epochs` + 1 epochs and then falls by 1 / decay_epochs of itself after
  /// each.
  int64_t epoch_iterations = 1;
  int64_t constant_epochs = 20, decay_epochs = 10;
  /// Iterations in all; the epochs then divide them as evenly as whole numbers can. 0: epoch_iterations each.
  int64_t steps = 0;
  Decay decay = Decay::official;
  AttentionBand band;
  int64_t shift = 0;     ///< pixels a face may be moved by in each direction, its edge repeated
  double balance = 0;    ///< share of faces drawn for an action unit they show; see BatchSampler
  bool shuffle = false;  ///< every face once an epoch instead of drawn with replacement; see BatchLoader
  double average = 0;    ///< decay of the running average of the generator's weights; 0 keeps none
  uint64_t seed = 0;

  int64_t epochs() const { return constant_epochs + decay_epochs; }
  int64_t iterations() const { return steps > 0 ? steps : epoch_iterations * epochs(); }
  /// 0-based epoch of a 0-based iteration, and its first iteration.
  int64_t epoch_of(int64_t iteration) const { return iteration * epochs() / iterations(); }
  int64_t epoch_begin(int64_t epoch) const { return (epoch * iterations() + epochs() - 1) / epochs(); }
};

/// Recipes by name:
///   official  the published code with its defects repaired: eps in the penalty's norm, an action unit
///             weight that does not depend on the batch, the learning rate kept on resume. Batch 25, five
///             critic steps.
///   paper     the losses as the paper prints them, read literally: sums where the code has means, the
///             attention's root of squares, squared differences. For comparison; see docs/ganimation.md.
///   replicate the widely used re-implementation: one Adam step, no mask and smoothness terms, norms without
///             scale and shift, every face once an epoch, rate down to 0.
///   thesis    official with squared differences and the rate falling linearly to 0.
///   small     for faces of 64..96 px and hours instead of days: FiLM conditioning, 2 critic steps, one Adam
///             step for critic and penalty together, higher rates, averaged weights, balanced draws.
///   improved  small with relative units, an AU weight that starts high and falls, resize-convolutions, an
///             identity loss, moved faces and attention held in a band.
/// For faces of `size` pixels, 0: 128, but 64 for small and improved. Counts of the result may then be
/// changed. Error on another name.
TrainingConfig recipe(const std::string& name, int64_t size = 0);

/// Factor of the learning rate in a 1-based epoch. official: 1 through epoch constant + 1, then down to 1 /
/// decay in the last.
double rate_factor(int64_t epoch, int64_t constant_epochs, int64_t decay_epochs,
                   Decay decay = Decay::official);

/// One batch. Action units are OpenFace's intensities / 5.
struct Batch {
  Tensor images;      ///< (N,S,S,3) in [-1,1]
  Tensor source_aus;  ///< (N,aus) of these faces
  Tensor target_aus;  ///< (N,aus) of other faces, plus U(-0.1,0.1) each
};

/// What one iteration measured. Terms carry their weight: the sums are the losses.
struct Losses {
  int64_t iteration = 0;                ///< 1-based
  std::map<std::string, double> terms;  ///< d_real d_fake d_aus d_penalty; g_* when the generator learned too
  double attention = 0;                 ///< mean attention of the fake
  double learning_rate = 0;             ///< of the generator
};

/// Attention beyond these means the model copies its input, or ignores it.
constexpr double kAttentionCopies = 0.98, kAttentionPaints = 0.05;

class Trainer {
 public:
  /// Fresh networks drawn from the seed.
  explicit Trainer(const TrainingConfig& config, Dtype dtype = Dtype::f32);

  /// One iteration on the batch, in the official order:
  ///   1. fake = G(x, y_target); D: -mean realism(x) + mean realism(fake) + weight * MSE(aus(x), y_source);
  ///   Adam
  ///   2. penalty of the updated D on a random mix of x and fake; Adam again (same state, so that heads and
  ///   biases,
  ///      whose gradient is zero here, go on moving with their momentum). With separate_penalty_step off, 1
  ///      and 2 share one Adam step.
  ///   3. every critic_steps iterations G learns on the same batch from the updated D; the fake of 1 is
  ///   reused.
  /// `mix` (N,1,1,1) fixes the penalty's mix; by default it is drawn.
  void step(const Batch& batch, const Tensor& mix = {});

  /// Losses of the last step, read from the device; Error naming iteration and term if one is not finite.
  Losses losses() const;
  /// Iterations done.
  int64_t iteration() const { return iteration_; }
  int64_t generator_updates() const { return adam_g_.steps(); }
  /// Source of all randomness of this run: draw batches from it too, so that a resumed run repeats them.
  Rng& rng() { return rng_; }

  const TrainingConfig& config() const { return config_; }
  Generator& generator() { return generator_; }
  const Generator& generator() const { return generator_; }
  /// What to use and ship: the averaged generator if there is one.
  Generator& best_generator() { return config_.average > 0 ? average_ : generator_; }
  Discriminator& discriminator() { return discriminator_; }
  const Discriminator& discriminator() const { return discriminator_; }

  /// Everything that decides the rest of the run: weights, averages, Adam, iteration, random state.
  void store(Checkpoint& checkpoint) const;
  /// Error if the checkpoint belongs to another configuration.
  void load(const Checkpoint& checkpoint);

 private:
  // What one captured iteration leaves: the critic's alone, or both networks'.
  struct Step {
    StepGraph graph;
    std::map<std::string, Tensor> terms;
    Tensor attention;
  };

  double rate() const;
  double au_weight() const;
  Tensor weighted_aus(const Tensor& read, const Tensor& wanted) const;
  void learn(Step& step, const Batch& batch, const Tensor& mix, bool generator_learns);
  void learn_generator(Step& step, const Batch& batch, const GeneratorOutput& first, const Tensor& fake);
  void update_average();

  TrainingConfig config_;
  Rng rng_;
  Generator generator_, average_;
  Discriminator discriminator_;
  Adam adam_g_, adam_d_;
  int64_t iteration_ = 0;
  Step steps_[2];  // by whether the generator learns
  Step* last_ = nullptr;
  Batch input_;  // what captured iterations read
};

}  // namespace sga::ganimation
