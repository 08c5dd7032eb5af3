// ConSinGAN's two networks: stacks of 3x3 convolutions without padding and without normalisation.
#pragma once
#include <string>
#include <vector>

#include "engine/random.h"
#include "layers/parameters.h"
#include "models/singan/pyramid.h"

namespace sga::consingan {

using singan::Size;

/// k convolutions 3x3 with biases, each followed by leaky ReLU(0.05), but for the last one of a stack that
/// ends in pictures or scores.
class ConvStack {
 public:
  /// leaky   the last convolution is like the others
  /// linear  it has no activation
  /// scores  nor has it a bias: in a critic that would raise the scores of real and fake alike, so its true
  ///         gradient is zero, and Adam would turn the rounding noise of it into whole steps
  enum class End { leaky, linear, scores };

  /// channels: k + 1 numbers; convolution i takes channels[i] to channels[i + 1].
  ConvStack(const std::vector<int64_t>& channels, End end, Dtype dtype);
  /// Filters N(0,0.02), biases U(+-1/sqrt(9 C)).
  void initialise(Rng& rng);
  /// (N,H,W,channels.front()) -> (N,H-2k,W-2k,channels.back())
  Tensor operator()(Tensor x) const;

  const Parameters& parameters() const { return parameters_; }

 private:
  struct Conv {
    Tensor weight, bias;
  };
  std::vector<Conv> convs_;
  End end_;
  Parameters parameters_;
};

struct NetOptions {
  int64_t colours = 3;  ///< channels of a picture
  int64_t width = 64;   ///< channels of the features
  int64_t layers = 3;   ///< convolutions of a stage
  Dtype dtype = Dtype::f32;
};

/// colours -> width, `layers` convolutions, one score: with three layers it sees patches of 11x11. No
/// activation at the end; high is real.
ConvStack make_critic(const NetOptions& options);

/// A generator that passes features, not pictures, from level to level:
///   F_0 = stage_0(pad(up(head(pad(x)))))                x: noise, or a picture of the coarsest level
///   F_n = up(F_{n-1}) + stage_n(up'(F_{n-1}) + z_n)     z_n: noise, already scaled
///   picture = tanh(tail(pad(F_n)))
/// up is bicubic to the size of the level; up' to that plus the `layers` pixels on every side which a stage
/// eats. Enlarging over the rim, instead of padding with zeros, gives the rim of samples more variety.
/// Copies share their tensors.
class GrowingGenerator {
 public:
  /// No stage yet.
  explicit GrowingGenerator(const NetOptions& options);
  /// Stage 0, with all weights drawn.
  void initialise(Rng& rng);
  /// One more stage: a copy of the newest, or the first one, with zeros.
  void grow();
  /// Tensors of its own.
  GrowingGenerator clone() const;

  int stages() const { return int(stages_.size()); }
  const NetOptions& options() const { return options_; }

  /// x (N,h,w,colours) -> F_0 (N,h,w,width)
  Tensor begin(const Tensor& x) const;
  /// F_{n-1}, any size -> F_n (N,size.h,size.w,width). noise (N,..,..,width) of the shape that noise_shape
  /// gives, or empty.
  Tensor rise(int n, const Tensor& features, Size size, const Tensor& noise) const;
  /// Features (N,h,w,width) -> a picture (N,h,w,colours) in [-1,1].
  Tensor draw(const Tensor& features) const;
  /// Of x in begin (n = 0) and of the noise in rise.
  Shape noise_shape(int n, Size size) const;

  /// "head", "stage0", .. and "tail", with their tensors.
  struct Part {
    std::string name;
    Parameters parameters;
  };
  std::vector<Part> parts() const;

 private:
  NetOptions options_;
  ConvStack head_, tail_;
  std::vector<ConvStack> stages_;
};

}  // namespace sga::consingan
