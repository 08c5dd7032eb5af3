#include "tools/png_writer.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace sga {
namespace {

void put(Bytes& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(value >> shift));
}

// What a byte is predicted to be from those to the left, above, and above left. Source: PNG
// specification, 9.4.
int paeth(int left, int up, int corner) {
  const int guess = left + up - corner;
  const int by_left = std::abs(guess - left), by_up = std::abs(guess - up),
            by_corner = std::abs(guess - corner);
  return by_left <= by_up && by_left <= by_corner ? left : by_up <= by_corner ? up : corner;
}

}  // namespace

PngWriter::PngWriter(const fs::path& path, int64_t height, int64_t width, int64_t channels, int bits)
    : file_(path),
      height_(height),
      width_(width),
      channels_(channels),
      bits_(bits),
      above_(size_t(width * channels * bits / 8)) {
  SGA_CHECK(bits == 8 || bits == 16, "png writer: a channel has 8 or 16 bits, got ", bits);
  SGA_CHECK(height >= 1 && width >= 1 && height <= kMaxSide && width <= kMaxSide &&
                height * width <= kMaxPixels && channels >= 1 && channels <= 4,
            "cannot write ", path, ": a picture of ", width, "x", height, "x", channels,
            " is beyond the limits of ", kMaxSide, " a side, ", kMaxPixels / 1'000'000,
            " Mpx and 4 channels");
  constexpr std::string_view kStart = "\x89PNG\r\n\x1a\n";
  file_.write(std::as_bytes(std::span(kStart)));
  Bytes header;
  put(header, static_cast<uint32_t>(width));
  put(header, static_cast<uint32_t>(height));
  constexpr int kColourType[] = {0, 4, 2, 6};  // grey, grey and alpha, RGB, RGBA
  for (const int byte : {bits, kColourType[channels - 1], 0, 0, 0})
    header.push_back(static_cast<std::byte>(byte));
  chunk("IHDR", header);
}

void PngWriter::chunk(const char* type, std::span<const std::byte> data) {
  Bytes out;
  put(out, static_cast<uint32_t>(data.size()));
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<std::byte>(type[i]));
  out.insert(out.end(), data.begin(), data.end());
  put(out, crc32_of(std::span(out).subspan(4)));
  file_.write(out);
}

void PngWriter::idat(bool last) {
  const Bytes packed = packer_.pack(pending_, last);
  pending_.clear();
  if (!packed.empty()) chunk("IDAT", packed);
}

void PngWriter::write(const Image& rows) {
  SGA_CHECK(rows.width == width_ && rows.channels == channels_ && done_ + rows.height <= height_,
            "png writer: ", rows.height, " rows of ", rows.width, "x", rows.channels, " after ", done_,
            " of a picture of ", width_, "x", height_, "x", channels_);
  const auto pixel = size_t(channels_ * bits_ / 8), row = size_t(width_) * pixel;
  Bytes now(row);
  for (int64_t y = 0; y < rows.height; ++y) {
    const float* values = rows.at(y, 0);
    for (int64_t i = 0; i < width_ * channels_; ++i) {
      const float v = values[i] > 0 ? std::min(values[i], 1.0f) : 0.0f;
      if (bits_ == 8) {
        now[size_t(i)] = static_cast<std::byte>(v * 255.0f + 0.5f);
      } else {
        const auto deep = static_cast<uint16_t>(v * 65535.0f + 0.5f);
        now[size_t(2 * i)] = static_cast<std::byte>(deep >> 8),
                       now[size_t(2 * i + 1)] = static_cast<std::byte>(deep);
      }
    }
    pending_.push_back(std::byte{4});
    for (size_t i = 0; i < row; ++i) {
      const int left = i < pixel ? 0 : int(now[i - pixel]), corner = i < pixel ? 0 : int(above_[i - pixel]);
      pending_.push_back(static_cast<std::byte>(int(now[i]) - paeth(left, int(above_[i]), corner)));
    }
    std::swap(above_, now);
    if (pending_.size() >= (size_t{1} << 20)) idat(false);
  }
  done_ += rows.height;
}

void PngWriter::commit() {
  SGA_CHECK(done_ == height_, "png writer: ", done_, " of ", height_, " rows were written");
  idat(true);
  chunk("IEND", {});
  file_.commit();
}

}  // namespace sga
