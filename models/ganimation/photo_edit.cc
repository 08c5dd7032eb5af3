#include "models/ganimation/photo_edit.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"

namespace sga::ganimation {
namespace {

FacePaint paint_of(const Model& model, const Tensor& crop, const ActionUnits& units,
                   const std::optional<ActionUnits>& source) {
  const Edit edit = source ? model.edit(crop, {units}, {*source}) : model.edit(crop, {units});
  return {to_image(affine(edit.attention, 2, -1)), to_image(edit.colour)};  // to_image reads [-1,1]
}

FacePaint nothing(const Image& crop) {
  return {{crop.height, crop.width, 1, std::vector<float>(size_t(crop.height * crop.width), 1.0f)}, crop};
}

FacePaint mixture(const Image& crop, const FacePaint& a, const FacePaint& b, Side side) {
  FacePaint mixed = a;
  for (int64_t y = 0; y < crop.height; ++y)
    for (int64_t x = 0; x < crop.width; ++x) {
      const auto m = float(half_weight((double(x) + 0.5) / double(crop.width), side));
      const float of_a = m * (1 - *a.attention.at(y, x)), of_b = (1 - m) * (1 - *b.attention.at(y, x));
      *mixed.attention.at(y, x) = 1 - (of_a + of_b);
      if (of_a + of_b <= 0) continue;
      for (int64_t j = 0; j < 3; ++j)
        mixed.colour.at(y, x)[j] =
            (of_a * a.colour.at(y, x)[j] + of_b * b.colour.at(y, x)[j]) / (of_a + of_b);
    }
  return mixed;
}

bool is_grey(const Image& crop) {
  for (size_t i = 0; i + 2 < crop.pixels.size(); i += 3)
    if (crop.pixels[i] != crop.pixels[i + 1] || crop.pixels[i] != crop.pixels[i + 2]) return false;
  return true;
}

Image composite_of(const Image& crop, const FacePaint& paint) {
  Image edited = crop;
  for (int64_t i = 0; i < crop.height * crop.width; ++i) {
    const float keep = paint.attention.pixels[size_t(i)];
    for (size_t j = size_t(3 * i); j < size_t(3 * i + 3); ++j)
      edited.pixels[j] = keep * crop.pixels[j] + (1 - keep) * paint.colour.pixels[j];
  }
  return edited;
}

}  // namespace

double half_weight(double u, Side side) {
  if (side == Side::both) return 1;
  const double t = std::clamp((u - 0.4) / 0.2, 0.0, 1.0), left = t * t * (3 - 2 * t);
  return side == Side::left ? left : 1 - left;  // the person's left is on the right of the picture
}

FaceEdit edit_face(const Model& model, const Image& crop, const Target& target,
                   const std::optional<ActionUnits>& source) {
  const Tensor x = to_tensor(crop);
  const auto paint = [&](const ActionUnits& units) {
    return units == source ? nothing(crop) : paint_of(model, x, units, source);
  };
  FacePaint made = paint(target.units);
  if (target.side != Side::both) made = mixture(crop, made, paint(target.other), target.side);
  if (is_grey(crop)) made.colour = convert_channels(convert_channels(made.colour, 1), 3);
  Image edited = composite_of(crop, made);
  return {crop, std::move(made), std::move(edited)};
}

PhotoEdit edit_photo(const Model& model, Image photo, const FaceBox& box, const Target& target,
                     const std::optional<ActionUnits>& source) {
  FaceEdit face = edit_face(model, crop_face(photo, box, model.size()), target, source);
  Image whole = paste_face(std::move(photo), box, face.crop, face.paint);
  return {std::move(face), std::move(whole)};
}

FaceBox scaled(FaceBox box, double scale) {
  box.x *= scale;
  box.y *= scale;
  box.size *= scale;
  return box;
}

FaceView view_of(const Image& photo, const FaceBox& box, int64_t side) {
  const double span = box.size * std::max(1.0, box.stretch);
  const Point middle = to_photo(box, 0.5, 0.5);
  const FaceBox square{middle.x - span / 2, middle.y - span / 2, span};
  FaceBox inside = box;
  inside.x -= square.x;
  inside.y -= square.y;
  return {crop_face(photo, square, side), scaled(inside, double(side) / span)};
}

}  // namespace sga::ganimation
