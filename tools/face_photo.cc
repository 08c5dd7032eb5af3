#include "tools/face_photo.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tools/command.h"
#include "tools/face_labels.h"

namespace sga {
namespace {

constexpr int64_t kSmallestSide = 25;
constexpr double kTilt = 20;  // degrees
/// With (l - r) / (l + r) of the nose tip's distances from the ends of the jaw as a measure of turning, on
/// 1,324 CelebA pictures this warns of 14 of the 15 faces above 0.8, of 35 % of those from 0.6 to 0.8 and of
/// 5 % of the 679 below 0.2; of none of 204 studio portraits.
constexpr double kUnlike = 0.45;
constexpr double kOtherFace = 1.0 / 3;  // smaller ones beside a face are more often errors than people

bool lies_in(const Landmarks& points, const FaceBox& box) {
  double x = 0, y = 0;
  for (size_t i = 0; i < points.x.size(); ++i) x += double(points.x[i]), y += double(points.y[i]);
  const Point at = to_crop(box, x / double(points.x.size()), y / double(points.x.size()));
  return at.x > 0 && at.x < 1 && at.y > 0 && at.y < 1;
}

/// The table of one picture in a folder: that of its name.
fs::path table_in(const fs::path& folder, const std::string& picture) {
  for (const std::string& name : files_below(folder))
    if (lower_extension(name) == ".csv" && picture_key(name) == picture_key(picture)) return folder / name;
  fail(folder.string(), " holds no usable row for ", picture, ": there is no ", picture_key(picture), ".csv");
}

}  // namespace

double mirror_likeness(const Image& photo, const FaceRectangle& face) {
  constexpr int64_t kSide = 64, kHalf = 26, kShift = 5, kRim = 3;  // pixels of the face as it is compared
  const Image grey = convert_channels(crop_face(photo, {face.x, face.y, face.width}, kSide), 1);
  double best = -1;
  for (int64_t axis = kSide / 2 - kShift; axis <= kSide / 2 + kShift; ++axis) {  // before this column
    double n = 0, sum = 0, squares = 0, products = 0;
    for (int64_t y = kRim; y < kSide - kRim; ++y)
      for (int64_t x = 0; x < kHalf; ++x) {
        const double left = double(*grey.at(y, axis - 1 - x)), right = double(*grey.at(y, axis + x));
        n += 2;
        sum += left + right;
        squares += left * left + right * right;
        products += 2 * left * right;
      }
    const double variance = squares - sum * sum / n;
    if (variance > 0) best = std::max(best, (products - sum * sum / n) / variance);
  }
  return best;
}

std::string pose_warning(const Image& photo, const FaceRectangle& face) {
  if (face.eyes) {
    const auto& [left, right] = *face.eyes;
    const double tilt = std::atan2(right.y - left.y, right.x - left.x) * 180 / std::numbers::pi;
    if (std::abs(tilt) <= kTilt) return "";
    return "it is tilted by " + std::to_string(std::lround(std::abs(tilt))) + " degrees";
  }
  return mirror_likeness(photo, face) < kUnlike ? "its two eyes were not found and its halves are unlike, so "
                                                  "it may be turned to the side or covered"
                                                : "";
}

FacePhoto find_face(Image photo, const std::string& name, const std::string& crop_recipe, int64_t which,
                    FaceDetector& detector) {
  SGA_CHECK(std::min(photo.height, photo.width) >= kSmallestSide, name, " is ", photo.width, "x",
            photo.height, " pixels, a face needs at least ", kSmallestSide,
            " on each side; give a larger picture");
  if (photo.channels != 3) photo = convert_channels(photo, 3);
  const std::vector<FaceRectangle> faces = detector.detect(photo, true);
  SGA_CHECK(!faces.empty(), "no face was found in ", name,
            "; give a photograph with one upright, frontal face");
  SGA_CHECK(which <= int64_t(faces.size()), "there is no face ", which, " in ", name, ", where ",
            faces.size(), faces.size() == 1 ? " was found" : " were found");
  const FaceRectangle& face = faces[size_t(std::max<int64_t>(which, 1) - 1)];
  const auto others = std::count_if(faces.begin(), faces.end(), [&](const FaceRectangle& other) {
    return other.width >= kOtherFace * face.width;
  });
  if (which == 0 && others > 1)
    warn(name + " shows " + std::to_string(others) +
         " faces; the largest is taken, and --face 2 is the next");
  if (const std::string pose = pose_warning(photo, face); !pose.empty())
    warn("the face in " + name + " may come out badly: " + pose);
  return {name, std::move(photo), box_from_detection(face, parse_crop_recipe(crop_recipe))};
}

ActionUnits read_action_units(const fs::path& table, const std::string& picture,
                              const std::optional<FaceBox>& box) {
  std::error_code ignored;
  const bool folder = fs::is_directory(table, ignored);
  const fs::path file = folder ? table_in(table, picture) : table;
  const FaceTable all = read_face_table({file});
  std::vector<FaceRow> rows;
  for (const FaceRow& row : all.rows)
    if (!all.has_image || folder || picture.empty() || picture_key(row.image) == picture_key(picture))
      rows.push_back(row);
  SGA_CHECK(!rows.empty(), file.string(), " holds no usable row for ", picture.empty() ? "a face" : picture,
            all.rejected.empty() ? "" : "; the first that is not: " + all.rejected.front().reason);
  for (const FaceRow& row : rows) {
    SGA_CHECK(row.frame == rows.front().frame, file.string(),
              " holds the frames of a video, and a photograph has one; give a table of one picture, or see "
              "ganimation sequence");
    SGA_CHECK(!picture.empty() || row.image == rows.front().image, file.string(),
              " holds rows for several pictures; give a table of one");
  }
  const auto rank = [&](const FaceRow& row) {
    return std::pair(box && row.landmarks && lies_in(*row.landmarks, *box), row.confidence);
  };
  return std::max_element(rows.begin(), rows.end(),
                          [&](const FaceRow& a, const FaceRow& b) { return rank(a) < rank(b); })
      ->action_units();
}

}  // namespace sga
