// One photograph with one face that is to be edited, and the action units of faces.
#pragma once
#include <optional>
#include <string>

#include "models/ganimation/editing.h"
#include "models/ganimation/face_crop.h"
#include "tools/face_detector.h"

namespace sga {

struct FacePhoto {
  std::string name;  ///< as errors and pages call it
  Image photo;       ///< (H,W,3)
  FaceBox box;       ///< of the face that counts, cut as the model's recipe says
};

/// The face number `which` of a photograph, counted from the largest, 1; 0: the largest, with a line on
/// stderr if there are others of a third of its width or more. A line on stderr too for a face that is turned
/// or tilted, as models of frontal faces do badly there. Any channels. Error if the picture is too small,
/// there is no face, or none of that number.
FacePhoto find_face(Image photo, const std::string& name, const std::string& crop_recipe, int64_t which,
                    FaceDetector& detector);

/// How much the halves of a face mirror each other: the correlation of its grey values with those of its
/// mirror image, for the axis where it is largest. About 0.75 on frontal faces, 0.1 on faces turned by half.
double mirror_likeness(const Image& photo, const FaceRectangle& face);
/// What find_face warns of, or "": eyes out of level by more than 20 degrees; or eyes that are not both
/// found, in a face whose halves are unlike.
std::string pose_warning(const Image& photo, const FaceRectangle& face);

/// The action units of one picture by a table of any kind face_labels.h knows, with a column of pictures or
/// of one picture alone, or by a folder with one CSV a picture. Of several faces that whose landmarks lie in
/// `box` counts, where there are landmarks and a box, else the surest. Error if there is no usable row for
/// `picture` (empty: the only one there is), or if it holds the frames of a video.
ActionUnits read_action_units(const fs::path& table, const std::string& picture,
                              const std::optional<FaceBox>& box = {});

}  // namespace sga
