// The 17 action units (AUs) of the Facial Action Coding System that OpenFace measures, and named mixtures of
// them.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/check.h"

namespace sga {

constexpr int kActionUnitCount = 17;

/// What a network is conditioned on: one value an AU, in the order of kActionUnitNumbers; 1 is OpenFace's
/// intensity 5.
using ActionUnits = std::array<float, kActionUnitCount>;

constexpr std::array<int, kActionUnitCount> kActionUnitNumbers = {1,  2,  4,  5,  6,  7,  9,  10, 12,
                                                                  14, 15, 17, 20, 23, 25, 26, 45};
/// The largest value an edit may ask for; above 1 the network extrapolates.
constexpr float kMaxActionUnit = 1.25f;

/// FACS name of the AU at `index` (0..16), "Lip corner puller".
const char* action_unit_name(int index);
/// Position of an AU in ActionUnits, 12 -> 8. Error naming the known AUs if it is none of them.
int index_of(int action_unit);

/// Half of a face, as its owner calls it: the right half is on the left of the picture.
enum class Side { both, left, right };

/// A target expression. `listed` tells the AUs that were named from those that stay 0 (absolute edits) or as
/// they are in the photograph (relative edits).
struct Expression {
  std::string name;
  ActionUnits values{};
  std::array<bool, kActionUnitCount> listed{};
  Side side = Side::both;  ///< where the AUs in one_sided act, as in FACS's R12A+R14A
  std::array<bool, kActionUnitCount> one_sided{};
  std::string source;  ///< where the mixture was published
};

/// "12=0.8,6=0.5" or "AU12=0.8 AU06=0.5": values in [0, 1.25]; R12=0.3 or L12=0.3 acts on the person's right
/// or left half alone. Error on an unknown or repeated AU, a number that is not finite or out of range, both
/// sides in one expression, and on empty text.
Expression parse_action_units(std::string_view text);
/// The listed AUs in the form parse_action_units reads: "6=0.6,12=0.8".
std::string to_text(const Expression& expression);

/// One expression a line: a name, AU=value pairs, and after # its source:
///   happiness 6=.6 12=.8 25=.5   # EMFACS 6+12
/// A line that starts with # is a comment; a name without pairs lists all AUs as 0. Names are lower-case
/// letters, digits, - and _. Error with the line number. `file` is used in errors.
std::vector<Expression> parse_presets(std::string_view text, const std::string& file);

/// models/ganimation/presets.txt as it was when this library was built.
std::string_view default_presets();

/// Error listing the names there are if `name` is none of them.
const Expression& find_preset(const std::vector<Expression>& presets, const std::string& name);

}  // namespace sga
