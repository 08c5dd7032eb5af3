// The face detector of a build without OpenCV: there is none.
#include "tools/face_detector.h"

namespace sga {

struct FaceDetector::Cascades {};

FaceDetector::FaceDetector(const fs::path&, int) {
  fail(
      "finding faces needs OpenCV and this build is without; configure with -DSGA_OPENCV=ON, or cut faces by "
      "facedata's --landmarks");
}
FaceDetector::~FaceDetector() = default;
FaceDetector::FaceDetector(FaceDetector&&) noexcept = default;

std::vector<FaceRectangle> FaceDetector::detect(const Image&, bool) { return {}; }

}  // namespace sga
