// A whole clip in few colours: one palette for all frames, and frames in it.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "engine/image.h"

namespace sga {

using Colour = std::array<uint8_t, 3>;  ///< red, green, blue

/// Pictures in a palette, by ordered dithering. Its pattern stands still, so a pixel that does not change
/// from frame to frame keeps its colour; the diffusion of errors would make it flicker.
class Quantiser {
 public:
  /// A palette of at most `count` colours (1 to 256) with a small squared error over the pixels of
  /// `examples`: boxes of colours are cut in two at their mean, always the box of largest error along its
  /// widest axis, until there are enough; then k-means. The same examples give the same palette. Pictures of
  /// any channels; alpha is composited over white. Error if there is no picture.
  Quantiser(const std::vector<Image>& examples, int64_t count);

  const std::vector<Colour>& palette() const { return palette_; }
  /// An index for each pixel, row after row. The thresholds are Bayer's 8x8 matrix, as wide as the step from
  /// the pixel's nearest colour to the next: wide where the palette is sparse, narrow where it is dense.
  std::vector<uint8_t> operator()(const Image& picture);

 private:
  uint8_t nearest(const Colour& c);

  std::vector<Colour> palette_;
  std::vector<std::array<double, 3>> points_;  // the palette again
  std::vector<double> step_;                   // of each colour, as a change of every channel in 8-bit levels
  std::vector<int16_t> nearest_;               // by the upper 6 bits of each channel; -1: not asked yet
};

}  // namespace sga
