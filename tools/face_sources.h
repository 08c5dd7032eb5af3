// Where the pictures of a face data set come from: a folder or a tar archive.
#pragma once
#include <string>
#include <vector>

#include "engine/big_file.h"

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

/// A picture or table entry without folders, extension and RAF-DB's "_aligned": what labels, landmarks and
/// pictures are matched by.
std::string picture_key(const std::string& name);

/// Regular files below `folder`, as paths relative to it, sorted. Error if it cannot be read.
std::vector<std::string> files_below(const fs::path& folder);
/// ".csv" of "a/B.CSV"; "" if there is none.
std::string lower_extension(const std::string& name);

}  // namespace sga
