// A PNG written a few rows at a time: for pictures too large to hold as numbers.
#pragma once
#include "engine/big_file.h"
#include "engine/image.h"
#include "tools/gzip.h"

namespace sga {

/// Like save_png, and with its promise: `path` changes in commit() or not at all.
class PngWriter {
 public:
  /// bits: 8 or 16 a channel. Error if the picture is beyond the limits of engine/image.h.
  PngWriter(const fs::path& path, int64_t height, int64_t width, int64_t channels, int bits = 8);
  /// The next rows: a picture of the same width and channels. Values are clamped to [0,1] and rounded.
  void write(const Image& rows);
  /// Error if rows are missing.
  void commit();

 private:
  void chunk(const char* type, std::span<const std::byte> data);
  void idat(bool last);

  BigFileWriter file_;
  Packer packer_;
  int64_t height_, width_, channels_, done_ = 0;
  int bits_;
  Bytes above_, pending_;  // the row before; filtered rows not yet packed
};

}  // namespace sga
