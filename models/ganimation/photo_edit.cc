#include "models/ganimation/photo_edit.h"

#include "engine/ops.h"

namespace sga::ganimation {

PhotoEdit edit_photo(const Model& model, const Image& photo, const FaceBox& box, const ActionUnits& target) {
  PhotoEdit result;
  result.crop = crop_face(photo, box, model.size());
  const Edit edit = model.edit(to_tensor(result.crop), {target});
  result.edited = to_image(edit.edited);
  result.attention = to_image(affine(edit.attention, 2, -1));  // to_image reads [-1,1]
  result.colour = to_image(edit.colour);
  result.photo = paste_face(photo, box, result.crop, result.edited);
  return result;
}

}  // namespace sga::ganimation
