// What OpenFace 2 says about faces: action units, landmarks; and who they are. Pure functions from text to
// rows.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/ganimation/action_units.h"

namespace sga {

/// The 68 points of the iBUG scheme in pixels: 0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 mouth.
struct Landmarks {
  std::array<float, 68> x, y;
};

/// One face in one picture or video frame.
struct FaceRow {
  std::string image;        ///< file name, or empty where the file has no such column
  int64_t face = 0;         ///< number of the face within its picture, or of the person within a video
  int64_t frame = 0;        ///< of a video, else 0
  double confidence = 1;    ///< 0..1
  ActionUnits intensity{};  ///< AUxx_r, 0..5
  std::array<bool, kActionUnitCount + 1>
      presence{};                        ///< AUxx_c of the 17 AUs, then of AU28; only if has_presence
  std::optional<Landmarks> landmarks{};  ///< x_0..x_67, y_0..y_67, only if has_landmarks
  int64_t line = 0;                      ///< in the file

  /// The intensities as a network takes them: divided by 5.
  ActionUnits action_units() const;
};

struct RejectedRow {
  std::string image;
  int64_t line = 0;
  std::string reason;
};

struct FaceTable {
  std::vector<FaceRow> rows;
  std::vector<RejectedRow> rejected;
  bool has_image = false, has_frame = false, has_presence = false, has_landmarks = false;
  std::vector<int> missing_aus;  ///< AUs without a column, which are 0; see MissingAus
};

/// What to do where a table lacks intensities: versions before OpenFace 2 estimate fewer than 17 AUs.
enum class MissingAus { refuse, zero };

/// A CSV as FaceLandmarkImg (face, confidence, AUs), FeatureExtraction (frame, face_id, success, AUs among
/// 714 columns) or a data set (image, confidence, AUs) writes it. Columns are found by name; `image` or
/// `file` holds the picture. Rows with too few cells, a number that is none, an intensity outside [0,5], a
/// confidence outside [0,1] or success 0 are rejected with a reason. Error with the names of all missing
/// columns (under MissingAus::zero only of the confidence or of all intensities); Error on a malformed file.
/// Other columns, such as further AUs, are passed over.
FaceTable parse_openface(std::string_view text, const std::string& name,
                         MissingAus missing = MissingAus::refuse);

/// image, x_0..x_67, y_0..y_67 -> points by picture; the first row of a picture counts. Rows with a number
/// that is none are left out and added to `rejected`.
std::unordered_map<std::string, Landmarks> parse_landmarks(std::string_view text, const std::string& name,
                                                           std::vector<RejectedRow>& rejected);

/// image, identity -> number of the person (>= 0) by picture. Error with the line of a row that says anything
/// else.
std::unordered_map<std::string, int64_t> parse_identities(std::string_view text, const std::string& name);

/// The header and one line of the CSV parse_openface reads: image, confidence, AUxx_r of `values` * 5 (at
/// most 5), AUxx_c set from intensity 1 on. Ends in \n.
std::string openface_header();
std::string openface_line(std::string_view image, double confidence, const ActionUnits& values);

}  // namespace sga
