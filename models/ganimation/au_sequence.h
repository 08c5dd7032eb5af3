// Action units over time: what OpenFace says about a video, and pictures that follow it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "engine/image.h"
#include "models/ganimation/openface.h"

namespace sga {

/// One set of action units (share of intensity 5) for each frame of a video.
struct AuSequence {
  std::vector<ActionUnits> frames;
  int64_t first = 0;    ///< number of frames[0] in the video
  int64_t missing = 0;  ///< frames without a usable row, put between their neighbours in proportion
  int64_t people = 1;   ///< faces in the table; the one in most frames counts
};

/// Rows by their frames, or, in a table of pictures without a column `frame`, one after another from 1. Error
/// if it has neither, fewer than two usable frames, or gaps that make it longer than a million frames. `name`
/// is used in errors.
AuSequence make_au_sequence(const FaceTable& table, const std::string& name);

/// Frames a second by the columns `frame` and `timestamp` (seconds) of a CSV; 0 if it has none.
double frame_rate(std::string_view csv, const std::string& name);

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
