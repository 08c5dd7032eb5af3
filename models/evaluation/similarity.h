// How alike two pictures of one size are, pixel by pixel and window by window.
#pragma once
#include "engine/tensor.h"

namespace sga::evaluation {

struct Similarity {
  double rmse = 0;  ///< root of the mean squared difference of all values, in 8-bit levels (0..255)
  double psnr = 0;  ///< 20 log10(255 / rmse) in dB; infinite if the pictures are equal
  double ssim = 0;  ///< 1 for equal pictures
};
/// a, b (1,H,W,C) in [0,1], of one shape, at least 11 pixels on each side.
///   ssim  ((2 ma mb + c1)(2 cov + c2)) / ((ma^2 + mb^2 + c1)(va + vb + c2)), mean over channels and all
///         11x11 windows inside the picture; Gaussian weights of sigma 1.5, c1 = 0.01^2, c2 = 0.03^2
/// Errors naming both sizes.
/// Source  Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity".
Similarity similarity(const Tensor& a, const Tensor& b);

}  // namespace sga::evaluation
