#include "engine/image.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <cstring>

#include "engine/byte_order.h"
#include "engine/exif.h"
#include "engine/ops.h"

// A small file can ask its decoder for gigabytes (deflate expands 1000 times), whatever size its header
// states: blocks beyond the budget of the picture being decoded are refused. calloc: stb_image leaves parts
// unwritten.
namespace {
thread_local size_t decoder_budget = 0;
void* decoder_malloc(size_t n) { return n <= decoder_budget ? std::calloc(n, 1) : nullptr; }
void* decoder_realloc(void* p, size_t n) { return n <= decoder_budget ? std::realloc(p, n) : nullptr; }
}  // namespace

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#define STBI_ASSERT(x) ((void)0)  // some fail on damaged files, after which decoding only gives wrong pixels
#define STBI_MALLOC(n) decoder_malloc(n)
#define STBI_REALLOC(p, n) decoder_realloc(p, n)
#define STBI_FREE(p) std::free(p)
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace sga {
namespace {

using Span = std::span<const std::byte>;
constexpr int64_t kMaxFileBytes = int64_t{1} << 30;

struct Free {
  void operator()(void* p) const { std::free(p); }
};

// The largest block an honest picture needs: 16-bit RGBA or JPEG coefficients in whole 32-pixel units, or
// twice the file (stb_image doubles its buffer of compressed data).
size_t budget_of(const ImageInfo& info, size_t file_bytes) {
  return static_cast<size_t>((info.height + 64) * (info.width + 64)) * 16 + 2 * file_bytes + (1 << 20);
}

// stb_image reads entries that a short palette does not have: such a PNG is completed with black. `png` has
// passed image_info, so its chunks are whole. An empty result means "use the file as it is".
Bytes with_whole_palette(Span png) {
  const uint64_t bits = big_endian(png, 24, 1), colour_type = big_endian(png, 25, 1);
  if (colour_type != 3) return {};
  uint64_t at = 8;
  const auto is = [&](const char* type) { return std::memcmp(png.data() + at + 4, type, 4) == 0; };
  while (!is("PLTE") && !is("IEND")) at += 12 + big_endian(png, at, 4);
  const uint64_t length = big_endian(png, at, 4), whole = uint64_t{3} << bits;
  if (is("IEND") || length >= whole) return {};
  Bytes out(png.begin(), png.end());
  out.insert(out.begin() + static_cast<int64_t>(at + 8 + length), whole - length, std::byte{0});
  for (int i = 0; i < 4; ++i)
    out[at + static_cast<uint64_t>(i)] = static_cast<std::byte>(whole >> (24 - 8 * i));
  return out;
}

// The picture as it should be seen. Orientations 5..8 swap rows and columns.
Image upright(Image in, int orientation) {
  if (orientation == 1) return in;
  const bool swap = orientation >= 5;
  const bool flip_rows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool flip_columns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Image out{swap ? in.width : in.height, swap ? in.height : in.width, in.channels, {}};
  out.pixels.resize(in.pixels.size());
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x) {
      const int64_t row = swap ? x : y, column = swap ? y : x;
      std::copy_n(in.at(flip_rows ? in.height - 1 - row : row, flip_columns ? in.width - 1 - column : column),
                  in.channels, out.at(y, x));
    }
  return out;
}

void check_image(const Image& image, const char* what) {
  SGA_CHECK(image.height >= 1 && image.width >= 1 && image.channels >= 1 && image.channels <= 4, what,
            ": a picture has 1 pixel or more and 1 to 4 channels, got ", image.width, "x", image.height, "x",
            image.channels);
  SGA_CHECK(image.height <= kMaxSide && image.width <= kMaxSide && image.height * image.width <= kMaxPixels,
            what, ": the picture is ", image.width, "x", image.height, ", the limits are ", kMaxSide,
            " a side and ", kMaxPixels / 1'000'000, " Mpx");
  SGA_CHECK(static_cast<int64_t>(image.pixels.size()) == image.height * image.width * image.channels, what,
            ": ", image.pixels.size(), " values for ", image.width, "x", image.height, "x", image.channels);
}

// NaN becomes 0.
float clamp01(float v) { return v > 0 ? std::min(v, 1.0f) : 0.0f; }

void put_big_endian(Bytes& out, uint64_t value, int n) {
  while (n-- > 0) out.push_back(static_cast<std::byte>(value >> 8 * n));
}

void put_png_chunk(Bytes& png, const char* type, const unsigned char* data, size_t size) {
  put_big_endian(png, size, 4);
  const size_t at = png.size();
  for (int i = 0; i < 4; ++i) png.push_back(static_cast<std::byte>(type[i]));
  const auto* first = reinterpret_cast<const std::byte*>(data);
  png.insert(png.end(), first, first + size);
  put_big_endian(png, stbiw__crc32(reinterpret_cast<unsigned char*>(png.data() + at), int(png.size() - at)),
                 4);
}

// What predicts a byte from its neighbours left, above and above left. Source: PNG specification 9.4.
int paeth(int left, int up, int up_left) {
  const int to_left = std::abs(up - up_left), to_up = std::abs(left - up_left),
            to_up_left = std::abs(left + up - 2 * up_left);
  if (to_left <= to_up && to_left <= to_up_left) return left;
  return to_up <= to_up_left ? up : up_left;
}

// 16 bits a channel, which stb_image_write cannot; every row with the Paeth filter.
Bytes encode_deep_png(const Image& image) {
  const auto pixel = static_cast<size_t>(2 * image.channels), row = static_cast<size_t>(image.width) * pixel;
  std::vector<uint8_t> above(row), now(row), filtered;
  filtered.reserve(static_cast<size_t>(image.height) * (row + 1));
  for (int64_t y = 0; y < image.height; ++y) {
    const float* values = image.at(y, 0);
    for (size_t i = 0; i < row; i += 2) {
      const auto v = static_cast<uint16_t>(clamp01(values[i / 2]) * 65535.0f + 0.5f);
      now[i] = static_cast<uint8_t>(v >> 8), now[i + 1] = static_cast<uint8_t>(v);
    }
    filtered.push_back(4);
    for (size_t i = 0; i < row; ++i) {
      const bool first = i < pixel;
      const int left = first ? 0 : now[i - pixel], up_left = first ? 0 : above[i - pixel];
      filtered.push_back(static_cast<uint8_t>(now[i] - paeth(left, above[i], up_left)));
    }
    std::swap(above, now);
  }
  int size = 0;
  const std::unique_ptr<unsigned char, Free> packed(
      stbi_zlib_compress(filtered.data(), static_cast<int>(filtered.size()), &size, 8));
  SGA_CHECK(packed, "encode_png: no memory for a picture of ", image.width, "x", image.height);
  constexpr std::array<uint8_t, 4> kColourType{0, 4, 2, 6};
  Bytes header;
  put_big_endian(header, static_cast<uint64_t>(image.width), 4);
  put_big_endian(header, static_cast<uint64_t>(image.height), 4);
  for (const uint8_t v :
       {uint8_t{16}, kColourType[size_t(image.channels - 1)], uint8_t{0}, uint8_t{0}, uint8_t{0}})
    header.push_back(std::byte{v});
  Bytes png;
  put_big_endian(png, 0x89504E470D0A1A0A, 8);
  put_png_chunk(png, "IHDR", reinterpret_cast<const unsigned char*>(header.data()), header.size());
  put_png_chunk(png, "IDAT", packed.get(), static_cast<size_t>(size));
  put_png_chunk(png, "IEND", nullptr, 0);
  return png;
}

}  // namespace

namespace {

// v / most of each value. Piece by piece: filling a large vector twice, with zeros first, shows.
template <class T>
std::vector<float> shares_of(const T* values, size_t count, float most) {
  std::vector<float> shares;
  shares.reserve(count);
  std::array<float, 4096> piece;
  for (size_t i = 0; i < count; i += piece.size()) {
    const size_t n = std::min(piece.size(), count - i);
    std::transform(values + i, values + i + n, piece.begin(),
                   [most](T v) { return static_cast<float>(v) / most; });
    shares.insert(shares.end(), piece.begin(), piece.begin() + static_cast<int64_t>(n));
  }
  return shares;
}

}  // namespace

Image decode_image(Span file, const std::string& name) {
  const ImageInfo info = image_info(file, name);
  const Bytes completed = info.format == "png" ? with_whole_palette(file) : Bytes{};
  const Span data = completed.empty() ? file : Span(completed);
  SGA_CHECK(data.size() <= kMaxFileBytes, "cannot read \"", name, "\": the file has ", data.size(),
            " bytes, the limit is ", kMaxFileBytes);
  decoder_budget = budget_of(info, data.size());

  const auto* bytes = reinterpret_cast<const stbi_uc*>(data.data());
  const int size = static_cast<int>(data.size());
  const bool deep = info.bits == 16;
  int w = 0, h = 0, c = 0;
  const std::unique_ptr<void, Free> decoded(
      deep ? static_cast<void*>(stbi_load_16_from_memory(bytes, size, &w, &h, &c, 0))
           : static_cast<void*>(stbi_load_from_memory(bytes, size, &w, &h, &c, 0)));
  SGA_CHECK(decoded, "cannot read \"", name, "\": the ", info.format, " data is damaged (",
            stbi_failure_reason(), "); get it again");
  SGA_CHECK(w == info.width && h == info.height && c >= 1 && c <= 4, "cannot read \"", name,
            "\": its header contradicts its data");

  const auto count = static_cast<size_t>(int64_t{h} * w * c);
  Image image{h, w, c,
              deep ? shares_of(static_cast<const uint16_t*>(decoded.get()), count, 65535.0f)
                   : shares_of(static_cast<const uint8_t*>(decoded.get()), count, 255.0f)};
  return info.format == "jpeg" ? upright(std::move(image), exif_orientation(file)) : image;
}

bool has_picture_name(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg" || ending == ".bmp";
}

Image load_image(const fs::path& path, int64_t channels) {
  Image image = decode_image(read_file(path, kMaxFileBytes), path.string());
  if (channels == 0) channels = shown_channels(image);
  if (image.channels != channels) image = convert_channels(image, channels);
  return channels == 4 ? fill_hidden_colours(image) : image;
}

Image convert_channels(const Image& image, int64_t channels) {
  check_image(image, "convert_channels");
  SGA_CHECK(channels == 1 || channels == 3 || channels == 4,
            "convert_channels: channels must be 1, 3 or 4, got ", channels);
  if (image.channels == channels) return image;
  const bool alpha = image.channels == 2 || image.channels == 4, colour = image.channels >= 3;
  Image out{image.height, image.width, channels, {}};
  out.pixels.resize(static_cast<size_t>(out.height * out.width * channels));
  const float* from = image.pixels.data();
  float* to = out.pixels.data();
  for (int64_t i = 0; i < image.height * image.width; ++i, from += image.channels, to += channels) {
    const float a = alpha ? from[image.channels - 1] : 1.0f;
    const float over_white = channels == 4 ? 1.0f : a;
    float rgb[3];
    for (int c = 0; c < 3; ++c) rgb[c] = from[colour ? c : 0] * over_white + (1.0f - over_white);
    if (channels == 1)
      *to = colour ? 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2] : rgb[0];
    else
      std::copy_n(rgb, 3, to);
    if (channels == 4) to[3] = a;
  }
  return out;
}

Bytes encode_png(const Image& image, int bits) {
  check_image(image, "encode_png");
  SGA_CHECK(bits == 8 || bits == 16, "encode_png: a channel has 8 or 16 bits, got ", bits);
  if (bits == 16) return encode_deep_png(image);
  std::vector<uint8_t> bytes(image.pixels.size());
  std::transform(image.pixels.begin(), image.pixels.end(), bytes.begin(),
                 [](float v) { return static_cast<uint8_t>(clamp01(v) * 255.0f + 0.5f); });
  const int w = static_cast<int>(image.width), h = static_cast<int>(image.height),
            c = static_cast<int>(image.channels);
  int size = 0;
  const std::unique_ptr<unsigned char, Free> png(stbi_write_png_to_mem(bytes.data(), w * c, w, h, c, &size));
  SGA_CHECK(png, "encode_png: no memory for a picture of ", w, "x", h);
  const auto* first = reinterpret_cast<const std::byte*>(png.get());
  return Bytes(first, first + size);
}

void save_png(const fs::path& path, const Image& image, int bits) {
  write_file(path, encode_png(image, bits));
}

Tensor to_tensor(const Image& image, Dtype dtype) {
  check_image(image, "to_tensor");
  std::vector<float> values(image.pixels.size());
  std::transform(image.pixels.begin(), image.pixels.end(), values.begin(),
                 [](float v) { return 2.0f * v - 1.0f; });
  return from_host(Shape{1, image.height, image.width, image.channels}, values, dtype);
}

Image to_image(const Tensor& batch, int64_t n) {
  SGA_CHECK(batch && batch.rank() == 4 && batch.dim(3) >= 1 && batch.dim(3) <= 4,
            "to_image: a batch of pictures is (N,H,W,C) with C 1 to 4, got ",
            batch ? batch.shape() : Shape{});
  SGA_CHECK(n >= 0 && n < batch.dim(0), "to_image: picture ", n, " of a batch of ", batch.dim(0));
  Image image{batch.dim(1), batch.dim(2), batch.dim(3), {}};
  const int64_t count = image.height * image.width * image.channels;
  const std::vector<float> values = to_host<float>(batch);
  image.pixels.resize(static_cast<size_t>(count));
  std::transform(values.begin() + n * count, values.begin() + (n + 1) * count, image.pixels.begin(),
                 [](float v) { return clamp01((v + 1.0f) / 2.0f); });
  return image;
}

Image resize_image(const Image& image, int64_t height, int64_t width) {
  check_image(image, "resize_image");
  SGA_CHECK(
      height >= 1 && width >= 1 && height <= kMaxSide && width <= kMaxSide && height * width <= kMaxPixels,
      "resize_image: cannot make a picture of ", width, "x", height, ", the limits are 1 to ", kMaxSide,
      " a side and ", kMaxPixels / 1'000'000, " Mpx");
  const auto taps = [](int64_t from, int64_t to) {
    return bicubic_taps(from, to, static_cast<double>(to) / static_cast<double>(from), true, false);
  };
  const NoGrad no_grad;
  const Tensor pixels = from_host(Shape{1, image.height, image.width, image.channels}, image.pixels);
  Image out{height, width, image.channels,
            to_host<float>(resize(pixels, taps(image.height, height), taps(image.width, width)))};
  for (float& v : out.pixels) v = clamp01(v);
  return out;
}

}  // namespace sga
