// One clip as GIF and MP4 at once.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/command.h"
#include "tools/gif.h"
#include "tools/page.h"
#include "tools/video.h"

namespace sga {

/// What --format, --fps and --max-side say.
struct ClipOptions {
  std::vector<std::string> formats = {"gif", "mp4"};
  double fps = 25;
  int64_t max_side = 512;
};
void add_clip_options(CLI::App& app, ClipOptions& options, const char* fps_help);

/// Of the formats asked for those this build can write; a line on stdout if MP4 was only asked for by
/// default, an Error if by name.
ClipOptions writable(const ClipOptions& options, const CLI::App& app);

/// A photograph's height and width, reduced so that no side is above max_side (0: as it is).
struct ClipSize {
  int64_t height, width;
  double scale;
};
ClipSize clip_size(const Image& photo, const ClipOptions& options);

/// The clip `name` without ending on a page beside it; an MP4, which the page does not play, by its name.
void show_clip(Page& page, const std::string& name, const std::string& caption, const ClipOptions& options);

/// `path` without ending; .gif and .mp4 are added. Both are there whole or not at all.
class ClipWriter {
 public:
  /// examples  frames that show all colours of the clip, for the GIF's palette
  ClipWriter(const fs::path& path, const std::vector<Image>& examples, const ClipOptions& options);
  void add(const Image& frame);
  void finish();

 private:
  fs::path path_;
  std::optional<Quantiser> quantiser_;
  std::optional<GifWriter> gif_;
  std::optional<VideoWriter> video_;
};

}  // namespace sga
