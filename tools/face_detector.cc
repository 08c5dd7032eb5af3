#include "tools/face_detector.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/core/utility.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/objdetect.hpp>
#include <tuple>

namespace sga {
namespace {

constexpr const char* kFace = "haarcascade_frontalface_alt2.xml";
constexpr const char* kEye = "haarcascade_eye_tree_eyeglasses.xml";
constexpr const char* kOpenEye = "haarcascade_eye.xml";  ///< finds more, and places them less well
constexpr int64_t kLongSide = 800;
/// Overlapping hits that make a face believable without an eye: closed, shaded or covered eyes.
constexpr int kSure = 20;
constexpr int kFaceSide = 200;  ///< eyes are looked for in faces of this width
/// Where the eyes of a face are, in widths of its rectangle: their distance, and their height.
constexpr double kApart = 0.385, kEyeHeight = 0.39, kOddPair = 0.5;

fs::path find_cascades(const fs::path& folder) {
  std::vector<fs::path> places = {"/usr/share/opencv4/haarcascades", "/usr/local/share/opencv4/haarcascades",
                                  "/usr/share/opencv/haarcascades"};
  if (!folder.empty()) places = {folder};
  std::string tried;
  for (const fs::path& place : places) {
    if (fs::is_regular_file(place / kFace) && fs::is_regular_file(place / kEye) &&
        fs::is_regular_file(place / kOpenEye))
      return place;
    tried += (tried.empty() ? "" : ", ") + place.string();
  }
  fail("cannot find OpenCV's face cascades ", kFace, ", ", kEye, " and ", kOpenEye, " in ", tried,
       "; install the package opencv-data");
}

void load(cv::CascadeClassifier& cascade, const fs::path& path) {
  bool loaded = false;
  try {
    loaded = cascade.load(path.string());
  } catch (const cv::Exception&) {  // a damaged file throws, an unreadable one returns false
  }
  SGA_CHECK(loaded, "cannot read the face cascade ", path);
}

/// Brightness as OpenCV's cascades take it, without the floats of convert_channels in between: a photograph
/// of 12 Mpx takes 30 ms instead of 120.
cv::Mat grey_bytes(const Image& photo) {
  if (photo.channels != 3) return grey_bytes(convert_channels(photo, 3));
  cv::Mat bytes(static_cast<int>(photo.height), static_cast<int>(photo.width), CV_8U);
  const float* __restrict from = photo.pixels.data();
  uint8_t* __restrict to = bytes.data;
  for (int64_t i = 0, n = photo.height * photo.width; i < n; ++i) {
    const float grey = 0.299f * from[3 * i] + 0.587f * from[3 * i + 1] + 0.114f * from[3 * i + 2];
    to[i] = static_cast<uint8_t>(static_cast<int>(std::min(grey, 1.0f) * 255 + 0.5f));
  }
  return bytes;
}

}  // namespace

struct FaceDetector::Cascades {
  cv::CascadeClassifier face, eye, open_eye;

  /// Faces of at least 1/share of the smaller side. The time goes into the small ones, so large ones are
  /// searched first.
  std::vector<cv::Rect> search(const cv::Mat& grey, int share) {
    cv::Mat picture;
    cv::equalizeHist(grey, picture);
    const int smallest = std::max(24, std::min(picture.rows, picture.cols) / share);
    std::vector<cv::Rect> found, faces;
    std::vector<int> votes;
    face.detectMultiScale(picture, found, votes, 1.1, 3, 0, {smallest, smallest});
    for (size_t i = 0; i < found.size(); ++i)
      if (votes[i] >= kSure || has_eye(picture, found[i])) faces.push_back(found[i]);
    return faces;
  }

  bool has_eye(const cv::Mat& picture, const cv::Rect& r) { return !eyes(eye, picture, r).empty(); }

  /// Rectangles of eyes in the upper part of a face, in shares of the face's width from its top left corner.
  static std::vector<cv::Rect2d> eyes(cv::CascadeClassifier& cascade, const cv::Mat& picture,
                                      const cv::Rect& r) {
    cv::Mat upper;
    cv::resize(picture({r.x, r.y, r.width, r.height * 6 / 10}), upper, {kFaceSide, kFaceSide * 6 / 10}, 0, 0,
               cv::INTER_LINEAR);
    std::vector<cv::Rect> found;
    cascade.detectMultiScale(upper, found, 1.1, 3, 0, {24, 24}, {90, 90});
    std::vector<cv::Rect2d> shares;
    for (const cv::Rect& e : found)
      shares.emplace_back(double(e.x) / kFaceSide, double(e.y) / kFaceSide, double(e.width) / kFaceSide,
                          double(e.height) / kFaceSide);
    return shares;
  }

  /// The two eyes of a face in shares of its width, or nothing: of all pairs the one most like a face.
  static std::optional<std::array<Point, 2>> pair_of_eyes(cv::CascadeClassifier& cascade,
                                                          const cv::Mat& picture, const cv::Rect& r) {
    const std::vector<cv::Rect2d> all = eyes(cascade, picture, r);
    std::optional<std::array<Point, 2>> best;
    double least = kOddPair;
    for (const cv::Rect2d& a : all)
      for (const cv::Rect2d& b : all) {
        const Point left{a.x + a.width / 2, a.y + a.height / 2}, right{b.x + b.width / 2, b.y + b.height / 2};
        const double apart = right.x - left.x;
        if (apart <= 0) continue;
        const double odd = std::abs(apart - kApart) / kApart + std::abs((left.x + right.x) / 2 - 0.5) +
                           std::abs((left.y + right.y) / 2 - kEyeHeight) +
                           0.5 * std::abs(right.y - left.y) / apart;
        if (odd < least) least = odd, best = {{left, right}};
      }
    return best;
  }
};

FaceDetector::FaceDetector(const fs::path& folder, int threads) : cascades_(std::make_unique<Cascades>()) {
  const fs::path place = find_cascades(folder);
  load(cascades_->face, place / kFace);
  load(cascades_->eye, place / kEye);
  load(cascades_->open_eye, place / kOpenEye);
  cv::setNumThreads(std::min(threads, cv::getNumberOfCPUs()));
}
FaceDetector::~FaceDetector() = default;
FaceDetector::FaceDetector(FaceDetector&&) noexcept = default;

std::vector<FaceRectangle> FaceDetector::detect(const Image& photo, bool small_too) {
  const double scale = std::min(
      1.0, static_cast<double>(kLongSide) / static_cast<double>(std::max(photo.height, photo.width)));
  cv::Mat bytes = grey_bytes(photo);
  if (scale < 1) cv::resize(bytes, bytes, {}, scale, scale, cv::INTER_AREA);

  std::vector<cv::Rect> found;
  if (!small_too) found = cascades_->search(bytes, 3);
  if (found.empty()) found = cascades_->search(bytes, 12);
  cv::Point border;
  if (found.empty()) {  // a face cut so close that it touches the edge is found once there is something
                        // around it
    border.x = border.y = std::max(bytes.rows, bytes.cols) / 4;
    cv::copyMakeBorder(bytes, bytes, border.y, border.y, border.x, border.x, cv::BORDER_REPLICATE);
    found = cascades_->search(bytes, 4);
  }
  std::sort(found.begin(), found.end(), [](const cv::Rect& a, const cv::Rect& b) {
    return std::tuple(b.width, a.y, a.x) < std::tuple(a.width, b.y, b.x);
  });
  cv::equalizeHist(bytes, bytes);
  std::vector<FaceRectangle> faces;
  for (const cv::Rect& r : found) {
    FaceRectangle face{(r.x - border.x) / scale, (r.y - border.y) / scale, r.width / scale, r.height / scale};
    auto eyes = Cascades::pair_of_eyes(cascades_->eye, bytes, r);
    if (!eyes) eyes = Cascades::pair_of_eyes(cascades_->open_eye, bytes, r);
    if (eyes) {
      for (Point& eye : *eyes) eye = {face.x + eye.x * face.width, face.y + eye.y * face.width};
      face.eyes = eyes;
    }
    faces.push_back(face);
  }
  return faces;
}

}  // namespace sga
