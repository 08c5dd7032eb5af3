// Views of a face as a camera or a crop might have given it: what a judge must not be moved by.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "engine/random.h"

namespace sga::judge {

struct Augmentation {
  double rotation = 8;     ///< largest angle, degrees
  double scale = 0.1;      ///< largest share the face is larger or smaller
  double shift = 0.05;     ///< largest shift, in shares of the side
  double light = 0.25;     ///< largest change of brightness and of contrast, of values in [-1,1]
  double softness = 0.25;  ///< share of the views that are blurred, as an enlarged small face is
};

/// One RGB square of `from` pixels a side (rows top to bottom) as `to` x `to` x 3 floats in [-1,1] at `out`:
/// mirrored with probability 1/2, turned, scaled and shifted within the bounds, in another light. Bilinear;
/// beyond the edge its pixels repeat.
void random_view(std::span<const uint8_t> rgb, int64_t from, int64_t to, const Augmentation& bounds, Rng& rng,
                 float* out);

}  // namespace sga::judge
