// Where a face data set comes from: pictures in a folder or a tar archive, and the labels that belong to
// them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/big_file.h"
#include "models/ganimation/openface.h"

namespace sga {

/// The pictures of a folder (and the folders in it) or of a tar archive, sorted by name.
class PictureSource {
 public:
  /// Error if there is no such path, it is neither a folder nor a tar archive, or it holds no JPEG, PNG or
  /// BMP.
  explicit PictureSource(const fs::path& path);

  size_t count() const { return pictures_.size(); }
  /// Path within the folder or archive.
  const std::string& name(size_t i) const { return pictures_[i].name; }
  /// The file's bytes; may be called by several threads.
  Bytes read(size_t i) const;

 private:
  struct Picture {
    std::string name;
    std::span<const std::byte> bytes;  ///< within archive_, empty for a folder
  };
  fs::path folder_;
  MappedFile archive_;
  std::vector<Picture> pictures_;
};

/// A picture or table entry without folders and extension: what labels, landmarks and pictures are matched
/// by.
std::string picture_key(const std::string& name);

/// The label of one picture.
struct FaceLabel {
  FaceRow row;    ///< of the face OpenFace was surest of
  int faces = 1;  ///< rows of this picture
};

/// Labels by picture_key.
struct FaceLabels {
  std::unordered_map<std::string, FaceLabel> by_key;
  std::vector<RejectedRow> rejected;  ///< rows (and, in a folder, files) that cannot be used
  std::vector<std::string> order;     ///< keys as they came
};
/// From one CSV (also .gz) with an image column, or from a folder with one <picture>.csv a picture. Error on
/// a malformed CSV; in a folder a malformed file is rejected, and it is an Error if all are.
FaceLabels read_labels(const fs::path& path);

}  // namespace sga
