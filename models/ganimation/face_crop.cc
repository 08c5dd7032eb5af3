#include "models/ganimation/face_crop.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "models/ganimation/csv.h"

namespace sga {
namespace {

/// Share of the landmarks' larger side by which the square moves up. The points end at the brows; hairline to
/// brows is about half of brows to chin, so a centred square would cut the forehead and show the neck.
constexpr double kForehead = 0.12;

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

/// Taps of `count` output pixels whose centres lie at start + i * step in input coordinates (input pixel j
/// has its centre at j). Steps above 1 widen the filter, which makes it an average.
std::vector<Taps> make_taps(double start, double step, int64_t count) {
  const double scale = std::max(1.0, step);
  std::vector<Taps> taps(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    Taps& tap = taps[static_cast<size_t>(i)];
    const double centre = start + static_cast<double>(i) * step;
    tap.first = static_cast<int64_t>(std::ceil(centre - 2 * scale));
    const auto last = static_cast<int64_t>(std::floor(centre + 2 * scale));
    double sum = 0;
    for (int64_t j = tap.first; j <= last; ++j) sum += cubic((static_cast<double>(j) - centre) / scale);
    for (int64_t j = tap.first; j <= last; ++j)
      tap.weights.push_back(static_cast<float>(cubic((static_cast<double>(j) - centre) / scale) / sum));
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

void check_box(const Image& photo, const FaceBox& box) {
  SGA_CHECK(photo.height > 0 && photo.width > 0 && photo.channels > 0, "face crop: the picture is empty");
  SGA_CHECK(std::isfinite(box.x) && std::isfinite(box.y) && box.size >= 1 && box.size <= 4.0 * kMaxSide,
            "face crop: the square must have a side of at least 1 pixel, got x ", box.x, ", y ", box.y,
            ", side ", box.size);
  SGA_CHECK(box.x < static_cast<double>(photo.width) && box.y < static_cast<double>(photo.height) &&
                box.x + box.size > 0 && box.y + box.size > 0,
            "face crop: the square at x ", box.x, ", y ", box.y, ", side ", box.size,
            " lies outside the picture of ", photo.width, "x", photo.height, " pixels");
}

std::string number(double v) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, v).ptr};
}

}  // namespace

std::string to_text(const CropRecipe& recipe) {
  return "mode=" + recipe.mode + " margin=" + number(recipe.margin) + " size=" + std::to_string(recipe.size);
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
    else
      SGA_CHECK(word.empty(), "crop recipe: '", word, "' is unknown; expected mode=, margin= and size=");
  }
  SGA_CHECK(recipe.mode == "landmarks" || recipe.mode == "detector",
            "crop recipe: mode must be landmarks or detector, got '", text, "'");
  SGA_CHECK(recipe.margin >= 1 && recipe.margin <= 4, "crop recipe: margin must be in [1,4], got '", text,
            "'");
  SGA_CHECK(recipe.size >= 16 && recipe.size <= 1024, "crop recipe: size must be in [16,1024], got '", text,
            "'");
  return recipe;
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
  constexpr double kSide = 0.867, kDown = 0.170;
  const double larger = kSide * face.width, side = margin * larger;
  return {face.x + face.width / 2 - side / 2,
          face.y + face.height / 2 + kDown * face.width - kForehead * larger - side / 2, side};
}

Image crop_face(const Image& photo, const FaceBox& box, int64_t size) {
  check_box(photo, box);
  SGA_CHECK(size >= 1 && size <= kMaxSide, "face crop: size must be in [1,", kMaxSide, "], got ", size);
  const double step = box.size / static_cast<double>(size);
  Image out = filter(photo, make_taps(box.y + step / 2 - 0.5, step, size),
                     make_taps(box.x + step / 2 - 0.5, step, size));
  for (float& v : out.pixels) v = std::clamp(v, 0.0f, 1.0f);
  return out;
}

double feather_weight(double u, double v, double feather) {
  const auto ramp = [feather](double t) {
    const double s = std::clamp(std::min(t, 1 - t) / feather, 0.0, 1.0);
    return s * s * (3 - 2 * s);
  };
  return ramp(u) * ramp(v);
}

Image paste_face(const Image& photo, const FaceBox& box, const Image& original, const Image& edited,
                 double feather) {
  check_box(photo, box);
  const int64_t n = original.height;
  SGA_CHECK(original.width == n && edited.height == n && edited.width == n && n > 0 &&
                original.channels == 3 && edited.channels == 3 && photo.channels == 3,
            "paste: expected two square RGB crops of one size and an RGB photograph, got ", original.width,
            "x", original.height, ", ", edited.width, "x", edited.height);
  SGA_CHECK(feather > 0 && feather <= 0.5, "paste: feather must be in (0, 0.5], got ", feather);
  Image difference = edited;
  for (size_t i = 0; i < difference.pixels.size(); ++i) difference.pixels[i] -= original.pixels[i];

  const double step = static_cast<double>(n) / box.size;  // crop pixels a photo pixel
  const auto x0 = std::max<int64_t>(0, static_cast<int64_t>(std::floor(box.x)));
  const auto y0 = std::max<int64_t>(0, static_cast<int64_t>(std::floor(box.y)));
  const auto x1 = std::min(photo.width, static_cast<int64_t>(std::ceil(box.x + box.size)));
  const auto y1 = std::min(photo.height, static_cast<int64_t>(std::ceil(box.y + box.size)));
  const auto place = [&](int64_t pixel, double corner) {
    return (static_cast<double>(pixel) + 0.5 - corner) / box.size;
  };
  const Image grown =
      filter(difference, make_taps(place(y0, box.y) * static_cast<double>(n) - 0.5, step, y1 - y0),
             make_taps(place(x0, box.x) * static_cast<double>(n) - 0.5, step, x1 - x0));
  Image out = photo;
  for (int64_t y = y0; y < y1; ++y)
    for (int64_t x = x0; x < x1; ++x) {
      const auto weight = static_cast<float>(feather_weight(place(x, box.x), place(y, box.y), feather));
      const float* change = grown.at(y - y0, x - x0);
      float* p = out.at(y, x);
      for (int64_t j = 0; j < 3; ++j)
        if (weight * change[j] != 0) p[j] = std::clamp(p[j] + weight * change[j], 0.0f, 1.0f);
    }
  return out;
}

}  // namespace sga
