// Transparency: whether a picture has any, and what colour lies under it.
#include <algorithm>

#include "engine/image.h"

namespace sga {
namespace {

// Colours with weights: a pixel of weight 0 has none.
struct Weighted {
  int64_t height, width;
  std::vector<float> values;  // red, green, blue, weight
  float* at(int64_t y, int64_t x) { return values.data() + (y * width + x) * 4; }
  const float* at(int64_t y, int64_t x) const { return values.data() + (y * width + x) * 4; }
};

// Weighted averages of 2x2 pixels; the weight is at most 1.
Weighted halved(const Weighted& in) {
  Weighted out{(in.height + 1) / 2, (in.width + 1) / 2, {}};
  out.values.resize(static_cast<size_t>(out.height * out.width * 4));
  for (int64_t y = 0; y < in.height; ++y)
    for (int64_t x = 0; x < in.width; ++x) {
      const float* from = in.at(y, x);
      float* to = out.at(y / 2, x / 2);
      for (int c = 0; c < 3; ++c) to[c] += from[c] * from[3];
      to[3] += from[3];
    }
  for (size_t i = 0; i < out.values.size(); i += 4) {
    float* pixel = out.values.data() + i;
    if (pixel[3] > 0)
      for (int c = 0; c < 3; ++c) pixel[c] /= pixel[3];
    pixel[3] = std::min(pixel[3], 1.0f);
  }
  return out;
}

// Gives every pixel of weight 0 the colour that the coarser picture has there, between its pixels linearly.
void fill(Weighted& picture) {
  bool holes = false;
  for (size_t i = 3; i < picture.values.size(); i += 4) holes |= picture.values[i] <= 0;
  if (!holes || (picture.height == 1 && picture.width == 1)) return;
  Weighted coarse = halved(picture);
  fill(coarse);
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x) {
      float* pixel = picture.at(y, x);
      if (pixel[3] > 0) continue;
      // Pixel y has its centre at (y + 0.5) / 2 - 0.5 of the coarser grid: 3/4 of its own parent, 1/4 of the
      // one beside it.
      const int64_t rows[2] = {y / 2, std::clamp(y / 2 + (y % 2 ? 1 : -1), int64_t{0}, coarse.height - 1)};
      const int64_t columns[2] = {x / 2, std::clamp(x / 2 + (x % 2 ? 1 : -1), int64_t{0}, coarse.width - 1)};
      constexpr float kShare[2] = {0.75f, 0.25f};
      for (int c = 0; c < 3; ++c) {
        pixel[c] = 0;
        for (int i = 0; i < 2; ++i)
          for (int j = 0; j < 2; ++j) pixel[c] += kShare[i] * kShare[j] * coarse.at(rows[i], columns[j])[c];
      }
    }
}

}  // namespace

int64_t shown_channels(const Image& image) {
  const bool alpha = image.channels == 2 || image.channels == 4;
  bool opaque = true;
  for (size_t i = size_t(image.channels) - 1; alpha && i < image.pixels.size(); i += size_t(image.channels))
    opaque &= image.pixels[i] >= 1;
  return !opaque ? 4 : image.channels >= 3 ? 3 : 1;
}

Image fill_hidden_colours(const Image& image) {
  SGA_CHECK(image.channels == 4, "fill_hidden_colours: a picture of 4 channels is needed, got ",
            image.channels);
  Weighted picture{image.height, image.width, image.pixels};
  fill(picture);
  Image out = image;
  for (size_t i = 0; i < out.pixels.size(); i += 4)
    std::copy_n(picture.values.data() + i, 3, out.pixels.data() + i);
  return out;
}

}  // namespace sga
