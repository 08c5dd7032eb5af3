#include "models/ganimation/face_crop.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "models/ganimation/csv.h"

namespace sga {
namespace {

/// Share of the landmarks' larger side by which the square moves up. The points end at the brows; hairline to
/// brows is about half of brows to chin, so a centred square would cut the forehead and show the neck.
constexpr double kForehead = 0.12;

/// The same side of a face as a share of the width of the rectangle that the detector finds.
constexpr double kDetectedSide = 0.867;

/// Keys' cubic with a = -1/2, support 2.
double cubic(double t) {
  t = std::abs(t);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  if (t < 2) return ((-0.5 * t + 2.5) * t - 4) * t + 2;
  return 0;
}

/// What one output pixel reads along one axis: weights of inputs first, first + 1, ..., which sum to 1.
struct Taps {
  int64_t first = 0;
  std::vector<float> weights;
};

/// Taps at one place (input pixel j has its centre at j); `scale` above 1 widens the filter, which makes it
/// an average.
void taps_at(double centre, double scale, Taps& tap) {
  tap.first = static_cast<int64_t>(std::ceil(centre - 2 * scale));
  const auto last = static_cast<int64_t>(std::floor(centre + 2 * scale));
  tap.weights.clear();
  float sum = 0;
  for (int64_t j = tap.first; j <= last; ++j) {
    tap.weights.push_back(static_cast<float>(cubic((static_cast<double>(j) - centre) / scale)));
    sum += tap.weights.back();
  }
  for (float& w : tap.weights) w /= sum;
}

/// Taps of `count` output pixels whose centres lie at start + i * step.
std::vector<Taps> make_taps(double start, double step, int64_t count) {
  std::vector<Taps> taps;
  for (int64_t i = 0; i < count; ++i)
    taps_at(start + static_cast<double>(i) * step, std::max(1.0, step), taps.emplace_back());
  return taps;
}

/// OpenCV's INTER_LINEAR along one axis: two inputs, no averaging, the edge repeated.
std::vector<Taps> bilinear_taps(int64_t from, int64_t count) {
  std::vector<Taps> taps;
  for (int64_t i = 0; i < count; ++i) {
    const double at =
        (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(count) - 0.5;
    const double first = std::floor(at);
    const auto second = static_cast<float>(at - first);
    taps.push_back({static_cast<int64_t>(first), {1 - second, second}});
  }
  return taps;
}

/// Separable filter; reads beyond the picture repeat its edge.
Image filter(const Image& in, const std::vector<Taps>& rows, const std::vector<Taps>& columns) {
  const int64_t c = in.channels, w = static_cast<int64_t>(columns.size()),
                h = static_cast<int64_t>(rows.size());
  int64_t top = in.height - 1, bottom = 0;
  for (const Taps& tap : rows) {
    top = std::clamp<int64_t>(tap.first, 0, top);
    bottom =
        std::clamp<int64_t>(tap.first + static_cast<int64_t>(tap.weights.size()) - 1, bottom, in.height - 1);
  }
  std::vector<float> across(
      static_cast<size_t>((bottom - top + 1) * w * c));  // rows top..bottom, filtered along x
  for (int64_t y = top; y <= bottom; ++y)
    for (int64_t x = 0; x < w; ++x) {
      const Taps& tap = columns[static_cast<size_t>(x)];
      float* out = across.data() + ((y - top) * w + x) * c;
      for (size_t k = 0; k < tap.weights.size(); ++k) {
        const float* p = in.at(y, std::clamp<int64_t>(tap.first + static_cast<int64_t>(k), 0, in.width - 1));
        for (int64_t j = 0; j < c; ++j) out[j] += tap.weights[k] * p[j];
      }
    }
  Image out{h, w, c, std::vector<float>(static_cast<size_t>(h * w * c))};
  for (int64_t y = 0; y < h; ++y) {
    const Taps& tap = rows[static_cast<size_t>(y)];
    float* to = out.at(y, 0);
    for (size_t k = 0; k < tap.weights.size(); ++k) {
      const int64_t row = std::clamp<int64_t>(tap.first + static_cast<int64_t>(k), 0, in.height - 1);
      const float* from = across.data() + (row - top) * w * c;
      for (int64_t j = 0; j < w * c; ++j) to[j] += tap.weights[k] * from[j];
    }
  }
  return out;
}

/// h x w pixels whose centres lie in `in` where `place(y, x)` says (in pixels, [i, i+1) is pixel i), filtered
/// along the axes of `in`; places it calls none (empty) stay 0.
template <class Place>
Image turned(const Image& in, int64_t h, int64_t w, double scale_x, double scale_y, const Place& place) {
  const int64_t c = in.channels;
  Image out{h, w, c, std::vector<float>(static_cast<size_t>(h * w * c))};
  // Of a photograph much larger than the crop a pixel is an average of thousands. Small ones come from data
  // sets, many at a time.
#pragma omp parallel for if (scale_x * scale_y * static_cast <double>(h * w) > 1e6)
  for (int64_t y = 0; y < h; ++y) {
    Taps across, down;
    for (int64_t x = 0; x < w; ++x) {
      const std::optional<Point> at = place(y, x);
      if (!at) continue;
      taps_at(at->x - 0.5, std::max(1.0, scale_x), across);
      taps_at(at->y - 0.5, std::max(1.0, scale_y), down);
      const auto columns = static_cast<int64_t>(across.weights.size());
      const bool inside = across.first >= 0 && across.first + columns <= in.width;
      float* to = out.at(y, x);
      for (size_t i = 0; i < down.weights.size(); ++i) {
        const int64_t row = std::clamp<int64_t>(down.first + static_cast<int64_t>(i), 0, in.height - 1);
        const float* p = in.at(row, inside ? across.first : 0);
        for (int64_t k = 0; k < columns; ++k) {
          if (!inside) p = in.at(row, std::clamp<int64_t>(across.first + k, 0, in.width - 1));
          const float weight = down.weights[i] * across.weights[static_cast<size_t>(k)];
          for (int64_t j = 0; j < c; ++j) to[j] += weight * p[j];
          p += c;
        }
      }
    }
  }
  return out;
}

/// The upright rectangle around a box.
struct Bounds {
  double left, top, right, bottom;
};
Bounds bounds(const FaceBox& box) {
  if (box.angle == 0) return {box.x, box.y, box.x + box.size, box.y + box.size * box.stretch};
  Bounds b{HUGE_VAL, HUGE_VAL, -HUGE_VAL, -HUGE_VAL};
  for (const double u : {0.0, 1.0})
    for (const double v : {0.0, 1.0}) {
      const Point p = to_photo(box, u, v);
      b = {std::min(b.left, p.x), std::min(b.top, p.y), std::max(b.right, p.x), std::max(b.bottom, p.y)};
    }
  return b;
}

void check_box(const Image& photo, const FaceBox& box) {
  SGA_CHECK(photo.height > 0 && photo.width > 0 && photo.channels > 0, "face crop: the picture is empty");
  SGA_CHECK(std::isfinite(box.x) && std::isfinite(box.y) && box.size >= 1 && box.size <= 4.0 * kMaxSide,
            "face crop: the square must have a side of at least 1 pixel, got x ", box.x, ", y ", box.y,
            ", side ", box.size);
  SGA_CHECK(
      std::isfinite(box.angle) && box.stretch >= 0.25 && box.stretch <= 4 && box.via >= 0 && box.via <= 1024,
      "face crop: the box cannot be turned by ", box.angle, ", stretched by ", box.stretch, " or reduced to ",
      box.via, " pixels");
  const Bounds b = bounds(box);
  SGA_CHECK(b.left < static_cast<double>(photo.width) && b.top < static_cast<double>(photo.height) &&
                b.right > 0 && b.bottom > 0,
            "face crop: the square at x ", box.x, ", y ", box.y, ", side ", box.size,
            " lies outside the picture of ", photo.width, "x", photo.height, " pixels");
}

std::string number(double v) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, v).ptr};
}

}  // namespace

std::string to_text(const CropRecipe& recipe) {
  return "mode=" + recipe.mode + " margin=" + number(recipe.margin) + " size=" + std::to_string(recipe.size) +
         (recipe.crop == "box" ? "" : " crop=" + recipe.crop);
}

CropRecipe parse_crop_recipe(const std::string& text) {
  CropRecipe recipe{"", 0, 0};
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    begin = end + 1;
    if (word.starts_with("mode="))
      recipe.mode = word.substr(5);
    else if (word.starts_with("margin="))
      SGA_CHECK(parse_number(word.substr(7), recipe.margin), "crop recipe: margin is no number in '", text,
                "'");
    else if (word.starts_with("size="))
      SGA_CHECK(parse_number(word.substr(5), recipe.size), "crop recipe: size is no number in '", text, "'");
    else if (word.starts_with("crop="))
      recipe.crop = word.substr(5);
    else
      SGA_CHECK(word.empty(), "crop recipe: '", word,
                "' is unknown; expected mode=, margin=, size= and crop=");
  }
  const bool picture = recipe.crop == "whole" || recipe.crop == "thesis";
  SGA_CHECK(picture || recipe.crop == "box" || recipe.crop == "eyes",
            "crop recipe: crop must be box, eyes, whole or thesis, got '", text, "'");
  SGA_CHECK(
      picture ? recipe.mode == "picture" : recipe.mode == "landmarks" || recipe.mode == "detector",
      "crop recipe: mode must be landmarks or detector, and picture where whole pictures are taken, got '",
      text, "'");
  SGA_CHECK(recipe.margin >= 1 && recipe.margin <= 4, "crop recipe: margin must be in [1,4], got '", text,
            "'");
  SGA_CHECK(recipe.size >= 16 && recipe.size <= 1024, "crop recipe: size must be in [16,1024], got '", text,
            "'");
  return recipe;
}

Point to_photo(const FaceBox& box, double u, double v) {
  const double x = (u - 0.5) * box.size, y = (v - 0.5) * box.size * box.stretch;
  const double c = std::cos(box.angle), s = std::sin(box.angle);
  return {box.x + box.size / 2 + c * x - s * y, box.y + box.size * box.stretch / 2 + s * x + c * y};
}

Point to_crop(const FaceBox& box, double x, double y) {
  const double dx = x - box.x - box.size / 2, dy = y - box.y - box.size * box.stretch / 2;
  const double c = std::cos(box.angle), s = std::sin(box.angle);
  return {0.5 + (c * dx + s * dy) / box.size, 0.5 + (c * dy - s * dx) / (box.size * box.stretch)};
}

FaceBox box_from_landmarks(const Landmarks& points, double margin) {
  const auto [left, right] = std::minmax_element(points.x.begin(), points.x.end());
  const auto [top, bottom] = std::minmax_element(points.y.begin(), points.y.end());
  const double larger = std::max(*right - *left, *bottom - *top), side = margin * larger;
  SGA_CHECK(larger >= 1, "face crop: the landmarks lie on one point");
  return {(*left + *right) / 2.0 - side / 2, (*top + *bottom) / 2.0 - kForehead * larger - side / 2, side};
}

FaceBox box_from_detection(const FaceRectangle& face, double margin) {
  // Measured on 1,445 aligned CelebA faces against their 68 landmarks, in widths of the rectangle the cascade
  // haarcascade_frontalface_alt2 finds: larger side of the landmarks' bounding box 0.867 (standard deviation
  // 0.058), its centre 0.170 (0.026) below the rectangle's and 0.006 (0.076, from turned heads) beside it.
  constexpr double kDown = 0.170;
  const double larger = kDetectedSide * face.width, side = margin * larger;
  return {face.x + face.width / 2 - side / 2,
          face.y + face.height / 2 + kDown * face.width - kForehead * larger - side / 2, side};
}

FaceAnchors anchors_of(const Landmarks& p) {
  const auto middle = [&](std::initializer_list<size_t> which) {
    Point m;
    for (const size_t i : which) m = {m.x + p.x[i], m.y + p.y[i]};
    return Point{m.x / static_cast<double>(which.size()), m.y / static_cast<double>(which.size())};
  };
  return {middle({36, 37, 38, 39, 40, 41}), middle({42, 43, 44, 45, 46, 47}), middle({48, 54})};
}

namespace {

/// A box `width` wide and stretch * width high, turned like the line through the eyes, in which the middle of
/// the eyes lies at shares (0.5, at_v).
FaceBox box_at_eyes(const Point& left, const Point& right, double width, double stretch, double at_v) {
  FaceBox box{0, 0, width, std::atan2(right.y - left.y, right.x - left.x), stretch, 0};
  if (std::abs(box.angle) < 1e-9) box.angle = 0;
  const Point at = to_photo(box, 0.5, at_v);
  box.x = (left.x + right.x) / 2 - at.x;
  box.y = (left.y + right.y) / 2 - at.y;
  return box;
}

// Measured on the 68 landmarks of 14,000 aligned CelebA pictures, as mean (standard deviation):
//   mouth to eyes / distance of the eyes                          1.05 (0.10)
//   larger side of the landmarks' bounding box / U                2.21 (0.08); / distance of the eyes 2.28
//   (0.13) centre of that box below the eyes, in U                       0.71 (0.05) width of the picture /
//   U                                      4.47 (0.18); the eyes' middle at (88.5, 112.0) (0.8) width of the
//   picture / larger side of the landmarks           2.03 (0.11); their centre at y 140.3 (2.2)
constexpr double kMouth = 1.05, kSidePerUnit = 2.21, kCentreBelowEyes = 0.71 - kForehead * kSidePerUnit;
constexpr double kCelebaWidth = 178, kCelebaHeight = 218;
constexpr double kCelebaPerUnit = 4.47, kCelebaEyes = 112.0, kCelebaPerSide = 2.03, kCelebaCentre = 140.3;

FaceBox eyes_box(const Point& left, const Point& right, double unit, double margin) {
  const double side = margin * kSidePerUnit * unit;
  return box_at_eyes(left, right, side, 1, 0.5 - kCentreBelowEyes * unit / side);
}

/// U of a detection: the distance of the eyes and the width of the rectangle both tell it, with errors of
/// their own (8 % and 6 %), so their geometric mean does better (5 %).
double unit_of(const FaceRectangle& face) {
  const auto& [left, right] = *face.eyes;
  return std::sqrt(std::hypot(right.x - left.x, right.y - left.y) * kDetectedSide * face.width /
                   kSidePerUnit);
}

/// What an aligned CelebA picture would show of this face.
FaceBox celeba_box(const FaceRectangle& face) {
  FaceBox box;
  if (face.eyes) {
    const auto& [left, right] = *face.eyes;
    box = box_at_eyes(left, right, kCelebaPerUnit * unit_of(face), kCelebaHeight / kCelebaWidth,
                      kCelebaEyes / kCelebaHeight);
  } else {
    const FaceBox square = box_from_detection(face, 1);  // moved up for the forehead, by a share of its side
    const double width = kCelebaPerSide * square.size, scale = width / kCelebaWidth;
    box = {square.x + square.size / 2 - width / 2,
           square.y + (0.5 + kForehead) * square.size - kCelebaCentre * scale,
           width,
           0,
           kCelebaHeight / kCelebaWidth,
           0};
  }
  box.via = static_cast<int64_t>(kCelebaWidth);
  return box;
}

}  // namespace

FaceBox box_from_anchors(const FaceAnchors& a, double margin) {
  const Point eyes{(a.left_eye.x + a.right_eye.x) / 2, (a.left_eye.y + a.right_eye.y) / 2};
  const double apart = std::hypot(a.right_eye.x - a.left_eye.x, a.right_eye.y - a.left_eye.y);
  const double unit = std::max(apart, std::hypot(a.mouth.x - eyes.x, a.mouth.y - eyes.y) / kMouth);
  SGA_CHECK(unit >= 1 && apart > 0, "face crop: eyes and mouth lie on one point");
  return eyes_box(a.left_eye, a.right_eye, unit, margin);
}

FaceBox box_from_landmarks(const Landmarks& points, const CropRecipe& recipe) {
  return recipe.crop == "eyes" ? box_from_anchors(anchors_of(points), recipe.margin)
                               : box_from_landmarks(points, recipe.margin);
}

FaceBox box_from_detection(const FaceRectangle& face, const CropRecipe& recipe) {
  if (recipe.crop == "thesis") return celeba_box(face);
  if (recipe.crop != "eyes" || !face.eyes) return box_from_detection(face, recipe.margin);
  const auto& [left, right] = *face.eyes;
  return eyes_box(left, right, unit_of(face), recipe.margin);
}

FaceBox box_of_picture(const Image& picture, const CropRecipe& recipe) {
  const auto w = static_cast<double>(picture.width), h = static_cast<double>(picture.height);
  if (recipe.crop == "whole") {
    SGA_CHECK(picture.width == picture.height, "face crop: crop=whole needs square pictures, got ",
              picture.width, "x", picture.height);
    return {0, 0, w};
  }
  SGA_CHECK(std::abs(h / w - kCelebaHeight / kCelebaWidth) < 0.02,
            "face crop: crop=thesis needs CelebA's aligned pictures of 178x218 pixels, got ", picture.width,
            "x", picture.height);
  return {0, 0, w, 0, h / w, static_cast<int64_t>(kCelebaWidth)};
}

Image crop_face(const Image& photo, const FaceBox& box, int64_t size) {
  check_box(photo, box);
  SGA_CHECK(size >= 1 && size <= kMaxSide, "face crop: size must be in [1,", kMaxSide, "], got ", size);
  const int64_t w = box.via > 0 ? box.via : size;
  const int64_t h = box.via > 0 ? std::llround(static_cast<double>(w) * box.stretch) : size;
  const double across = box.size / static_cast<double>(w),
               down = box.size * box.stretch / static_cast<double>(h);
  Image out;
  if (box.angle == 0)
    out = filter(photo, make_taps(box.y + down / 2 - 0.5, down, h),
                 make_taps(box.x + across / 2 - 0.5, across, w));
  else
    out = turned(photo, h, w, across, down, [&](int64_t y, int64_t x) -> std::optional<Point> {
      return to_photo(box, (static_cast<double>(x) + 0.5) / static_cast<double>(w),
                      (static_cast<double>(y) + 0.5) / static_cast<double>(h));
    });
  for (float& v : out.pixels) v = std::clamp(v, 0.0f, 1.0f);
  return box.via > 0 ? filter(out, bilinear_taps(h, size), bilinear_taps(w, size)) : out;
}

double feather_weight(double u, double v, double feather) {
  const auto ramp = [feather](double t) {
    const double s = std::clamp(std::min(t, 1 - t) / feather, 0.0, 1.0);
    return s * s * (3 - 2 * s);
  };
  return ramp(u) * ramp(v);
}

namespace {

constexpr int64_t kLayers = 4;  // three of change, one of paint: a vector of four floats

/// C - I and 1 - A side by side.
Image layers_of(const Image& crop, const FacePaint& paint) {
  Image layers{crop.height, crop.width, kLayers, {}};
  layers.pixels.resize(static_cast<size_t>(crop.height * crop.width * kLayers));
  for (int64_t i = 0; i < crop.height * crop.width; ++i) {
    float* to = layers.pixels.data() + i * kLayers;
    for (int64_t j = 0; j < 3; ++j)
      to[j] =
          paint.colour.pixels[static_cast<size_t>(3 * i + j)] - crop.pixels[static_cast<size_t>(3 * i + j)];
    to[3] = 1 - paint.attention.pixels[static_cast<size_t>(i)];
  }
  return layers;
}

/// Adds the enlarged layers at one pixel.
void paint_pixel(float* pixel, const float* layers, float weight) {
  const float share = weight * std::clamp(layers[3], 0.0f, 1.0f);
  for (int64_t j = 0; j < 3; ++j)
    if (share * layers[j] != 0) pixel[j] = std::clamp(pixel[j] + share * layers[j], 0.0f, 1.0f);
}

/// Pixels of the photograph, [left, right) x [top, bottom).
struct Window {
  int64_t left, top, right, bottom;
};

/// Rows and columns of an upright box are those of the photograph: the layers are enlarged along x once, and
/// along y as the rows come.
void paste_upright(Image& photo, const FaceBox& box, const Image& layers, const Window& window,
                   double feather) {
  const auto side = static_cast<double>(layers.width);
  const int64_t w = window.right - window.left;
  const Point corner =
      to_crop(box, static_cast<double>(window.left) + 0.5, static_cast<double>(window.top) + 0.5);
  const double across = 1 / box.size, down = across / box.stretch;  // shares of the crop a pixel
  std::vector<Taps> unchanged;
  for (int64_t i = 0; i < layers.height; ++i) unchanged.push_back({i, {1}});
  const Image wide = filter(layers, unchanged, make_taps(corner.x * side - 0.5, across * side, w));
  const std::vector<Taps> rows = make_taps(corner.y * side - 0.5, down * side, window.bottom - window.top);
  std::vector<float> ramp;
  for (int64_t x = 0; x < w; ++x)
    ramp.push_back(
        static_cast<float>(feather_weight(corner.x + static_cast<double>(x) * across, 0.5, feather)));
#pragma omp parallel
  {
    std::vector<float> row(static_cast<size_t>(w * kLayers));
#pragma omp for
    for (int64_t y = window.top; y < window.bottom; ++y) {
      const Taps& taps = rows[static_cast<size_t>(y - window.top)];
      std::fill(row.begin(), row.end(), 0.0f);
      for (size_t k = 0; k < taps.weights.size(); ++k) {
        const float* from =
            wide.at(std::clamp<int64_t>(taps.first + static_cast<int64_t>(k), 0, wide.height - 1), 0);
        for (int64_t i = 0; i < w * kLayers; ++i) row[static_cast<size_t>(i)] += taps.weights[k] * from[i];
      }
      const auto edge = static_cast<float>(
          feather_weight(0.5, corner.y + static_cast<double>(y - window.top) * down, feather));
      for (int64_t x = 0; x < w; ++x)
        paint_pixel(photo.at(y, window.left + x), row.data() + x * kLayers,
                    edge * ramp[static_cast<size_t>(x)]);
    }
  }
}

/// Keys' cubic at the four neighbours of a place `t` in [0,1) after the second.
std::array<float, 4> four_taps(double t) {
  return {static_cast<float>(cubic(t + 1)), static_cast<float>(cubic(t)), static_cast<float>(cubic(1 - t)),
          static_cast<float>(cubic(2 - t))};
}

/// Of a turned box every pixel is looked up by itself.
void paste_turned(Image& photo, const FaceBox& box, const Image& layers, const Window& window,
                  double feather) {
  const auto side = static_cast<double>(layers.width);
  const int64_t last = layers.width - 1;
#pragma omp parallel for
  for (int64_t y = window.top; y < window.bottom; ++y)
    for (int64_t x = window.left; x < window.right; ++x) {
      const Point at = to_crop(box, static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5);
      if (at.x <= 0 || at.x >= 1 || at.y <= 0 || at.y >= 1) continue;
      const double u = at.x * side - 0.5, v = at.y * side - 0.5;
      const auto column = static_cast<int64_t>(std::floor(u)), line = static_cast<int64_t>(std::floor(v));
      const std::array<float, 4> across = four_taps(u - static_cast<double>(column)),
                                 down = four_taps(v - static_cast<double>(line));
      float sum[kLayers] = {};
      for (int64_t i = 0; i < 4; ++i)
        for (int64_t k = 0; k < 4; ++k) {
          const float* from = layers.at(std::clamp<int64_t>(line - 1 + i, 0, last),
                                        std::clamp<int64_t>(column - 1 + k, 0, last));
          const float weight = down[static_cast<size_t>(i)] * across[static_cast<size_t>(k)];
          for (int64_t j = 0; j < kLayers; ++j) sum[j] += weight * from[j];
        }
      paint_pixel(photo.at(y, x), sum, static_cast<float>(feather_weight(at.x, at.y, feather)));
    }
}

}  // namespace

Image paste_face(Image photo, const FaceBox& box, const Image& crop, const FacePaint& paint, double feather) {
  check_box(photo, box);
  const int64_t n = crop.height;
  const auto fits = [n](const Image& image, int64_t channels) {
    return image.height == n && image.width == n && image.channels == channels;
  };
  SGA_CHECK(
      n > 0 && fits(crop, 3) && fits(paint.colour, 3) && fits(paint.attention, 1) && photo.channels == 3,
      "paste: expected a square RGB crop, attention and colour of its size and an RGB photograph, got ",
      crop.width, "x", crop.height, "x", crop.channels, ", ", paint.attention.width, "x",
      paint.attention.height, "x", paint.attention.channels, ", ", paint.colour.width, "x",
      paint.colour.height, "x", paint.colour.channels, " and ", photo.channels, " channels");
  SGA_CHECK(feather > 0 && feather <= 0.5, "paste: feather must be in (0, 0.5], got ", feather);
  const Bounds b = bounds(box);
  const Window window{std::max<int64_t>(0, static_cast<int64_t>(std::floor(b.left))),
                      std::max<int64_t>(0, static_cast<int64_t>(std::floor(b.top))),
                      std::min(photo.width, static_cast<int64_t>(std::ceil(b.right))),
                      std::min(photo.height, static_cast<int64_t>(std::ceil(b.bottom)))};
  // A turned box larger in the crop than in the photograph needs averages, which four taps are not; its edit
  // is of so few pixels that aliasing does not show.
  (box.angle == 0 ? paste_upright : paste_turned)(photo, box, layers_of(crop, paint), window, feather);
  return photo;
}

}  // namespace sga
