// Moving pictures as GIF files; gif.cc is the only file that knows giflib.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/io.h"
#include "tools/gif_palette.h"

namespace sga {

/// GIF counts time in hundredths of a second, and browsers slow down what is faster than 50 frames a second.
constexpr double kMaxGifRate = 50;

/// A GIF that grows frame by frame and plays again and again. Only its compressed bytes are kept.
class GifWriter {
 public:
  /// palette  1 to 255 colours, shared by all frames
  /// rate     frames a second, 0.1 to kMaxGifRate; delays are whole hundredths of a second and alternate so
  ///          that the clip lasts as long as it should
  /// Error if something is out of range; so are sides above 65535.
  GifWriter(int64_t height, int64_t width, const std::vector<Colour>& palette, double rate);
  ~GifWriter();
  GifWriter(const GifWriter&) = delete;
  GifWriter& operator=(const GifWriter&) = delete;

  /// Indices of the palette, one a pixel, row after row.
  void add(const std::vector<uint8_t>& indices);
  /// The whole file; call it once, after at least one frame.
  Bytes finish();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace sga
