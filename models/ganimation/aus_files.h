// Action units as other GANimation projects store them: pickles and plain text. Pure functions from bytes to
// rows.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/ganimation/openface.h"

namespace sga {

/// A pickle of Python 2 or 3 (protocols 2 to 5), read without running anything of it:
///   aus_openface.pkl   a dict from picture (without extension) to 17 intensities: the official repository's
///   aus_dataset.pkl    a list of dicts with file_path and aus: Expression-manipulator's
/// Intensities are in OpenFace's order and scale (0..5), as a numpy vector of float64 or float32, or a list
/// of numbers. Vectors that are not 17 numbers from 0 to 5 are rejected; Error if it is neither form, holds
/// any other class or function, is damaged, or no vector in it has 17 numbers. The confidence is 1: they have
/// none.
FaceTable parse_aus_pickle(std::span<const std::byte> file, const std::string& name);

/// Lines of a picture and its 17 intensities with blanks between, as StarGAN-like repositories and
/// published sequences have them. Up to two lines at the front that are none, a count and column names, are
/// passed over; any other is rejected. Error if no line is one.
FaceTable parse_aus_text(std::string_view text, const std::string& name);

/// One picture a line, blanks around it dropped, as in train_ids.csv.
std::vector<std::string> parse_lines(std::string_view text);

/// Words of a line, with blanks between.
std::vector<std::string> words_of(std::string_view line);

}  // namespace sga
