// The video writer of a build without OpenCV: there is none.
#include "tools/video.h"

namespace sga {

struct VideoWriter::File {};

bool can_write_video() { return false; }

VideoWriter::VideoWriter(const fs::path& path, int64_t, int64_t, double) {
  fail("cannot write ", path,
       ": MP4 needs OpenCV and this build is without; configure with -DSGA_OPENCV=ON, or ask for GIF alone");
}
VideoWriter::~VideoWriter() = default;

void VideoWriter::add(const Image&) {}
void VideoWriter::finish() {}

}  // namespace sga
