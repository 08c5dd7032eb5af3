// The square around a face: the same code cuts training faces and a user's photograph, and puts an edit back.
#pragma once
#include <array>
#include <string>

#include "engine/image.h"
#include "models/ganimation/openface.h"

namespace sga {

/// A square in the pixels of a photograph; (x, y) is its top left corner, pixel i covers [i, i+1). It may
/// leave the photograph: pixels there repeat the nearest edge.
struct FaceBox {
  double x = 0, y = 0, size = 0;
};

/// An upright rectangle a face detector found, in pixels.
struct FaceRectangle {
  double x = 0, y = 0, width = 0, height = 0;
};

/// How faces were cut; travels with a data set and with a model trained on it, so that a photograph is cut
/// alike.
struct CropRecipe {
  std::string mode = "landmarks";  ///< what the training faces were found by: "landmarks" or "detector"
  double margin = 1.5;             ///< side of the square / larger side of the landmarks' bounding box
  int64_t size = 128;              ///< pixels of a crop

  bool operator==(const CropRecipe&) const = default;
};
/// "mode=landmarks margin=1.5 size=128". parse: Error naming what is missing, unknown or out of range.
std::string to_text(const CropRecipe& recipe);
CropRecipe parse_crop_recipe(const std::string& text);

/// Side = margin * the larger side of the points' bounding box (brows to chin), its centre moved up for the
/// forehead. Error if all points coincide.
FaceBox box_from_landmarks(const Landmarks& points, double margin);

/// The same square, as well as it can be told from a rectangle of OpenCV's frontal face cascade.
FaceBox box_from_detection(const FaceRectangle& face, double margin);

/// The square as size x size pixels: antialiased bicubic, so shrinking averages. Same channels as the
/// photograph. Error on an empty picture, a box of no or absurd size, or one that does not touch the
/// photograph.
Image crop_face(const Image& photo, const FaceBox& box, int64_t size);

/// How much of an edit counts at a place of the crop, 0 at its edge and 1 from `feather` (a share of the
/// side) inwards. u, v in [0,1] from the top left.
double feather_weight(double u, double v, double feather);

/// Puts an edited crop back: enlarges the difference edited - original (so the photograph keeps its own
/// detail), weighs it with feather_weight and adds it. photo            (H,W,3); pixels outside the box, and
/// those the edit did not change, stay bit-identical original, edited the crop before and after: equal square
/// sizes, 3 channels feather          width of the blend in shares of the side, in (0, 0.5]
Image paste_face(const Image& photo, const FaceBox& box, const Image& original, const Image& edited,
                 double feather = 0.15);

}  // namespace sga
