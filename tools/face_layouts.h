// The folders in which published face data sets come, so that nobody has to rearrange them.
#pragma once
#include <optional>
#include <string>
#include <unordered_map>

#include "engine/io.h"
#include "models/ganimation/face_crop.h"

namespace sga {

/// What a data set's own files say. Keys are those of picture_key.
struct FaceLayout {
  fs::path images;                                       ///< folder or tar archive
  fs::path labels;                                       ///< empty: they do not come with the data set
  std::unordered_map<std::string, int64_t> people;       ///< empty: unknown
  std::unordered_map<std::string, bool> train;           ///< its own split; empty: it has none
  std::unordered_map<std::string, FaceAnchors> anchors;  ///< eyes and mouth, of some or all pictures
  std::string crop = "box";                              ///< the recipe these pictures are for
};

/// `root` is the data set's folder. Error naming what was looked for if it is not there, and the line of a
/// file that cannot be read.
///   plain       a folder or archive of pictures and nothing else
///   celeba      img_align_celeba (also in Img/, or as .tar); if present identity_CelebA.txt,
///               list_eval_partition.txt (0 trains, 1 and 2 test) and list_landmarks_align_celeba.txt, beside
///               it or in Anno/ and Eval/, as .txt or Kaggle's .csv
///   raf-db      basic/Image/original, else .../aligned; names begin with train_ or test_; if present
///               basic/Annotation/manual/<picture>_manu_attri.txt with five points
///   ganimation  imgs (else the folder itself), aus_openface.pkl (or aus.pkl, aus_dataset.pkl), and if
///   present
///               train_ids.csv and test_ids.csv, as the official repository has them
FaceLayout read_layout(const std::string& kind, const fs::path& root);

}  // namespace sga
