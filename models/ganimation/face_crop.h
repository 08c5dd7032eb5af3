// The square around a face: the same code cuts training faces and a user's photograph, and puts an edit back.
#pragma once
#include <array>
#include <optional>
#include <string>

#include "engine/image.h"
#include "models/ganimation/openface.h"

namespace sga {

/// A place in a photograph, in pixels: pixel i covers [i, i+1).
struct Point {
  double x = 0, y = 0;
};

/// A square in the pixels of a photograph. Upright, (x, y) is its top left corner; it may be turned about its
/// centre. It may leave the photograph: pixels there repeat the nearest edge.
struct FaceBox {
  double x = 0, y = 0, size = 0;
  double angle = 0;    ///< radians, from the x axis towards the y axis: clockwise as one sees it
  double stretch = 1;  ///< height / width; a box that is no square is squeezed into a square crop
  int64_t via = 0;     ///< above 0: reduced to this many pixels across before it is resized as OpenCV does
};
/// Where the point at shares (u, v) of width and height of the box lies in the photograph, and back.
Point to_photo(const FaceBox& box, double u, double v);
Point to_crop(const FaceBox& box, double x, double y);

/// What a face detector found: an upright rectangle, and, if it saw both, the centres of the eyes, left one
/// first as one sees it.
struct FaceRectangle {
  double x = 0, y = 0, width = 0, height = 0;
  std::optional<std::array<Point, 2>> eyes{};
};

/// How faces were cut; travels with a data set and with a model trained on it, so that a photograph is cut
/// alike.
struct CropRecipe {
  /// What the training faces were found by: "landmarks", "detector", or "picture", which were whole pictures.
  std::string mode = "landmarks";
  double margin = 1.5;  ///< side of the square / larger side of the landmarks' bounding box
  int64_t size = 128;   ///< pixels of a crop
  /// box     an upright square around the landmarks
  /// eyes    turned, scaled and moved so that eyes and mouth lie alike in every crop
  /// whole   the picture as it is, which must be a square; a photograph is cut as by `box`
  /// thesis  a CelebA picture (178x218, aligned) as a whole, resized as OpenCV does, which makes faces wide
  std::string crop = "box";

  bool operator==(const CropRecipe&) const = default;
};
/// "mode=landmarks margin=1.5 size=128"; a crop other than box adds "crop=eyes". parse: Error naming what is
/// missing, unknown or out of range.
std::string to_text(const CropRecipe& recipe);
CropRecipe parse_crop_recipe(const std::string& text);

/// Side = margin * the larger side of the points' bounding box (brows to chin), its centre moved up for the
/// forehead. Error if all points coincide.
FaceBox box_from_landmarks(const Landmarks& points, double margin);

/// The same square, as well as it can be told from a rectangle of OpenCV's frontal face cascade.
FaceBox box_from_detection(const FaceRectangle& face, double margin);

/// Eyes and mouth, all that the crop `eyes` needs.
struct FaceAnchors {
  Point left_eye, right_eye, mouth;  ///< left as one sees it
};
FaceAnchors anchors_of(const Landmarks& points);

/// The turned square of the crop `eyes`: its x axis is parallel to the line through the eyes. With the unit
/// U = max(distance of the eyes, distance of mouth and eyes / 1.05), so that neither turning nor nodding the
/// head changes it much, the side is margin * 2.21 U and the centre 0.45 U below the eyes: on average the
/// square of box_from_landmarks. Error if eyes and mouth coincide.
FaceBox box_from_anchors(const FaceAnchors& anchors, double margin);

/// The box of a recipe, for the crops box and eyes.
FaceBox box_from_landmarks(const Landmarks& points, const CropRecipe& recipe);
/// The box of a recipe in a new photograph. Without both eyes the crop `eyes` is upright, as `box`. For
/// `thesis` it is the part of the photograph that an aligned CelebA picture would show.
FaceBox box_from_detection(const FaceRectangle& face, const CropRecipe& recipe);
/// The whole picture, for the crops whole and thesis. Error if its shape is not what the recipe is for.
FaceBox box_of_picture(const Image& picture, const CropRecipe& recipe);

/// The box as size x size pixels: antialiased bicubic, so shrinking averages; with `via` set, first reduced
/// that way to via pixels across, and then plain bilinear. Same channels as the photograph. Error on an empty
/// picture, a box of no or absurd size, or one that does not touch the photograph.
Image crop_face(const Image& photo, const FaceBox& box, int64_t size);

/// How much of an edit counts at a place of the crop, 0 at its edge and 1 from `feather` (a share of the
/// side) inwards. u, v in [0,1] from the top left.
double feather_weight(double u, double v, double feather);

/// What a network made of a crop I of n x n pixels: A * I + (1 - A) * C.
struct FacePaint {
  Image attention;  ///< A, 1 channel; 1 keeps the photograph
  Image colour;     ///< C, 3 channels
};

/// Puts an edit into the photograph at the photograph's resolution. With up() enlarging by a bicubic filter
/// and w the feather_weight at a pixel,
///   A' = 1 - w * (1 - clamp(up(A)))              1 at the edge of the box: no seam
///   out = A' * photo + (1 - A') * (photo + up(C - crop))
/// The difference is what is enlarged, so the photograph keeps its own detail under the paint; pixels outside
/// the box, and those where A is 1, stay bit-identical.
///   photo    (H,W,3)
///   crop     the crop as the network saw it, n x n x 3
///   feather  width of the blend in shares of the side, in (0, 0.5]
Image paste_face(Image photo, const FaceBox& box, const Image& crop, const FacePaint& paint,
                 double feather = 0.15);

}  // namespace sga
