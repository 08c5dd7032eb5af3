// Finds faces in photographs with OpenCV's frontal Haar cascade; face_detector.cc is the only file that knows
// OpenCV.
#pragma once
#include <memory>
#include <vector>

#include "engine/image.h"
#include "models/ganimation/face_crop.h"

namespace sga {

/// Not for use by several threads at once: each needs its own.
class FaceDetector {
 public:
  /// Loads the cascades from `folder`, or from where Debian's opencv-data puts them. Error naming the places
  /// tried.
  ///   threads  that search one photograph; the same faces are found by any number, and they hold for all
  ///   detectors
  ///            of the process
  explicit FaceDetector(const fs::path& folder = {}, int threads = 1);
  ~FaceDetector();
  FaceDetector(FaceDetector&&) noexcept;

  /// Upright faces, largest first; empty if there is none. Faces below a quarter of the picture's smaller
  /// side are only looked for where there is no larger one, and down to a twelfth. A rectangle counts if an
  /// eye is found in its upper half or the cascade is very sure; it may leave the picture. `eyes` are set
  /// where OpenCV's eye cascade finds two that go together. Any channels; the search runs on at most 800
  /// pixels a side.
  ///   small_too  look for faces down to a twelfth in any case, as somebody may ask for the second largest
  std::vector<FaceRectangle> detect(const Image& photo, bool small_too = false);

 private:
  struct Cascades;
  std::unique_ptr<Cascades> cascades_;
};

}  // namespace sga
