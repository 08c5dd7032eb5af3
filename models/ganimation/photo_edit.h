// The edit of a face inside a photograph: cut out, edited by the network, put back at the photograph's
// resolution.
#pragma once
#include <optional>

#include "models/ganimation/editing.h"
#include "models/ganimation/face_crop.h"

namespace sga::ganimation {

/// An edit at the model's size.
struct FaceEdit {
  Image crop;       ///< the face as the network saw it, size() pixels a side
  FacePaint paint;  ///< what it made of it
  Image edited;     ///< attention * crop + (1 - attention) * colour
};

/// Edits a crop (S,S,3) towards `target`. Where the face's own action units are known and are what is asked
/// for, the network is not: attention is 1, and nothing changes. Of a one-sided target both faces are made
/// and mixed by half_weight, so that attention and colour describe the mixture:
///   1 - A = m * (1 - A1) + (1 - m) * (1 - A2),  (1 - A) * (C - I) = the same mixture of (1 - Ai) * (Ci - I)
FaceEdit edit_face(const Model& model, const Image& crop, const Target& target,
                   const std::optional<ActionUnits>& source = {});

/// How much of `side` is seen at u in [0,1] from the left of the crop: 1 and 0 in the halves, smooth over the
/// middle fifth.
double half_weight(double u, Side side);

struct PhotoEdit {
  FaceEdit face;
  Image photo;  ///< the photograph with the edit, see paste_face
};

/// Edits the face in `box` of a photograph (H,W,3), which is used up: pass a copy if it is needed again.
PhotoEdit edit_photo(const Model& model, Image photo, const FaceBox& box, const Target& target,
                     const std::optional<ActionUnits>& source = {});

/// The square of a photograph around a face, reduced to at most `side` pixels, with the face's box in it:
/// where many edits of one face are to be seen, but not in a dozen megapixels each.
struct FaceView {
  Image picture;
  FaceBox box;
};
/// The box in the photograph enlarged by `scale`.
FaceBox scaled(FaceBox box, double scale);
FaceView view_of(const Image& photo, const FaceBox& box, int64_t side);

}  // namespace sga::ganimation
