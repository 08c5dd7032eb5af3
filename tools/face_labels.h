// The action units of pictures, from whatever tool or project wrote them down.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "models/ganimation/openface.h"
#include "tools/face_sources.h"

namespace sga {

/// The label of one picture.
struct FaceLabel {
  FaceRow row;    ///< of the face OpenFace was surest of
  int faces = 1;  ///< rows of this picture
};

/// Labels by picture_key.
struct FaceLabels {
  std::unordered_map<std::string, FaceLabel> by_key;
  std::vector<RejectedRow> rejected;  ///< rows (and, in a folder, files) that cannot be used
  std::vector<std::string> order;     ///< keys as they came
  bool has_landmarks = false;         ///< every row has the 68 points
  std::vector<int> missing_aus;       ///< taken as 0 in at least one table
  std::string matched;  ///< how frames were matched to pictures: "number", "order", or "" for names
};

struct LabelSource {
  fs::path path;
  MissingAus missing = MissingAus::refuse;
  /// How frames of a video table belong to pictures: "number" at the end of a picture's name, "order" of the
  /// sorted names, or "auto": whichever fits.
  std::string frames = "auto";
};

/// One file of any of the kinds below, as it is.
FaceTable read_face_table(const LabelSource& source);

/// From a folder with one <picture>.csv of OpenFace a picture, or from one file, known by its content:
///   CSV (also .gz) with an image column, with a frame column (FeatureExtraction), or of one picture
///   aus_openface.pkl, aus_dataset.pkl; lines of a picture and 17 numbers: see aus_files.h
/// Error on a malformed file, and where frames and pictures fit together in no way or in two; in a folder a
/// malformed file is rejected, and it is an Error if all are.
FaceLabels read_labels(const LabelSource& source, const PictureSource& pictures);

}  // namespace sga
