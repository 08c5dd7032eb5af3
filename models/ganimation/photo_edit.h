// The edit of a face inside a photograph: cut out, edited by the network, put back at the photograph's
// resolution.
#pragma once
#include "models/ganimation/editing.h"
#include "models/ganimation/face_crop.h"

namespace sga::ganimation {

struct PhotoEdit {
  Image crop;       ///< the face as the network saw it, size() pixels a side
  Image edited;     ///< attention * crop + (1 - attention) * colour
  Image attention;  ///< 1 channel; white keeps the photograph
  Image colour;     ///< what is painted where the attention is dark
  Image photo;      ///< the photograph with the edit pasted back
};

/// Edits the face in `box` towards `target`. photo (H,W,3).
PhotoEdit edit_photo(const Model& model, const Image& photo, const FaceBox& box, const ActionUnits& target);

}  // namespace sga::ganimation
