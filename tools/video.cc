#include "tools/video.h"

#include <unistd.h>

#include <cstdlib>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/videoio.hpp>

namespace sga {
namespace {

// Failures are reported here, in one sentence; OpenCV and FFmpeg would add lines of their own.
void silence_opencv() {
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);  // AV_LOG_QUIET
}

int64_t even(int64_t n) { return n + n % 2; }

}  // namespace

struct VideoWriter::File {
  fs::path path, temporary;
  int64_t height, width, frames = 0;
  cv::VideoWriter writer;

  ~File() {
    writer.release();
    std::error_code ignored;
    fs::remove(temporary, ignored);
  }

  // FFmpeg does not tell whether its writes succeeded.
  int64_t frames_on_disk() const {
    cv::VideoCapture reader(temporary.string(), cv::CAP_FFMPEG);
    int64_t count = 0;
    while (reader.isOpened() && reader.grab()) ++count;
    return count;
  }
};

bool can_write_video() { return true; }

VideoWriter::VideoWriter(const fs::path& path, int64_t height, int64_t width, double rate)
    : file_(std::make_unique<File>()) {
  silence_opencv();
  File& f = *file_;
  f.path = path, f.height = height, f.width = width;
  // The name that write_file would give, for whoever cleans up; FFmpeg wants the ending.
  f.temporary = path.parent_path() / (".sga-tmp-" + std::to_string(::getpid()) + "-video.mp4");
  for (const char* codec : {"avc1", "mp4v"})
    if (f.writer.open(f.temporary.string(), cv::CAP_FFMPEG,
                      cv::VideoWriter::fourcc(codec[0], codec[1], codec[2], codec[3]), rate,
                      cv::Size(int(even(width)), int(even(height)))))
      return;
  fail("cannot write ", path, ": OpenCV makes no MP4 of ", width, "x", height, " pixels at ", rate,
       " frames a second there; look at the folder, the disk, and whether OpenCV has FFmpeg");
}

VideoWriter::~VideoWriter() = default;

void VideoWriter::add(const Image& frame) {
  File& f = *file_;
  SGA_CHECK(frame.height == f.height && frame.width == f.width, "cannot write ", f.path, ": a frame has ",
            frame.width, "x", frame.height, " pixels, the video ", f.width, "x", f.height);
  const Image rgb = convert_channels(frame, 3);
  cv::Mat bytes(int(even(f.height)), int(even(f.width)), CV_8UC3);
  for (int y = 0; y < bytes.rows; ++y)
    for (int x = 0; x < bytes.cols; ++x)
      for (int k = 0; k < 3; ++k)  // OpenCV's order is blue, green, red
        bytes.at<cv::Vec3b>(y, x)[2 - k] = cv::saturate_cast<uint8_t>(
            255 * rgb.at(std::min<int64_t>(y, f.height - 1), std::min<int64_t>(x, f.width - 1))[k]);
  f.writer.write(bytes);
  ++f.frames;
}

void VideoWriter::finish() {
  File& f = *file_;
  f.writer.release();
  const int64_t written = f.frames_on_disk();
  SGA_CHECK(written == f.frames, "cannot write ", f.path, ": ", written, " of ", f.frames,
            " frames arrived; is the disk full?");
  write_file(f.path, read_file(f.temporary));
}

}  // namespace sga
