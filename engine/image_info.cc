// The header of a picture file, checked before a decoder sees the file: kind, extents, limits, and that it is
// whole.
#include <algorithm>
#include <cstring>

#include "engine/byte_order.h"
#include "engine/crc32.h"
#include "engine/image.h"

namespace sga {
namespace {

using Span = std::span<const std::byte>;

constexpr char kPngMagic[] = "\x89PNG\r\n\x1a\n";
constexpr int kMaxJpegScans = 100;  // a progressive file of endless scans is slow, not large

bool starts_with(Span bytes, const char* text, size_t n) {
  return bytes.size() >= n && std::memcmp(bytes.data(), text, n) == 0;
}

// One file being examined: every refusal names it.
struct Examined {
  Span file;
  const std::string& name;

  template <class... Parts>
  void require(bool condition, const Parts&... why) const {
    if (!condition) fail("cannot read \"", name, "\": ", why...);
  }
  void require_whole(bool condition, const char* kind) const {
    require(condition, "the ", kind, " file is cut, it ends after ", file.size(), " bytes; get it again");
  }
  void require_limits(const ImageInfo& i) const {
    require(i.height >= 1 && i.width >= 1, "the picture is ", i.width, "x", i.height,
            ", a side needs 1 pixel or more");
    require(i.height <= kMaxSide && i.width <= kMaxSide, "the picture is ", i.width, "x", i.height,
            ", a side may have ", kMaxSide, " pixels");
    require(i.height * i.width <= kMaxPixels, "the picture is ", i.width, "x", i.height, " = ",
            i.height * i.width / 1'000'000, " Mpx, the limit is ", kMaxPixels / 1'000'000,
            " Mpx; make it smaller");
  }
  uint64_t be(uint64_t at, int n) const { return big_endian(file, at, n); }
  uint64_t le(uint64_t at, int n) const { return little_endian(file, at, n); }
};

// The type of a chunk is four letters.
bool is_png_type(Span chunk) {
  return std::all_of(chunk.begin(), chunk.begin() + 4, [](std::byte b) {
    const int letter = std::to_integer<int>(b) | 0x20;
    return letter >= 'a' && letter <= 'z';
  });
}

// Source: PNG specification (W3C, second edition) 5.3, 11.2.2, 11.3.2.1.
ImageInfo png_info(const Examined& f) {
  const uint64_t size = f.file.size();
  f.require_whole(size >= 33, "PNG");
  f.require(f.be(8, 4) == 13 && starts_with(f.file.subspan(12), "IHDR", 4),
            "the PNG does not start with its header");
  ImageInfo info{static_cast<int64_t>(f.be(20, 4)), static_cast<int64_t>(f.be(16, 4)), 0, 0, "png"};
  f.require_limits(info);
  const uint64_t bits = f.be(24, 1), colour = f.be(25, 1);
  info.bits = static_cast<int64_t>(bits);
  const bool small_bits = bits == 1 || bits == 2 || bits == 4, bytes = bits == 8 || bits == 16;
  f.require((colour == 0 && (small_bits || bytes)) || (colour == 3 && (small_bits || bits == 8)) ||
                ((colour == 2 || colour == 4 || colour == 6) && bytes),
            "the PNG has colour type ", colour, " with ", bits, " bits, which does not exist");
  f.require(f.be(26, 1) == 0 && f.be(27, 1) == 0 && f.be(28, 1) <= 1, "the PNG uses an unknown compression");

  bool transparent = false;  // tRNS: one colour, or a value for each palette entry
  for (uint64_t at = 8;;) {  // a chunk: length 4, type 4, data, crc 4
    f.require_whole(at + 12 <= size, "PNG");
    const uint64_t length = f.be(at, 4);
    f.require_whole(length <= size - at - 12, "PNG");
    const Span type_and_data = f.file.subspan(at + 4, length + 4);
    // Whatever else stands there, stb_image would put it into its message.
    f.require(is_png_type(type_and_data), "the PNG is damaged at byte ", at + 4, "; get it again");
    // Critical chunks (capital letter) decide what the picture shows; stb_image does not verify them.
    const bool critical = (std::to_integer<int>(type_and_data[0]) & 0x20) == 0;
    f.require(!critical || crc32(type_and_data) == f.be(at + 8 + length, 4), "the PNG is damaged at byte ",
              at, " (checksum); get it again");
    transparent |= starts_with(type_and_data, "tRNS", 4);
    if (starts_with(type_and_data, "IEND", 4)) break;
    at += 12 + length;
  }
  constexpr int kColours[7] = {1, 0, 3, 3, 2, 0, 4};
  info.channels = kColours[colour] + (transparent && (colour == 0 || colour == 2 || colour == 3) ? 1 : 0);
  return info;
}

// The position of the next marker's code byte at or after `at`: FF followed by neither a stuffed 0, a fill
// byte, a restart (D0..D7) nor TEM (01), which stand alone. The file's size if there is none.
uint64_t next_jpeg_marker(Span file, uint64_t at) {
  while (at + 1 < file.size()) {
    const void* hit = std::memchr(file.data() + at, 0xFF, file.size() - 1 - at);
    if (!hit) break;
    at = static_cast<uint64_t>(static_cast<const std::byte*>(hit) - file.data()) + 1;
    const uint64_t code = big_endian(file, at, 1);
    if (code > 0x01 && code != 0xFF && (code < 0xD0 || code > 0xD7)) return at;
  }
  return file.size();
}

// A segment of Huffman tables: each a class and number, 16 counts of codes by length, the values.
// stb_image 2.27 believes the counts and would write beyond its 256 entries; 256 itself collides with its
// "none" mark, and no picture has more than 176 different values.
void check_huffman_tables(const Examined& f, uint64_t at, uint64_t end) {
  while (at < end) {
    f.require(at + 17 <= end, "the JPEG is damaged at byte ", at, "; get it again");
    uint64_t values = 0;
    for (uint64_t i = 1; i <= 16; ++i) values += f.be(at + i, 1);
    f.require(values < 256 && at + 17 + values <= end, "the JPEG is damaged at byte ", at, "; get it again");
    at += 17 + values;
  }
}

// Source: ITU-T T.81 annex B.
ImageInfo jpeg_info(const Examined& f) {
  ImageInfo info{0, 0, 0, 8, "jpeg"};
  int scans = 0;
  for (uint64_t at = 2;;) {
    at = next_jpeg_marker(f.file, at);
    f.require_whole(at < f.file.size(), "JPEG");
    const uint64_t code = f.be(at, 1);
    if (code == 0xD9) break;  // end of image
    f.require_whole(at + 3 <= f.file.size(), "JPEG");
    const uint64_t length = f.be(at + 1, 2);  // counts its own two bytes
    f.require(length >= 2, "the JPEG is damaged at byte ", at, "; get it again");
    f.require_whole(at + 1 + length <= f.file.size(), "JPEG");
    const bool is_frame = code >= 0xC0 && code <= 0xCF && code != 0xC4 && code != 0xC8 && code != 0xCC;
    if (is_frame) {
      f.require(code <= 0xC2,
                "it is a JPEG of a rare kind (lossless or arithmetic); save it as a normal JPEG or PNG");
      f.require(info.channels == 0 && length >= 8, "the JPEG is damaged at byte ", at, "; get it again");
      info.bits = static_cast<int64_t>(f.be(at + 3, 1));
      info.height = static_cast<int64_t>(f.be(at + 4, 2));
      info.width = static_cast<int64_t>(f.be(at + 6, 2));
      f.require_limits(info);
      info.channels = static_cast<int64_t>(f.be(at + 8, 1));
      f.require(info.bits == 8, "the JPEG has ", info.bits, " bits a colour, 8 are needed; save it as PNG");
      f.require(info.channels != 4, "the JPEG is in CMYK print colours; save it as RGB");
      f.require(info.channels == 1 || info.channels == 3, "the JPEG has ", info.channels,
                " channels, 1 or 3 are needed");
    }
    if (code == 0xC4) check_huffman_tables(f, at + 3, at + 1 + length);
    if (code == 0xDA) ++scans;
    f.require(scans <= kMaxJpegScans, "the JPEG has more than ", kMaxJpegScans, " scans; save it again");
    at += 1 + length;
  }
  f.require(info.channels > 0 && scans > 0, "the JPEG holds no picture");
  return info;
}

// A palette shorter than the largest value: each pixel must name an entry that exists (stb_image does not
// look).
void check_bmp_indices(const Examined& f, uint64_t first_row, uint64_t row_bytes, uint64_t height,
                       uint64_t width, uint64_t bits, uint64_t entries) {
  for (uint64_t y = 0; y < height; ++y)
    for (uint64_t x = 0; x < width; ++x) {
      const uint64_t byte = f.be(first_row + y * row_bytes + x * bits / 8, 1);
      const uint64_t index = byte >> (8 - bits - x * bits % 8) & ((1u << bits) - 1);
      f.require(index < entries, "the BMP is damaged: a pixel has colour ", index, " of ", entries);
    }
}

// Source: Microsoft, BITMAPINFOHEADER, BITMAPV4HEADER, BITMAPV5HEADER.
ImageInfo bmp_info(const Examined& f) {
  const uint64_t size = f.file.size();
  f.require_whole(size >= 54, "BMP");
  const uint64_t offset = f.le(10, 4), header = f.le(14, 4), bits = f.le(28, 2), compression = f.le(30, 4);
  f.require(header == 40 || header == 56 || header == 108 || header == 124, "the BMP has a header of ",
            header, " bytes, a kind not supported; save it as PNG");
  f.require_whole(size >= 14 + header, "BMP");
  const bool masked = compression == 3 && (bits == 16 || bits == 32);
  f.require(compression == 0 || masked, "the BMP is compressed (kind ", compression, "); save it as PNG");
  f.require(bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32, "the BMP has ",
            bits, " bits a pixel, which does not exist");
  const bool alpha = masked ? header >= 108 && f.le(66, 4) != 0 : bits == 32;
  const int64_t signed_height = static_cast<int32_t>(f.le(22, 4));  // negative: top row first
  const ImageInfo info{std::abs(signed_height), static_cast<int32_t>(f.le(18, 4)), alpha ? 4 : 3, 8, "bmp"};
  f.require_limits(info);

  f.require(offset >= 14 + header + (masked && header <= 56 ? 12 : 0),
            "the BMP's pixels start inside its header");
  const auto height = static_cast<uint64_t>(info.height), width = static_cast<uint64_t>(info.width);
  const uint64_t row_bytes = (width * bits + 31) / 32 * 4;
  // The last row's padding may be missing.
  f.require_whole(offset + row_bytes * (height - 1) + (width * bits + 7) / 8 <= size, "BMP");
  const uint64_t palette = (offset - 14 - header) / 4;
  if (bits <= 8 && palette < uint64_t{1} << bits)
    check_bmp_indices(f, offset, row_bytes, height, width, bits, palette);
  return info;
}

}  // namespace

ImageInfo image_info(Span file, const std::string& name) {
  const Examined f{file, name};
  f.require(!file.empty(), "the file is empty");
  ImageInfo info;
  if (starts_with(file, kPngMagic, 8))
    info = png_info(f);
  else if (starts_with(file, "\xFF\xD8\xFF", 3))
    info = jpeg_info(f);
  else if (starts_with(file, "BM", 2))
    info = bmp_info(f);
  else
    f.require(false, "it is no PNG, JPEG or BMP picture");
  return info;
}

}  // namespace sga
