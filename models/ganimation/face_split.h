// Which faces of a data set are trained on, and which are kept to test.
#pragma once
#include <span>

#include "models/ganimation/face_set.h"

namespace sga {

enum class SplitBy { person, image };

/// Sets `train` of every face: whole groups, in an order that the seed scatters, are for training as long as
/// that brings their share of the faces nearer to `share`; the rest are for tests. A group is a person, or by
/// image, and where the person is unknown, one face. The order of the faces changes nothing. With one group
/// all faces are on one side.
void split_faces(std::span<FaceRecord* const> faces, double share, SplitBy by, uint64_t seed);

}  // namespace sga
