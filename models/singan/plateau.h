// When a level has stopped learning.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace sga::singan {

/// The last measurements of a level, as far as Plateau looks back.
struct LearningCurve {
  std::vector<double> reconstruction;  ///< loss, weighted
  std::vector<double> gap;             ///< mean D(real) - mean D(fake)

  /// Keeps the newest `most`.
  void add(double reconstruction_loss, double critic_gap, int64_t most);
  void clear() { reconstruction.clear(), gap.clear(); }
};

/// True if nothing has moved from the older half of the last 2 * `window` measurements to the newer half.
/// With A and B the means of the halves and E the standard error of A - B:
///   reconstruction  A - B <= max(0.01 A, E): it no longer falls, or by less than its noise
///   critic gap      |A - B| <= max(0.05 |A|, 2 E): it is where it was (it may rise or fall while learning)
/// False with fewer measurements. window >= 2.
bool on_plateau(const LearningCurve& curve, int64_t window);

/// Numbers that read back exactly, with spaces between them.
std::string text_of(const LearningCurve& curve);
/// Error naming `what` if it is no such text.
LearningCurve parse_curve(const std::string& text, const std::string& what);

}  // namespace sga::singan
