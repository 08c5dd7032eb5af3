#include "tools/clip.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace sga {
namespace {

bool wants(const ClipOptions& options, const char* format) {
  return std::find(options.formats.begin(), options.formats.end(), format) != options.formats.end();
}

}  // namespace

void add_clip_options(CLI::App& app, ClipOptions& options, const char* fps_help) {
  app.add_option("--fps", options.fps, fps_help)->check(CLI::Range(0.1, kMaxGifRate))->capture_default_str();
  app.add_option("--max-side", options.max_side,
                 "Pixels of the clip's longer side at most; 0: those of the photograph")
      ->check(CLI::Range(int64_t{0}, kMaxSide))
      ->capture_default_str();
  app.add_option("--format", options.formats, "Files to write, comma-separated: gif, mp4")
      ->delimiter(',')
      ->check(CLI::IsMember({"gif", "mp4"}))
      ->default_str("gif,mp4");
}

ClipOptions writable(const ClipOptions& options, const CLI::App& app) {
  ClipOptions result = options;
  if (can_write_video() || !wants(options, "mp4")) return result;
  SGA_CHECK(
      app.count("--format") == 0,
      "MP4 needs OpenCV and this build is without; configure with -DSGA_OPENCV=ON, or give --format gif");
  std::printf("no MP4: this build is without OpenCV\n");
  std::erase(result.formats, "mp4");
  return result;
}

ClipSize clip_size(const Image& photo, const ClipOptions& options) {
  const int64_t longer = std::max(photo.height, photo.width);
  const double scale =
      options.max_side > 0 && longer > options.max_side ? double(options.max_side) / double(longer) : 1;
  const auto scaled = [scale](int64_t side) {
    return std::max<int64_t>(1, std::llround(double(side) * scale));
  };
  return {scaled(photo.height), scaled(photo.width), scale};
}

void show_clip(Page& page, const std::string& name, const std::string& caption, const ClipOptions& options) {
  const std::string video = wants(options, "mp4") ? name + ".mp4" : "";
  if (wants(options, "gif"))
    page.pictures("Clip", {{name + ".gif", caption + (video.empty() ? "" : "; also " + video)}});
  else
    page.paragraph("Clip: " + video + ", " + caption);
}

ClipWriter::ClipWriter(const fs::path& path, const std::vector<Image>& examples, const ClipOptions& options)
    : path_(path) {
  const int64_t height = examples.at(0).height, width = examples[0].width;
  if (wants(options, "gif")) {
    quantiser_.emplace(examples, 255);
    gif_.emplace(height, width, quantiser_->palette(), options.fps);
  }
  if (wants(options, "mp4")) video_.emplace(path_.string() + ".mp4", height, width, options.fps);
}

void ClipWriter::add(const Image& frame) {
  if (gif_) gif_->add((*quantiser_)(frame));
  if (video_) video_->add(frame);
}

void ClipWriter::finish() {
  if (gif_) write_file(path_.string() + ".gif", gif_->finish());
  if (video_) video_->finish();
}

}  // namespace sga
