// Differentiable operations on tensors. Every derivative is again made of these, so any order exists.
// Images are (N,H,W,C). All functions throw Error on a wrong rank, shape or dtype, naming op, rule and value.
#pragma once
#include <limits>
#include <vector>

#include "engine/autograd.h"
#include "engine/tensor.h"

namespace sga {

// ---- pointwise: same shapes, same dtype
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
/// For each list the sum of its tensors, added up from the left: all of them in one launch on a GPU. No
/// history.
std::vector<Tensor> add_parts(const std::vector<std::vector<Tensor>>& lists);
Tensor mul(const Tensor& a, const Tensor& b);
/// scale * x + shift
Tensor affine(const Tensor& x, double scale, double shift = 0);
/// alpha * a + beta * b
Tensor blend(const Tensor& a, double alpha, const Tensor& b, double beta);
/// x^exponent, for x > 0 unless the exponent is a whole number >= 2
Tensor power(const Tensor& x, double exponent);
/// x > 0 ? x : slope * x; slope 0 is ReLU
Tensor leaky_relu(const Tensor& x, double slope);
/// x > 0 ? g : slope * g; linear in g, no gradient by x. The derivative of leaky_relu, with x its input or
/// its output.
Tensor gate(const Tensor& g, const Tensor& x, double slope);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
/// |x|, with derivative sign(x) and sign(0) = 0
Tensor abs(const Tensor& x);
/// x without its fraction; its derivative is 0.
Tensor truncate(const Tensor& x);
/// sign(x) * g; linear in g, no gradient by x
Tensor sign_gate(const Tensor& g, const Tensor& x);
/// min(max(x, low), high); derivative 1 strictly inside, else 0
Tensor clamp(const Tensor& x, double low, double high);

// ---- shape, broadcast and sums: linear maps in pairs
/// Same elements in the same order under another shape.
Tensor reshape(const Tensor& x, const Shape& shape);
/// Repeats axes of extent 1 to `shape` (same rank).
Tensor expand(const Tensor& x, const Shape& shape);
/// Sums axes down to extent 1 where `shape` says so (same rank): the transpose of expand. Deterministic
/// order.
Tensor sum_to(const Tensor& x, const Shape& shape);
/// Scalar of shape (1).
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);
/// A constant of x's dtype and shape.
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);

/// Zero padding of the two image axes; negative amounts crop.
struct Border {
  int64_t top = 0, bottom = 0, left = 0, right = 0;
};
inline Border all_sides(int64_t n) { return {n, n, n, n}; }
Tensor pad(const Tensor& x, Border border);
/// h x w pixels from row `top`, column `left`.
Tensor crop(const Tensor& x, int64_t top, int64_t left, int64_t h, int64_t w);
/// Mirror padding without repeating the edge pixel; n < H, n < W.
Tensor pad_reflect(const Tensor& x, int64_t n);
/// Joins along `axis` (any axis; the last is channels, 0 the batch).
Tensor concat(const std::vector<Tensor>& parts, int axis);
/// Entries [begin, begin + count) of `axis`.
Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t count);

// ---- convolution: three bilinear maps closed under differentiation
struct ConvGeometry {
  int64_t stride = 1;
  int64_t pad = 0;  ///< zeros on every side
};
/// y[n,p,q,k] = sum_{r,s,c} x[n, p*stride+r-pad, q*stride+s-pad, c] * w[k,r,s,c]
/// x (N,H,W,C), w (K,R,S,C) -> (N, (H+2*pad-R)/stride+1, (W+2*pad-S)/stride+1, K)
Tensor conv(const Tensor& x, const Tensor& w, ConvGeometry geometry = {});
/// leaky_relu(conv(x, w) + b, slope) in one pass; b (K) or empty; slope > 0, 1 means no activation.
Tensor conv_bias_act(const Tensor& x, const Tensor& w, const Tensor& b, ConvGeometry geometry,
                     double slope = 1);
/// The derivative of conv by x, given gy of y's shape: also the transposed convolution. h, w: extents of x.
Tensor conv_dx(const Tensor& gy, const Tensor& w, ConvGeometry geometry, int64_t h, int64_t wd);
/// The derivative of conv by w: (K,r,s,C).
Tensor conv_dw(const Tensor& x, const Tensor& gy, ConvGeometry geometry, int64_t r, int64_t s);
/// a (M,K) times b (K,N); `ta`, `tb` read the operand transposed.
Tensor matmul(const Tensor& a, const Tensor& b, bool ta = false, bool tb = false);

// ---- normalisation
struct NormResult {
  Tensor y;
  Tensor mean, rstd;  ///< (N,C) statistics of this call, no history; rstd = 1 / sqrt(var + eps)
};
/// Instance normalisation with a fused leaky ReLU: every channel of every image is shifted and scaled to mean
/// 0, variance 1.
///   y = leaky_relu(gamma * (x - mean) / sqrt(var + eps) + beta, slope)         var is biased (1/HW)
/// x            (N,H,W,C), H*W >= 2
/// gamma, beta  (C), or (N,C) for one pair an image, or both empty
/// slope        1 means no activation, 0 is ReLU
/// Derivatives  first and second: fused kernels
/// Source       Ulyanov et al. 2016, arXiv:1607.08022. Batch normalisation with N = 1 is the same map.
NormResult instance_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps = 1e-5,
                         double slope = 1);
/// Moves running statistics (C) towards those of a norm over `pixels`, image after image, in place:
///   running_mean += momentum * (mean - running_mean), running_var likewise, with the unbiased variance
void track_statistics(const NormResult& norm, int64_t pixels, double eps, double momentum,
                      const Tensor& running_mean, const Tensor& running_var);

// ---- resize
/// One axis of a separable linear map, rows in compressed form: out[o] = sum_k weight[k] * in[index[k]], k in
/// [first[o], first[o+1]).
struct Taps {
  int64_t n_in = 0, n_out = 0;
  std::vector<int32_t> first, index;
  std::vector<double> weight;
  double growth = 1;  ///< n_out / n_in; of the whole map where this is a part of one
  Taps transposed() const;
  /// Half-open.
  struct Range {
    int64_t begin = 0, end = 0;
    int64_t size() const { return end - begin; }
  };
  /// The inputs that outputs `out` are made of.
  Range inputs_of(Range out) const;
  /// Outputs `out` from inputs `in`, which must hold inputs_of(out).
  Taps part(Range in, Range out) const;
};
/// Nearest neighbour by a whole factor.
Taps nearest_taps(int64_t n_in, int64_t factor);
/// Keys bicubic (a = -0.5) of size n_in -> n_out at `scale`; antialiased if `antialias` (kernel stretched by
/// 1/scale). The right edge mirrors with the edge pixel repeated. The left edge does the same, or, with
/// one_sided_left, drops the taps before 0 and renormalises, as the official SinGAN does.
Taps bicubic_taps(int64_t n_in, int64_t n_out, double scale, bool antialias, bool one_sided_left);
/// Applies `rows` to H and `columns` to W, first the one that grows less, rows if both grow alike. x
/// (N,H,W,C) -> (N, rows.n_out, columns.n_out, C)
Tensor resize(const Tensor& x, const Taps& rows, const Taps& columns);

// ---- patches: not differentiated
/// How patches are exchanged for their nearest neighbours.
struct PatchSearch {
  int64_t side = 7;  ///< of a patch, pixels: 1 to 15
  /// Completeness: the smaller, the more every patch of the keys is wanted somewhere. Infinity switches it
  /// off.
  double alpha = std::numeric_limits<double>::infinity();
  int rounds = 1;
  /// On the CPU, 0 or how many leaves of 16 patches of the keys each patch is compared with at most: 0 is
  /// exact and takes time quadratic in the pixels of a textured picture, 32 hardly differs. A GPU is always
  /// exact.
  int64_t leaves = 0;
};
/// The picture in which every patch of `guess` has been replaced by a patch of `values`: the one in the place
/// of
///   argmin_k d(q,k) / (alpha + min_p d(p,k)),   d(q,k) the mean squared difference of patch q of the picture
///                                               and patch k of `keys`, p all patches of the picture
/// Where patches overlap their mean is taken, weighted by a Gaussian. Then again, `rounds` times in all. The
/// lower patch is taken where two are equally near.
/// guess (1,H,W,C); keys, values (1,h,w,C), alike; all sides at least `side`. -> (1,H,W,C)
/// Source       Granot et al. 2022, arXiv:2103.15545, the PNN module.
Tensor exchange_patches(const Tensor& guess, const Tensor& keys, const Tensor& values,
                        const PatchSearch& search);

// ---- losses and fused pieces of the models
/// mean((a-b)^2), mean(|a-b|): scalars of shape (1)
Tensor mse(const Tensor& a, const Tensor& b);
Tensor l1(const Tensor& a, const Tensor& b);
/// GANimation's output: a * x + (1 - a) * c. a (N,H,W,1); x, c (N,H,W,C)
Tensor attention_composite(const Tensor& a, const Tensor& x, const Tensor& c);
/// Total variation summed over everything: sum |down neighbour - pixel| + sum |right neighbour - pixel|
/// (or squared differences).
enum class Variation { absolute, squared };
Tensor total_variation(const Tensor& x, Variation kind = Variation::absolute);
/// WGAN-GP on an input gradient g (N,H,W,C): mean of (||.|| - 1)^2 over pixels (norm over the C channels,
/// SinGAN) or over samples (norm over H,W,C, GANimation). ||.|| = sqrt(sum of squares + eps).
enum class NormOver { channels, sample };
Tensor gradient_penalty(const Tensor& g, NormOver over, double eps = 0);

}  // namespace sga
