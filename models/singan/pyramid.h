// The pyramid: how many levels SinGAN trains for a picture, and their sizes.
#pragma once
#include <cstdint>
#include <vector>

namespace sga::singan {

struct Size {
  int64_t h = 0, w = 0;
  bool operator==(const Size&) const = default;
};

/// h x w pixels from row top, column left.
struct Window {
  int64_t top = 0, left = 0, h = 0, w = 0;
};
/// All of a picture.
inline Window whole_of(Size size) { return {0, 0, size.h, size.w}; }

struct PyramidOptions {
  int64_t min_size = 25;       ///< short side of the coarsest level, pixels
  int64_t max_size = 250;      ///< longest side of the finest level, pixels
  double scale_factor = 0.75;  ///< wanted ratio of neighbouring levels, in (0,1)
  bool official = false;       ///< the formulae of the official code; see make_pyramid
  /// For super-resolution. Official: the level count rounds down and takes the width for the longer side.
  /// Else: neighbours differ by scale_factor exactly, and the coarsest short side is as close to min_size as
  /// that allows.
  bool super_resolution = false;
};

struct Pyramid {
  double scale1 = 1;         ///< original picture -> finest level, <= 1
  double ratio = 1;          ///< r: level i is about r^(N-i) of the finest level N
  std::vector<Size> levels;  ///< coarsest first
  int count() const { return static_cast<int>(levels.size()); }
  Size finest() const { return levels.back(); }
};

constexpr int kMaxLevels = 64;  ///< of a pyramid that is trained, stored or imported

/// Levels for a picture of `height` x `width`. The finest is the picture, shrunk to max_size if it is longer.
///   official  The level count comes from the original picture, the ratio from the shrunk one, and sizes are
///             ceil(in * scale), as in tamarott/SinGAN 286d3cd (spec A.2, float noise included: 251 for 250).
///   else      N = the whole number >= 1 that brings the ratio closest to scale_factor for the training size;
///             sizes are round(finest * r^(N-i)), so the short side of the coarsest is exactly min_size.
/// Errors: options out of range; a picture whose short side is, or would be after shrinking, below min_size;
/// more than kMaxLevels.
Pyramid make_pyramid(int64_t height, int64_t width, const PyramidOptions& options);

}  // namespace sga::singan
