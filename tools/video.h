// Moving pictures as MP4 files, by OpenCV; video.cc is the only file that knows its videoio.
#pragma once
#include <memory>

#include "engine/image.h"
#include "engine/io.h"

namespace sga {

/// False in a build without OpenCV: a VideoWriter is then an Error that says so.
bool can_write_video();

/// H.264 in an MP4 file, which every browser plays, or MPEG-4 part 2 where OpenCV's FFmpeg has no H.264.
/// FFmpeg writes into a temporary file beside `path`; finish reads that back and hands it to write_file, so
/// `path` is there whole or not at all. The same frames give the same bytes from 32 pixels a side; of smaller
/// ones libx264 164 now and then makes others (26x32: once in nine videos under load, from equal frames).
class VideoWriter {
 public:
  /// `rate`: frames a second. Odd sizes grow by the last row or column repeated, as H.264 halves its colours.
  /// Error naming the path if no file can be begun.
  VideoWriter(const fs::path& path, int64_t height, int64_t width, double rate);
  ~VideoWriter();  ///< removes the temporary file
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  /// height x width pixels; any channels, alpha is composited over white.
  void add(const Image& frame);
  /// Error if the disk is full or frames were lost.
  void finish();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace sga
