// A data set of faces in one file (.sgd): cut, labelled, split; mapped into memory, so opening it costs
// nothing.
//
//   64 bytes   header    "SGAFACES", version, side of a picture
//   pictures   count * side * side * 3 bytes, RGB
//   table      recipe, then a face: 17 labels, confidence, person, train flag, name, checksum of its picture
//   64 bytes   trailer   count, size and checksum of the table, checksum of the checksums, "SGAFEND."
// The trailer comes last because the number of faces is known last. All numbers are little-endian. This is
// version 2; version 1, which is still read, has no checksum a picture, but in the trailer one of all pixels.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/big_file.h"
#include "models/ganimation/action_units.h"
#include "models/ganimation/face_crop.h"

namespace sga {

/// What is known about one face besides its pixels.
struct FaceRecord {
  std::string name;      ///< of the picture it was cut from
  ActionUnits labels{};  ///< OpenFace intensity / 5
  float confidence = 1;  ///< of the labels, 0..1
  int64_t person = -1;   ///< number of the person, -1 if unknown
  bool train = true;     ///< else test
};

class FaceSetWriter {
 public:
  FaceSetWriter(const fs::path& path, const CropRecipe& recipe);
  /// rgb: recipe.size * recipe.size * 3 bytes. Error if a label or the confidence is not finite.
  void add(const FaceRecord& record, std::span<const uint8_t> rgb);
  int64_t count() const { return count_; }
  /// Writes the table and puts the file in place. Error if no face was added.
  void finish();

 private:
  BigFileWriter file_;
  CropRecipe recipe_;
  Bytes table_;
  int64_t count_ = 0;
  uint64_t pixel_checksum_;
};

class FaceSet {
 public:
  /// Error naming the file if it is no .sgd, cut, of another version, or its table is damaged.
  explicit FaceSet(const fs::path& path);

  int64_t count() const { return static_cast<int64_t>(records_.size()); }
  int64_t size() const { return recipe_.size; }
  const CropRecipe& recipe() const { return recipe_; }
  const FaceRecord& record(int64_t i) const;
  /// size * size * 3 bytes.
  std::span<const uint8_t> pixels(int64_t i) const;
  Image image(int64_t i) const;
  /// The faces of one side of the split, in order, without those that are damaged.
  std::vector<int64_t> indices(bool train) const;

  /// The faces whose pixels differ from their checksum, in order. The first call reads every picture, with
  /// several threads, and makes no copy; version 1 has no such checksums and therefore no such faces.
  const std::vector<int64_t>& damaged() const;
  /// "2 of 14000 faces are damaged and left out: 000017.jpg, 000019.jpg"; "" if none is.
  std::string damage() const;

  /// Pictures as a network takes them: (n, size, size, 3) in [-1,1], v / 127.5 - 1. `flip` (empty, or one
  /// value a picture) mirrors left and right; AUs are symmetric, so labels stay true.
  std::vector<float> batch(std::span<const int64_t> indices, std::span<const uint8_t> flip = {}) const;
  /// One of them, size * size * 3 numbers, to `out`.
  void fill(std::span<float> out, int64_t i, bool flip) const;
  /// Their labels: (n, 17).
  std::vector<float> labels(std::span<const int64_t> indices) const;

  /// Reads every pixel and compares with the checksums.
  bool pixels_intact() const;

  /// Tells sets apart without reading their pixels: the checksum of header and trailer, which hold the side
  /// of a picture, the count, and the checksums of table and pixels.
  std::string identity() const;

 private:
  MappedFile file_;
  CropRecipe recipe_;
  std::vector<FaceRecord> records_;
  std::span<const uint8_t> pixels_;
  uint64_t pixel_checksum_ = 0;           ///< as the trailer has it
  std::vector<uint64_t> face_checksums_;  ///< of each; empty in version 1
  mutable std::optional<std::vector<int64_t>> damaged_;
};

}  // namespace sga
