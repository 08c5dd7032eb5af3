// Who is drawn, how the picture is taken and what the face does, at random: a data set of faces without
// photographs.
#pragma once
#include "models/ganimation/face_renderer.h"

namespace sga {

/// A random person: proportions, skin, hair, beard, glasses. The same for the same seed.
FaceIdentity random_identity(uint64_t seed);

/// Random circumstances: light, background, pose, gaze, noise. The same for the same seed.
FaceScene random_scene(uint64_t seed);

/// What the face at `position` of a data set does. A quarter shows a single AU, in turn, at intensity 5 in
/// the first round (positions 0, 4, .., 64) and every third one after; half shows a named or compound
/// expression at some strength, with AUs missing, added or changed, as people mix them; the rest a few random
/// AUs or, a fifth of them, nothing. In [0,1]; the same for the same arguments. Source of the compounds: Du,
/// Tao & Martinez 2014, PNAS 111(15).
ActionUnits random_action_units(uint64_t seed, int64_t position);

}  // namespace sga
