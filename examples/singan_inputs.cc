// Draws the inputs of docs/singan.md's pictures from photographs of Debian's package python3-skimage:
//   singan_inputs /usr/lib/python3/dist-packages/skimage/data OUT
// writes a photograph and a painting of it (stars*), a photograph with an object pasted in and the object's
// mask (launch, launch_pasted*), and the same photograph with parts copied to other places (launch_edited).
#include <cstdio>
#include <vector>

#include "engine/image.h"

namespace {

using namespace sga;

Image cut(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width) {
  Image out{height, width, image.channels, {}};
  for (int64_t y = 0; y < height; ++y)
    out.pixels.insert(out.pixels.end(), image.at(top + y, left),
                      image.at(top + y, left) + width * image.channels);
  return out;
}

struct Ellipse {
  double y, x, height, width;  // centre and half axes, in pixels
  double slant = 0;            // pixels to the right for each pixel down
  bool holds(int64_t row, int64_t column) const {
    const double v = (double(row) - y) / height, u = (double(column) - x - slant * (double(row) - y)) / width;
    return u * u + v * v <= 1;
  }
};

void fill(Image& image, const Ellipse& shape, const std::vector<float>& colour) {
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x)
      if (shape.holds(y, x)) std::copy(colour.begin(), colour.end(), image.at(y, x));
}

// `piece` with its upper left corner at (top, left); only inside `shape`, in coordinates of the piece.
void paste(Image& image, const Image& piece, int64_t top, int64_t left, const Ellipse& shape) {
  for (int64_t y = 0; y < piece.height; ++y)
    for (int64_t x = 0; x < piece.width; ++x)
      if (shape.holds(y, x)) std::copy_n(piece.at(y, x), image.channels, image.at(top + y, left + x));
}
constexpr Ellipse kEverywhere{0, 0, 1e9, 1e9};

void draw_stars(const fs::path& data, const fs::path& out) {
  const Image sky =
      resize_image(cut(load_image(data / "hubble_deep_field.jpg"), 280, 440, 420, 560), 180, 240);
  save_png(out / "stars.png", sky);
  Image painting{180, 240, 3, {}};
  for (int64_t i = 0; i < 180 * 240; ++i)
    painting.pixels.insert(painting.pixels.end(), {0.04f, 0.04f, 0.05f});
  const std::vector<float> amber = {0.86f, 0.66f, 0.46f}, white = {0.92f, 0.92f, 0.96f},
                           blue = {0.55f, 0.65f, 0.85f}, red = {0.75f, 0.25f, 0.2f};
  for (const Ellipse& galaxy : {Ellipse{50, 60, 9, 9}, {125, 185, 11, 11}, {60, 200, 4, 12, -0.8}})
    fill(painting, galaxy, amber);
  for (const Ellipse& star : {Ellipse{95, 120, 6, 6}, {30, 150, 4, 4}, {150, 70, 5, 5}})
    fill(painting, star, white);
  for (const Ellipse& galaxy :
       {Ellipse{110, 40, 3, 8, 1}, {80, 160, 4, 4}, {155, 130, 3, 9, -1}, {20, 100, 4, 5}})
    fill(painting, galaxy, blue);
  for (const Ellipse& dwarf : {Ellipse{140, 25, 4, 4}, {35, 220, 4, 4}, {165, 215, 3, 5}, {75, 90, 3, 3}})
    fill(painting, dwarf, red);
  save_png(out / "stars_painting.png", painting);
}

void draw_launch(const fs::path& data, const fs::path& out) {
  const Image photograph = resize_image(load_image(data / "rocket.jpg"), 214, 320);
  save_png(out / "launch.png", photograph);

  // A cup of coffee in the sky.
  const Image coffee = load_image(data / "coffee.png");
  const Image cup = resize_image(cut(coffee, 0, 150, 320, 280), 80, 70);
  const Ellipse rim{28, 35.5, 24, 30};
  Image pasted = photograph, mask{214, 320, 1, std::vector<float>(214 * 320)};
  const int64_t top = 30, left = 205;
  paste(pasted, cup, top, left, rim);
  paste(mask, {80, 70, 1, std::vector<float>(80 * 70, 1.0f)}, top, left, rim);
  save_png(out / "launch_pasted.png", pasted);
  save_png(out / "launch_pasted_mask.png", mask);

  // The rocket once more, and a mast of another place.
  Image edited = photograph;
  paste(edited, cut(photograph, 58, 146, 140, 34), 66, 238, kEverywhere);
  paste(edited, cut(photograph, 55, 86, 130, 18), 62, 118, kEverywhere);
  save_png(out / "launch_edited.png", edited);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) return std::fprintf(stderr, "usage: singan_inputs SKIMAGE_DATA OUT\n"), 2;
  make_folder(argv[2]);
  draw_stars(argv[1], argv[2]);
  draw_launch(argv[1], argv[2]);
  return 0;
} catch (const std::exception& error) {
  return std::fprintf(stderr, "singan_inputs: %s\n", error.what()), 1;
}
