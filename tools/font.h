// A 5x7 bitmap font for labels on pictures.
#pragma once
#include <string_view>

#include "engine/image.h"

namespace sga {

constexpr int64_t kGlyphWidth = 5, kGlyphHeight = 7, kGlyphAdvance = 6;  ///< pixels at scale 1

/// Width in pixels of `text` at `scale`.
int64_t text_width(std::string_view text, int64_t scale = 1);
/// Draws `text` with its top left corner at (y, x), in `value` (all channels), clipped to the image.
/// Characters outside printable ASCII show as '?', one for each UTF-8 character.
void draw_text(Image& image, int64_t y, int64_t x, std::string_view text, float value = 0, int64_t scale = 1);

}  // namespace sga
