// Small PNG, JPEG and BMP files made byte by byte, so that tests can make every kind, also wrong ones.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "engine/io.h"

namespace sga {

class ByteWriter {
 public:
  ByteWriter& be(uint64_t value, int n) {
    for (int i = n; i-- > 0;) bytes.push_back(static_cast<std::byte>(value >> 8 * i));
    return *this;
  }
  ByteWriter& le(uint64_t value, int n) {
    for (int i = 0; i < n; ++i) bytes.push_back(static_cast<std::byte>(value >> 8 * i));
    return *this;
  }
  ByteWriter& text(const std::string& s) {
    for (char c : s) bytes.push_back(static_cast<std::byte>(c));
    return *this;
  }
  ByteWriter& add(const Bytes& other) {
    bytes.insert(bytes.end(), other.begin(), other.end());
    return *this;
  }
  Bytes bytes;
};

inline uint32_t test_crc32(const Bytes& bytes) {
  uint32_t c = ~0u;
  for (std::byte b : bytes) {
    c ^= std::to_integer<uint32_t>(b);
    for (int i = 0; i < 8; ++i) c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
  }
  return ~c;
}

inline Bytes png_chunk(const std::string& type, const Bytes& data) {
  const Bytes body = ByteWriter().text(type).add(data).bytes;
  return ByteWriter().be(data.size(), 4).add(body).be(test_crc32(body), 4).bytes;
}

inline Bytes png_header(uint32_t width, uint32_t height, int bits, int colour_type) {
  const Bytes ihdr = ByteWriter()
                         .be(width, 4)
                         .be(height, 4)
                         .be(uint64_t(bits), 1)
                         .be(uint64_t(colour_type), 1)
                         .be(0, 3)
                         .bytes;
  return ByteWriter().text("\x89PNG\r\n\x1a\n").add(png_chunk("IHDR", ihdr)).bytes;
}

/// `rows`: the packed bytes of each row. `before_data`: whole chunks, e.g. PLTE and tRNS. Stored, not
/// compressed.
inline Bytes make_png(uint32_t width, int bits, int colour_type, const std::vector<Bytes>& rows,
                      const Bytes& before_data = {}) {
  ByteWriter raw;
  for (const Bytes& row : rows) raw.be(0, 1).add(row);  // filter "none"
  uint32_t a = 1, b = 0;                                // Adler-32
  for (std::byte x : raw.bytes) {
    a = (a + std::to_integer<uint32_t>(x)) % 65521;
    b = (b + a) % 65521;
  }
  const uint64_t n = raw.bytes.size();
  const Bytes zlib =
      ByteWriter().be(0x7801, 2).be(1, 1).le(n, 2).le(~n, 2).add(raw.bytes).be(b << 16 | a, 4).bytes;
  return ByteWriter()
      .add(png_header(width, static_cast<uint32_t>(rows.size()), bits, colour_type))
      .add(before_data)
      .add(png_chunk("IDAT", zlib))
      .add(png_chunk("IEND", {}))
      .bytes;
}

/// A baseline JPEG whose 8x8 blocks are each of one colour: blocks[row][column] holds `channels` values
/// (grey, or Y, Cb and Cr) of 0..255. Nothing is lost: the quantisation steps are 1.
inline Bytes make_jpeg(const std::vector<std::vector<std::vector<int>>>& blocks) {
  const uint64_t channels = blocks[0][0].size();
  ByteWriter out;
  out.be(0xFFD8, 2).be(0xFFDB, 2).be(67, 2).be(0, 1);
  for (int i = 0; i < 64; ++i) out.be(1, 1);
  out.be(0xFFC0, 2)
      .be(8 + 3 * channels, 2)
      .be(8, 1)
      .be(8 * blocks.size(), 2)
      .be(8 * blocks[0].size(), 2)
      .be(channels, 1);
  for (uint64_t c = 0; c < channels; ++c) out.be(c + 1, 1).be(0x11, 1).be(0, 1);
  out.be(0xFFC4, 2).be(19 + 12, 2).be(0x00, 1).be(0, 3).be(12, 1).be(0, 4).be(0, 8);  // DC: 12 categories, 4
                                                                                      // bits each
  for (uint64_t category = 0; category < 12; ++category) out.be(category, 1);
  out.be(0xFFC4, 2).be(19 + 1, 2).be(0x10, 1).be(1, 1).be(0, 7).be(0, 8).be(
      0, 1);  // AC: only "end of block", 1 bit
  out.be(0xFFDA, 2).be(6 + 2 * channels, 2).be(channels, 1);
  for (uint64_t c = 0; c < channels; ++c) out.be(c + 1, 1).be(0, 1);
  out.be(0, 1).be(63, 1).be(0, 1);

  std::vector<bool> bits;
  const auto put = [&](int value, int n) {
    for (int i = n; i-- > 0;) bits.push_back(value >> i & 1);
  };
  std::vector<int> before(channels, 0);
  for (const auto& row : blocks)
    for (const auto& block : row)
      for (uint64_t c = 0; c < channels; ++c) {
        const int dc = 8 * (block[c] - 128), diff = dc - before[c];
        before[c] = dc;
        int category = 0;
        while (std::abs(diff) >> category) ++category;
        put(category, 4);
        put(diff < 0 ? diff + (1 << category) - 1 : diff, category);
        put(0, 1);
      }
  while (bits.size() % 8) bits.push_back(true);
  for (size_t i = 0; i < bits.size(); i += 8) {
    uint64_t byte = 0;
    for (size_t j = 0; j < 8; ++j) byte = byte << 1 | bits[i + j];
    out.be(byte, 1);
    if (byte == 0xFF) out.be(0, 1);
  }
  return out.be(0xFFD9, 2).bytes;
}

/// The same JPEG with an EXIF segment that states `orientation`.
inline Bytes with_orientation(const Bytes& jpeg, int orientation, bool little_endian) {
  ByteWriter tiff;
  const auto value = static_cast<uint64_t>(orientation);
  if (little_endian)
    tiff.text("II")
        .le(42, 2)
        .le(8, 4)
        .le(2, 2)
        .le(0x0100, 2)
        .le(4, 2)
        .le(1, 4)
        .le(640, 4)  // another tag first
        .le(0x0112, 2)
        .le(3, 2)
        .le(1, 4)
        .le(value, 2)
        .le(0, 2)
        .le(0, 4);
  else
    tiff.text("MM")
        .be(42, 2)
        .be(8, 4)
        .be(2, 2)
        .be(0x0100, 2)
        .be(4, 2)
        .be(1, 4)
        .be(640, 4)
        .be(0x0112, 2)
        .be(3, 2)
        .be(1, 4)
        .be(value, 2)
        .be(0, 2)
        .be(0, 4);
  const Bytes payload = ByteWriter().text(std::string("Exif\0\0", 6)).add(tiff.bytes).bytes;
  return ByteWriter()
      .add(Bytes(jpeg.begin(), jpeg.begin() + 2))
      .be(0xFFE1, 2)
      .be(payload.size() + 2, 2)
      .add(payload)
      .add(Bytes(jpeg.begin() + 2, jpeg.end()))
      .bytes;
}

/// A BMP with a 40-byte header, bottom row first. `rows`: packed bytes top to bottom, padded here.
inline Bytes make_bmp(uint32_t width, int bits, const std::vector<Bytes>& rows, const Bytes& palette = {}) {
  ByteWriter out;
  const uint64_t offset = 54 + palette.size(), row_bytes = (width * uint64_t(bits) + 31) / 32 * 4;
  out.text("BM").le(offset + row_bytes * rows.size(), 4).le(0, 4).le(offset, 4);
  out.le(40, 4).le(width, 4).le(rows.size(), 4).le(1, 2).le(uint64_t(bits), 2).le(0, 4).le(0, 4).le(0, 8);
  out.le(palette.size() / 4, 4).le(0, 4).add(palette);
  for (size_t y = rows.size(); y-- > 0;) {
    Bytes row = rows[y];
    row.resize(row_bytes);
    out.add(row);
  }
  return out.bytes;
}

}  // namespace sga
