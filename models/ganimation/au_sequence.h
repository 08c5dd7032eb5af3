// Action units over time: what OpenFace says about a video, and pictures that follow it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "engine/image.h"
#include "models/ganimation/action_units.h"

namespace sga {

/// One set of action units (share of intensity 5) for each frame of a video.
struct AuSequence {
  std::vector<ActionUnits> frames;
  int64_t first = 0;    ///< number of frames[0] in the video
  double rate = 0;      ///< frames a second by the table's timestamps; 0: it has none
  int64_t missing = 0;  ///< frames without a usable row, put between their neighbours in proportion
  int64_t people = 1;   ///< faces in the table; the one in most frames counts
};

/// The CSV of OpenFace's FeatureExtraction, see parse_openface. Error if it has no column `frame`, fewer than
/// two usable frames, or gaps that make it longer than a million frames.
AuSequence parse_au_sequence(std::string_view text, const std::string& name);

/// Each AU filtered along time by a Gaussian of standard deviation `sigma` frames (0: as they are), cut at
/// three of them; the ends repeat.
std::vector<ActionUnits> smoothed(const std::vector<ActionUnits>& frames, double sigma);

/// How evenly a clip moves. With d(a, b) the mean absolute difference of two frames in levels of 255:
struct Motion {
  double mean_step = 0;     ///< mean of d(x_t, x_t+1)
  double largest_step = 0;  ///< the largest of them
  double detour = 1;        ///< sum of the steps / d(first, last): 1 on a straight way
  double flicker = 0;       ///< mean of d(x_t+1 - x_t, x_t - x_t-1): what jumps forth and back
};

/// Frames of one clip, one after another.
class MotionMeter {
 public:
  void add(const Image& frame);  ///< Error if its size is not that of the first
  /// Zeros and ones where there are too few frames.
  Motion result() const;

 private:
  Image first_, before_, last_;  // x_0, x_t-1, x_t
  int64_t frames_ = 0;
  double steps_ = 0, largest_ = 0, turns_ = 0;
};

}  // namespace sga
