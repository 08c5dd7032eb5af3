#include "tools/gif.h"

#include <gif_lib.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace sga {
namespace {

constexpr const char* kLoops = "NETSCAPE2.0";

int collect(GifFileType* gif, const GifByteType* data, int count) {
  auto& bytes = *static_cast<Bytes*>(gif->UserData);
  const auto* first = reinterpret_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), first, first + count);
  return count;
}

struct FreeMap {
  void operator()(ColorMapObject* map) const { GifFreeMapObject(map); }
};

}  // namespace

struct GifWriter::File {
  Bytes bytes;
  GifFileType* gif = nullptr;
  int64_t height, width, frames = 0;
  size_t colours;
  double rate;
  std::vector<uint8_t> before;  // indices of the last frame

  /// giflib's functions return GIF_OK or GIF_ERROR and leave the reason in the file.
  void must(int result) {
    SGA_CHECK(result == GIF_OK, "cannot make a GIF of ", width, "x", height,
              " pixels: ", GifErrorString(gif->Error));
  }
};

GifWriter::GifWriter(int64_t height, int64_t width, const std::vector<Colour>& palette, double rate)
    : file_(std::make_unique<File>()) {
  SGA_CHECK(height >= 1 && width >= 1 && height <= 65'535 && width <= 65'535,
            "a GIF has at most 65535x65535 pixels, got ", width, "x", height);
  SGA_CHECK(!palette.empty() && palette.size() <= 255, "gif: a palette has 1 to 255 colours, got ",
            palette.size());
  SGA_CHECK(rate >= 0.1 && rate <= kMaxGifRate, "a GIF shows 0.1 to ", kMaxGifRate, " frames a second, got ",
            rate);
  File& f = *file_;
  f.height = height, f.width = width, f.colours = palette.size(), f.rate = rate;
  int error = 0;
  f.gif = EGifOpen(&f.bytes, collect, &error);
  SGA_CHECK(f.gif, "cannot make a GIF: ", GifErrorString(error));
  EGifSetGifVersion(f.gif, true);
  // One more than the palette: the index of what stays as it is. Tables are powers of two.
  const int entries = std::max(2, int(std::bit_ceil(palette.size() + 1)));
  const std::unique_ptr<ColorMapObject, FreeMap> map(GifMakeMapObject(entries, nullptr));
  SGA_CHECK(map, "cannot make a GIF: out of memory");
  for (size_t i = 0; i < palette.size(); ++i) map->Colors[i] = {palette[i][0], palette[i][1], palette[i][2]};
  f.must(EGifPutScreenDesc(f.gif, int(width), int(height), 8, 0, map.get()));
  const GifByteType forever[] = {1, 0, 0};
  f.must(EGifPutExtensionLeader(f.gif, APPLICATION_EXT_FUNC_CODE));
  f.must(EGifPutExtensionBlock(f.gif, 11, kLoops));
  f.must(EGifPutExtensionBlock(f.gif, 3, forever));
  f.must(EGifPutExtensionTrailer(f.gif));
}

GifWriter::~GifWriter() {
  int ignored = 0;
  if (file_->gif) EGifCloseFile(file_->gif, &ignored);
}

void GifWriter::add(const std::vector<uint8_t>& indices) {
  File& f = *file_;
  SGA_CHECK(int64_t(indices.size()) == f.height * f.width, "gif: a frame needs ", f.height * f.width,
            " indices, got ", indices.size());
  const auto largest = std::max_element(indices.begin(), indices.end());
  SGA_CHECK(*largest < f.colours, "gif: index ", int(*largest), " is beyond a palette of ", f.colours,
            " colours");
  // Pixels that keep their colour are transparent: long runs of one index are what LZW packs best.
  const auto kept = static_cast<uint8_t>(f.colours);
  std::vector<uint8_t> lines = indices;
  for (size_t i = 0; i < f.before.size(); ++i)
    if (lines[i] == f.before[i]) lines[i] = kept;
  f.before = indices;

  const auto hundredths = [&](int64_t frame) { return std::llround(100 * double(frame) / f.rate); };
  GraphicsControlBlock control{};
  control.DisposalMode = DISPOSE_DO_NOT;
  control.DelayTime = int(hundredths(f.frames + 1) - hundredths(f.frames));
  control.TransparentColor = f.frames ? kept : NO_TRANSPARENT_COLOR;
  GifByteType packed[4];
  EGifGCBToExtension(&control, packed);
  f.must(EGifPutExtension(f.gif, GRAPHICS_EXT_FUNC_CODE, sizeof packed, packed));
  f.must(EGifPutImageDesc(f.gif, 0, 0, int(f.width), int(f.height), false, nullptr));
  for (int64_t y = 0; y < f.height; ++y) f.must(EGifPutLine(f.gif, lines.data() + y * f.width, int(f.width)));
  ++f.frames;
}

Bytes GifWriter::finish() {
  File& f = *file_;
  SGA_CHECK(f.gif && f.frames > 0, "gif: there is no frame");
  int error = 0;
  const int closed = EGifCloseFile(std::exchange(f.gif, nullptr), &error);
  SGA_CHECK(closed == GIF_OK, "cannot make a GIF: ", GifErrorString(error));
  return std::move(f.bytes);
}

}  // namespace sga
