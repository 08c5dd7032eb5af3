// How well a generator changes action units: what a judge reads off its edits, where they change the picture,
// and what they leave alone. Places are in shares of a crop cut with margin 1.5, by the mean landmarks of
// 4,000 photographs: the tip of the nose lies at 0.53 of the height (deviation 0.03).
#pragma once
#include <functional>
#include <vector>

#include "models/ganimation/editing.h"
#include "models/judge/au_regressor.h"

namespace sga::judge {

/// crops (N,S,S,3) in [-1,1], a set of action units each and what each shows -> their edits.
using Editor = std::function<ganimation::Edit(const Tensor& crops, const std::vector<ActionUnits>& targets,
                                              const std::vector<ActionUnits>& sources)>;

/// Faces of one size with what they show.
struct LabelledFaces {
  Tensor crops;  ///< (N,S,S,3) in [-1,1]
  std::vector<ActionUnits> labels;
};

constexpr double kNoseTip = 0.53;
/// Where AU `index` moves the face: brows and eyes (1, 2, 4, 5, 7, 45), mouth and chin (10 and up but 45), or
/// both (cheeks, 6; nose, 9).
enum class Half { upper, lower, both };
Half half_of(int index);

/// One AU driven alone, all others as the face shows them.
struct AuReport {
  double spearman = 0;    ///< of level 0, 1/3, 2/3, 1 and the judge's reading, mean over faces
  double rise = 0;        ///< reading at 1 minus reading at 0, on the scale of 0 to 5, mean over faces
  double other_half = 0;  ///< share of the change from 0 to 1 on the other side of the nose tip; NaN for both
  double other_ssim = 0;  ///< of that side with the photograph at level 1
  ActionUnits leakage{};  ///< reading of each AU at 1 minus at 0, on the scale of 0 to 5
  double pearson = 0, icc = 0,
         mse = 0;  ///< asked and read of this AU over edits to other faces' labels, 0..5
};

struct EditReport {
  std::vector<AuReport> units;                   ///< 17
  double identity_psnr = 0;                      ///< dB, asked for what the face shows already
  double background = 0;                         ///< mean |out - in| outside the oval of the face, of 255
  double attention = 0;                          ///< mean
  double attention_high = 0, attention_low = 0;  ///< shares of pixels above 0.95, below 0.05
  double attention_entropy = 0;                  ///< mean of -A log2 A - (1-A) log2 (1-A)
  double attention_variation = 0;                ///< mean absolute difference of neighbours
  double overflow =
      0;  ///< share of pixels painted (A < 0.9) with a colour within 1 % of the ends of the range
  double checkerboard = 0;  ///< energy of the change at periods of 2 and 4 pixels; 1: as much as white noise
  double path =
      0;  ///< length of the way of each pixel in 8 steps to a smile over its distance; 1 is straight
};

/// `editor` on these faces, a few at a time. The draws of targets are those of `seed`. on_step counts the 17
/// + 3 parts. Error if there are fewer than 2 faces.
EditReport report_edits(const Editor& editor, const AuRegressor& judge, const LabelledFaces& faces,
                        uint64_t seed, const std::function<void()>& on_step);

}  // namespace sga::judge
