// A PNG written a few rows at a time: for pictures too large to hold as numbers.
#pragma once
#include <vector>

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
  void pack(bool last);

  BigFileWriter file_;
  int64_t height_, width_, channels_, done_ = 0;
  int bits_;
  std::vector<uint8_t> above_, pending_;  // the last row packed; rows not yet packed
  size_t piece_;                          // rows packed at once
  uint32_t adler_ = 1;
};

/// A picture that exists already, at once: save_png in a fraction of its time. 8 bits a channel.
void write_png(const fs::path& path, const Image& image);

}  // namespace sga
