// Pictures of any size to a file, in tiles where they are large.
#include <algorithm>
#include <charconv>

#include "engine/ops.h"
#include "tools/png_writer.h"
#include "tools/singan.h"

namespace sga {
namespace {

constexpr int64_t kTile = 224;  // pixels a side; with what surrounds it less than a picture of 512

void put(Image& strip, const Image& tile, int64_t left) {
  for (int64_t y = 0; y < tile.height; ++y)
    std::copy_n(tile.at(y, 0), tile.width * tile.channels, strip.at(y, left));
}

}  // namespace

std::string check_tile(const std::string& text) {
  if (text == "auto" || text == "off") return "";
  int64_t side = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), side);
  return error == std::errc() && end == text.data() + text.size() && side >= 32 && side <= 8192
             ? ""
             : "must be auto, off, or a side of 32 to 8192 pixels, got " + text;
}

int64_t tile_side(const std::string& text, singan::Size size) {
  const int64_t whole = std::max(size.h, size.w);
  if (text == "off") return whole;
  if (text == "auto") return size.h * size.w > kMostAtOnce ? kTile : whole;
  return std::min<int64_t>(singan::parse_int(text, "--tile"), whole);
}

int64_t tile_count(singan::Size size, int64_t tile) {
  return ((size.h + tile - 1) / tile) * ((size.w + tile - 1) / tile);
}

void save_tiles(const fs::path& path, const singan::Climb& climb, singan::Size size, int64_t tile, int bits,
                const std::function<void()>& on_tile,
                const std::function<void(const Image&, int64_t)>& on_strip) {
  std::unique_ptr<PngWriter> writer;
  for (int64_t top = 0; top < size.h; top += tile) {
    const int64_t h = std::min(tile, size.h - top);
    Image strip;
    for (int64_t left = 0; left < size.w; left += tile) {
      const int64_t w = std::min(tile, size.w - left);
      Image part = to_image(w == size.w && h == size.h ? crop(climb.whole(), 0, 0, h, w)
                                                       : climb.window({top, left, h, w}));
      if (!writer) writer = std::make_unique<PngWriter>(path, size.h, size.w, part.channels, bits);
      if (w == size.w) {
        strip = std::move(part);
      } else {
        if (strip.pixels.empty()) {
          strip = {h, size.w, part.channels, {}};
          strip.pixels.resize(size_t(h * size.w * part.channels));
        }
        put(strip, part, left);
      }
      on_tile();
    }
    writer->write(strip);
    if (on_strip) on_strip(strip, top);
  }
  writer->commit();
}

}  // namespace sga
