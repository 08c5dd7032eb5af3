// SinGAN's two networks: five 3x3 convolutions without padding; the receptive field is 11x11.
#pragma once
#include <array>

#include "engine/random.h"
#include "layers/parameters.h"

namespace sga::singan {

/// Pixels a network eats on every side: inputs of a generator are zero-padded by this once, before the first
/// conv.
constexpr int64_t kBorder = 5;

/// Hidden channels of level n: min(base * 2^floor(n/4), 4 * base); base 32 gives 32, 64, then 128.
int64_t channels_at(int level, int64_t base = 32);

/// Hidden channels of the four blocks: one number for all (the default networks), or one for each.
struct Widths {
  Widths(int64_t all) : of{all, all, all, all} {}
  Widths(const std::array<int64_t, 4>& each) : of(each) {}
  bool operator==(const Widths&) const = default;
  std::array<int64_t, 4> of;
};

struct NetOptions {
  int64_t in_channels = 3, out_channels = 3;
  Widths width = 32;
  /// Biases before a normalisation change nothing and have gradient zero, and so has the critic's last bias,
  /// as it raises the scores of real and fake alike. In float, Adam would turn the rounding noise of such
  /// gradients into whole steps. Kept for parity with the official weights only.
  bool keep_bias = false;
  bool head_bias = true;
  Dtype dtype = Dtype::f32;
};

/// conv 3x3 + normalisation + leaky ReLU(0.2), four times; then conv 3x3. Batch normalisation at
/// batch 1 is instance normalisation, so statistics are taken per image and real and fake may share a batch.
class PatchNet {
 public:
  struct Block {
    Tensor weight, bias, gamma, beta;  ///< (K,3,3,C), (K) or empty, (K), (K)
    Tensor mean, var;                  ///< (K) running statistics, used by FrozenGenerator
  };

  explicit PatchNet(const NetOptions& options);
  /// Official initialisation: conv N(0,0.02), conv bias U(+-1/sqrt(9 C)), gamma N(1,0.02), beta 0; statistics
  /// (0,1).
  void initialise(Rng& rng);
  /// x (N,H,W,in) -> (N,H-10,W-10,out).
  Tensor forward(const Tensor& x) const;
  /// The same, and the running statistics take in each image in order: momentum 0.1, unbiased variance.
  Tensor forward_and_track(const Tensor& x);

  const NetOptions& options() const { return options_; }
  const std::array<Block, 4>& blocks() const { return blocks_; }
  const Tensor& head_weight() const { return head_weight_; }
  const Tensor& head_bias() const { return head_bias_; }
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }

 private:
  template <class OnStatistics>
  Tensor run(Tensor x, OnStatistics&& on_statistics) const;

  NetOptions options_;
  Parameters parameters_;
  std::array<Block, 4> blocks_;
  Tensor head_weight_, head_bias_;
};

/// y = tanh(net(z)) + centre crop of prev; not clamped.
class Generator {
 public:
  explicit Generator(const NetOptions& options) : net(options) {}
  /// Training mode: normalises by the statistics of the image and updates the running ones.
  /// z, prev (N,H+10,W+10,C) -> (N,H,W,C)
  Tensor operator()(const Tensor& z, const Tensor& prev);

  PatchNet net;
};

/// Score map (N,H-10,W-10,1), no activation; high is real. Only differences of scores mean anything.
class Critic {
 public:
  explicit Critic(NetOptions options) : net(critic_options(options)) {}
  Tensor operator()(const Tensor& x) const { return net.forward(x); }

  PatchNet net;

 private:
  static NetOptions critic_options(NetOptions options) {
    options.out_channels = 1;
    options.head_bias = options.keep_bias;
    return options;
  }
};

/// What a finished generator normalises with: the running statistics of its training, or the statistics of
/// the picture at hand, as in training.
enum class FrozenNorm { running, instance };

/// A finished generator, for priors and sampling. For `running` the normalisation is folded into weights and
/// biases once.
class FrozenGenerator {
 public:
  explicit FrozenGenerator(const Generator& generator);
  /// z, prev (N,H+10,W+10,C) -> (N,H,W,C); records no graph.
  Tensor operator()(const Tensor& z, const Tensor& prev, FrozenNorm norm = FrozenNorm::running) const;

 private:
  struct Folded {
    Tensor weight, bias;
  };
  PatchNet net_;  // shares its tensors with the generator
  std::vector<Folded> folded_;
};

}  // namespace sga::singan
