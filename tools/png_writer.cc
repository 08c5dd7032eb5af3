#include "tools/png_writer.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <string_view>

namespace sga {
namespace {

void put(Bytes& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(value >> shift));
}

// What a byte is predicted to be from those to the left, above, and above left. Source: PNG
// specification, 9.4.
uint8_t paeth(int left, int up, int corner) {
  const int by_left = std::abs(up - corner), by_up = std::abs(left - corner),
            by_corner = std::abs(left + up - 2 * corner);
  const int of_two = by_up <= by_corner ? up : corner;
  return static_cast<uint8_t>((by_left <= by_up) & (by_left <= by_corner) ? left : of_two);
}

// The filter's number and the row less what it predicts.
void filter(const uint8_t* row, const uint8_t* above, size_t count, size_t pixel, uint8_t* out) {
  *out++ = 4;
  for (size_t i = 0; i < pixel; ++i) out[i] = static_cast<uint8_t>(row[i] - above[i]);
  for (size_t i = pixel; i < count; ++i)
    out[i] = static_cast<uint8_t>(row[i] - paeth(row[i - pixel], above[i], above[i - pixel]));
}

// Values in [0,1], clamped, as 8 bits or as 16 with the high byte first.
void round_to_bytes(const float* values, int64_t count, int bits, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    const float v = values[i] > 0 ? std::min(values[i], 1.0f) : 0.0f;
    if (bits == 8) {
      out[i] = static_cast<uint8_t>(static_cast<int>(v * 255.0f + 0.5f));
    } else {
      const auto deep = static_cast<uint16_t>(v * 65535.0f + 0.5f);
      out[2 * i] = static_cast<uint8_t>(deep >> 8);
      out[2 * i + 1] = static_cast<uint8_t>(deep);
    }
  }
}

// Pieces are packed side by side; which bytes are in one depends on the picture alone.
constexpr size_t kPieceBytes = size_t{1} << 20, kPieces = 16;

}  // namespace

PngWriter::PngWriter(const fs::path& path, int64_t height, int64_t width, int64_t channels, int bits)
    : file_(path),
      height_(height),
      width_(width),
      channels_(channels),
      bits_(bits),
      above_(size_t(width * channels * bits / 8)),
      piece_(std::max<size_t>(1, kPieceBytes / (above_.size() + 1))) {
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
  constexpr std::array kZlib{std::byte{0x78}, std::byte{0x01}};
  chunk("IDAT", kZlib);
}

void PngWriter::chunk(const char* type, std::span<const std::byte> data) {
  Bytes out;
  put(out, static_cast<uint32_t>(data.size()));
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<std::byte>(type[i]));
  out.insert(out.end(), data.begin(), data.end());
  put(out, crc32_of(std::span(out).subspan(4)));
  file_.write(out);
}

void PngWriter::pack(bool last) {
  const size_t row = above_.size(), rows = pending_.size() / row, count = (rows + piece_ - 1) / piece_;
  const auto pixel = size_t(channels_ * bits_ / 8);
  std::vector<PackedPiece> packed(count);
  std::vector<size_t> sizes(count);
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic, 1)
  for (size_t i = 0; i < count; ++i) {
    try {
      const size_t begin = i * piece_, end = std::min(rows, begin + piece_);
      Bytes filtered((end - begin) * (row + 1));
      for (size_t y = begin; y < end; ++y)
        filter(pending_.data() + y * row, y > 0 ? pending_.data() + (y - 1) * row : above_.data(), row, pixel,
               reinterpret_cast<uint8_t*>(filtered.data()) + (y - begin) * (row + 1));
      sizes[i] = filtered.size();
      packed[i] = pack_piece(filtered, last && i + 1 == count);
    } catch (...) {
#pragma omp critical
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
  for (size_t i = 0; i < count; ++i) {
    adler_ = adler_of_both(adler_, packed[i].adler, sizes[i]);
    chunk("IDAT", packed[i].bytes);
  }
  above_.assign(pending_.end() - int64_t(row), pending_.end());
  pending_.clear();
}

void PngWriter::write(const Image& rows) {
  SGA_CHECK(rows.width == width_ && rows.channels == channels_ && done_ + rows.height <= height_,
            "png writer: ", rows.height, " rows of ", rows.width, "x", rows.channels, " after ", done_,
            " of a picture of ", width_, "x", height_, "x", channels_);
  const size_t row = above_.size(), most = kPieces * piece_;  // rows packed side by side
  for (int64_t y = 0; y < rows.height;) {
    const size_t have = pending_.size() / row;
    const auto more = std::min(int64_t(most - have), rows.height - y);
    pending_.resize(pending_.size() + size_t(more) * row);
#pragma omp parallel for if (size_t(more) * row > kPieceBytes)
    for (int64_t i = 0; i < more; ++i)
      round_to_bytes(rows.at(y + i, 0), width_ * channels_, bits_,
                     pending_.data() + (have + size_t(i)) * row);
    y += more;
    // The last piece ends the stream and is left for commit().
    if (pending_.size() == most * row && done_ + y < height_) pack(false);
  }
  done_ += rows.height;
}

void PngWriter::commit() {
  SGA_CHECK(done_ == height_, "png writer: ", done_, " of ", height_, " rows were written");
  pack(true);
  Bytes checksum;
  put(checksum, adler_);
  chunk("IDAT", checksum);
  chunk("IEND", {});
  file_.commit();
}

void write_png(const fs::path& path, const Image& image) {
  PngWriter writer(path, image.height, image.width, image.channels);
  writer.write(image);
  writer.commit();
}

}  // namespace sga
