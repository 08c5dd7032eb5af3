// Drawn faces: a picture of a face with given action units, so that tests, lessons and first trainings need
// no photographs. The action units of such a picture are known exactly.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "models/ganimation/action_units.h"

namespace sga {

/// Linear light, each in [0,1].
using Colour = std::array<float, 3>;

/// Who it is. Lengths are shares of the crop's side; x counts from the middle of the face, y from the top of
/// the crop. The proportions are those of crop_face's default recipe: brows near 0.3, chin near 0.9.
struct FaceIdentity {
  // head
  float half_width = 0.315f, crown = 0.05f, chin = 0.895f;
  float jaw = 2.3f;  ///< exponent of the lower outline: 2 round, 3 square
  float age = 0.3f;  ///< 0 smooth .. 1 lined
  Colour skin{0.75f, 0.48f, 0.35f};
  float blush = 0.3f;
  // hair
  enum class Hair { none, shaved, side_parted, fringe, long_open, curly };
  Hair hair = Hair::side_parted;
  Colour hair_colour{0.05f, 0.03f, 0.02f};
  float hairline = 0.17f, hair_volume = 0.04f, parting = 0.4f;
  // brows, eyes
  float brow_y = 0.305f, brow_thickness = 0.026f, brow_arch = 0.014f, brow_tilt = 0;
  float eye_x = 0.152f, eye_y = 0.395f, eye_width = 0.074f, eye_open = 1, eye_tilt = 0.004f;
  Colour iris{0.10f, 0.06f, 0.03f};
  // nose, mouth
  float nose_tip = 0.585f, nose_width = 0.078f, nose_bridge = 0.026f;
  float mouth_y = 0.695f, mouth_width = 0.122f, upper_lip = 0.021f, lower_lip = 0.028f, cupid = 0.35f;
  Colour lips{0.5f, 0.18f, 0.16f};
  // extras
  enum class Beard { none, stubble, moustache, goatee, full };
  Beard beard = Beard::none;
  enum class Glasses { none, round, square };
  Glasses glasses = Glasses::none;
  uint32_t texture = 1;  ///< seed of freckles, hair strands, spots
};

/// How the picture was taken.
struct FaceScene {
  std::array<float, 3> light{-0.4f, -0.5f, 0.77f};  ///< unit vector to the light: right, down, to the camera
  Colour light_colour{1, 1, 1};
  float ambient = 0.45f;  ///< share of the light that comes from everywhere, 0..1
  std::array<Colour, 2> background{Colour{0.25f, 0.3f, 0.35f}, Colour{0.5f, 0.5f, 0.5f}};
  float background_angle = 0;  ///< of the gradient, radians
  Colour clothes{0.1f, 0.12f, 0.2f};
  float roll = 0, yaw = 0, pitch = 0;  ///< roll in radians; the others shift the features, in [-0.04, 0.04]
  float scale = 1, shift_x = 0, shift_y = 0;
  float gaze_x = 0, gaze_y = 0;  ///< of the irises, in [-1,1]
  float noise = 0.01f;           ///< of the camera, standard deviation
  uint32_t texture = 1;          ///< seed of noise and background
};

/// The face as size x size RGB pixels, rows from the top. Values above 1 draw like 1, below 0 like 0. What
/// each action unit does follows the descriptions of the Facial Action Coding System (Ekman & Friesen 1978).
/// Same arguments, same bytes. Error unless size is in 16..1024 and every action unit is finite.
std::vector<uint8_t> render_face(const FaceIdentity& identity, const FaceScene& scene, const ActionUnits& aus,
                                 int64_t size);

}  // namespace sga
