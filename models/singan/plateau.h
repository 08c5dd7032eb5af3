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

/// True if nothing moves any more. At one moment nothing moves if, from the older half of the last 2 *
/// `window` measurements to the newer, with A and B the means of the halves and E the standard error of A -
/// B,
///   reconstruction  A - B <= max(0.01 A, E): it no longer falls, or by less than its noise
///   critic gap      |A - B| <= max(0.05 |A|, 2 E): it is where it was (it may rise or fall while learning)
/// As noise alone makes that true now and then, it must hold at each of the last window / 2 + 1 measurements.
/// False with fewer than plateau_memory(window) of them. window >= 2.
bool on_plateau(const LearningCurve& curve, int64_t window);
/// Measurements it looks back.
inline int64_t plateau_memory(int64_t window) { return 2 * window + window / 2; }

/// Numbers that read back exactly, with spaces between them.
std::string text_of(const LearningCurve& curve);
/// Error naming `what` if it is no such text.
LearningCurve parse_curve(const std::string& text, const std::string& what);

}  // namespace sga::singan
