// Masks: where a picture may change. Images of one channel; 1 means it may, 0 that it may not.
#pragma once
#include "engine/image.h"

namespace sga {

/// 1 where grey >= at, else 0.
Image threshold(const Image& grey, float at);
/// 1 wherever a 1 lies within `radius` pixels (a disk: dx^2 + dy^2 <= radius^2). Beyond the border is 0.
Image dilate(const Image& mask, int64_t radius);
/// 1 where no 0 lies within `radius` pixels. Beyond the border is 1, so that it takes nothing away there.
Image erode(const Image& mask, int64_t radius);
/// Gaussian of `sigma` pixels, cut at 4 sigma, the border repeated; sigma 0 changes nothing.
Image blur(const Image& image, double sigma);
/// Blurred, then stretched to 0..1 (spec A.10). Error if the mask is the same everywhere.
Image feather(const Image& mask, double sigma);
/// Mean of the pixels: of a hard mask, the share that is 1.
double share(const Image& mask);
/// mask * inside + (1 - mask) * outside; all of one size, inside and outside of the same channels.
Image composite(const Image& mask, const Image& inside, const Image& outside);

/// Where two pictures of one size differ by more than their noise. The largest difference over the channels,
/// blurred by 1 px, is compared with its median + 6 robust standard deviations (1.4826 * median absolute
/// deviation), but with at least 0.06 and at most 0.25; then opened by 1 px and closed by 3.
struct Difference {
  Image mask;
  float threshold = 0;
};
Difference difference(const Image& a, const Image& b);
/// Mean absolute difference of two pictures over the pixels that `mask` leaves out; 0 if it leaves out none.
double difference_outside(const Image& a, const Image& b, const Image& mask);

}  // namespace sga
