// GANimation's two networks: a generator that repaints a face for given action units, and a critic that also
// reads the action units off a face.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/ops.h"
#include "engine/random.h"
#include "layers/parameters.h"

namespace sga::ganimation {

/// How the action units y reach the generator.
///   tiled  as constant planes beside the image at the stem (the official model). Instance normalisation
///          removes what a constant plane adds, except where zero padding truncates the filter: the effect
///          fades with size.
///   film   every instance norm's scale and shift are learned affine functions of y; works at any size.
///   bottleneck  as constant planes beside the map of a quarter of the size, before the first residual block.
///          Instance normalisation removes them as it does at the stem. For comparison.
enum class Conditioning { tiled, film, bottleneck };
/// What y is: the action units asked for (the official model), or their difference to those the face shows,
/// where 0 is the identity (Ling et al., ECCV 2020).
enum class Units { absolute, relative };
/// Padding of the 7x7 stem. `reflect` exists to show that the tiled condition then has no effect at all.
enum class StemPadding { zero, reflect };
/// How a map doubles: transposed convolution 4/2/1 (official), or nearest neighbour and a 3x3 convolution.
enum class Upsample { transposed, resize };

struct GeneratorConfig {
  int64_t size = 128;     ///< side of the square image, a multiple of 4
  int64_t conv_dim = 64;  ///< channels after the stem; 4x as many in the residual blocks
  int64_t blocks = 6;     ///< residual blocks
  int64_t aus = 17;
  Conditioning conditioning = Conditioning::tiled;
  Units units = Units::absolute;
  StemPadding stem_padding = StemPadding::zero;
  Upsample upsample = Upsample::transposed;
  bool affine = true;  ///< instance norms have a learned scale and shift; without, they stay 1 and 0
};

struct DiscriminatorConfig {
  int64_t size = 128;  ///< a power of two times 2, at least 8: halved until 2x2 is left
  int64_t conv_dim = 64;
  int64_t aus = 17;
};

struct GeneratorOutput {
  Tensor colour;     ///< (N,S,S,3) in (-1,1)
  Tensor attention;  ///< (N,S,S,1) in (0,1); 1 keeps the photo, 0 paints the colour
};

/// conv 7/1/3, conv 4/2/1, conv 4/2/1, residual blocks, two doublings, two heads conv 7/1/3 (tanh and
/// sigmoid). No biases; after every convolution but the heads instance norm with scale and shift, and ReLU
/// (not after the second norm of a block, nor after its sum). Initial weights N(0, 0.02), scales 1, shifts 0;
/// FiLM's linear part N(0, 0.02). Source: Pumarola et al. 2018, arXiv:1807.09251, and the behaviour of its
/// published code.
class Generator {
 public:
  Generator(const GeneratorConfig& config, Rng& rng, Dtype dtype = Dtype::f32);

  /// x (N,S,S,3) in [-1,1]; y (N,aus), intensities where 1 is FACS grade E. Any S that is a multiple of 4
  /// works; the size in the config is the one trained for.
  GeneratorOutput forward(const Tensor& x, const Tensor& y) const;
  /// forward of a face that shows the action units `shown` (N,aus) towards `wanted` (N,aus): y is `wanted`,
  /// or wanted - shown for relative units.
  GeneratorOutput repaint(const Tensor& x, const Tensor& wanted, const Tensor& shown) const;

  const GeneratorConfig& config() const { return config_; }
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }

 private:
  struct Layer {
    Tensor w, gamma, beta;
    Tensor film;  ///< (aus, 2K): what y adds to gamma, then to beta; empty when tiled
  };
  Layer add_layer(const std::string& name, const Shape& filter, int64_t channels, Rng& rng, Dtype dtype);
  Tensor norm(const Tensor& x, const Layer& layer, const Tensor& y, double slope) const;
  Tensor doubled(const Tensor& x, const Layer& layer, const Tensor& y) const;
  Tensor beside_planes(const Tensor& x, const Tensor& y) const;

  GeneratorConfig config_;
  Parameters parameters_;
  Layer stem_, down1_, down2_, up1_, up2_;
  std::vector<Layer> blocks_;  ///< two a block
  Tensor colour_, attention_;
};

/// a * x + (1 - a) * c
Tensor composite(const GeneratorOutput& g, const Tensor& x);

struct DiscriminatorOutput {
  Tensor realism;  ///< (N,2,2,1), unbounded
  Tensor aus;      ///< (N,aus), unbounded
};

/// Convolutions 4/2/1 with bias and LeakyReLU 0.01 down to 2x2, channels doubling; no normalisation, so that
/// samples stay independent under the gradient penalty. Two heads without bias: 3x3 for realism, 2x2 for the
/// action units.
class Discriminator {
 public:
  Discriminator(const DiscriminatorConfig& config, Rng& rng, Dtype dtype = Dtype::f32);

  /// x (N,S,S,3) -> (N,2,2,C), what both heads read.
  Tensor features(const Tensor& x) const;
  Tensor realism(const Tensor& features) const;
  Tensor aus(const Tensor& features) const;
  DiscriminatorOutput forward(const Tensor& x) const;

  const DiscriminatorConfig& config() const { return config_; }
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }

 private:
  DiscriminatorConfig config_;
  Parameters parameters_;
  std::vector<Tensor> weights_, biases_;
  Tensor realism_, aus_;
};

/// tiled, film or bottleneck
std::string name_of(Conditioning conditioning);

/// The configs as text for checkpoints ("size" -> "128", ...) and back; Error naming a key that is missing or
/// a value out of range.
void store(const GeneratorConfig& config, std::map<std::string, std::string>& metadata,
           const std::string& prefix);
void store(const DiscriminatorConfig& config, std::map<std::string, std::string>& metadata,
           const std::string& prefix);
GeneratorConfig generator_config(const Checkpoint& checkpoint, const std::string& prefix);
DiscriminatorConfig discriminator_config(const Checkpoint& checkpoint, const std::string& prefix);

}  // namespace sga::ganimation
