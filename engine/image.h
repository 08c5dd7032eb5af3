// Pictures: decoded from and encoded to bytes by pure functions, and turned into tensors.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/io.h"
#include "engine/tensor.h"

namespace sga {

/// Host pixels, rows top to bottom, channels interleaved, values in [0,1] (8-bit v/255, 16-bit v/65535).
struct Image {
  int64_t height = 0, width = 0, channels = 0;  ///< channels: 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA
  std::vector<float> pixels;
  float* at(int64_t y, int64_t x) { return pixels.data() + (y * width + x) * channels; }
  const float* at(int64_t y, int64_t x) const { return pixels.data() + (y * width + x) * channels; }
};

/// What the header of a picture file says, before anything is decoded.
struct ImageInfo {
  int64_t height = 0, width = 0, channels = 0, bits = 8;
  std::string format;  ///< "png", "jpeg", "bmp"
};
constexpr int64_t kMaxPixels = 100'000'000;
constexpr int64_t kMaxSide = 65'535;

/// Reads only the header. `name` is used in errors. Error if it is no PNG, JPEG or BMP, is cut, or breaks a
/// limit.
ImageInfo image_info(std::span<const std::byte> file, const std::string& name);

/// Header first, then limits, then the pixels. EXIF orientation (1..8) of a JPEG is applied. Channels as in
/// the file.
Image decode_image(std::span<const std::byte> file, const std::string& name);

/// Reads a picture file as `channels` (1 or 3): grey is repeated, colour is averaged by Rec. 601 weights,
/// alpha is composited over white.
Image load_image(const fs::path& path, int64_t channels = 3);
Image convert_channels(const Image& image, int64_t channels);

/// 8-bit PNG; values are clamped to [0,1] and rounded.
Bytes encode_png(const Image& image);
/// Atomic: see write_file.
void save_png(const fs::path& path, const Image& image);

/// (1,H,W,C) in [-1,1]: 2v - 1.
Tensor to_tensor(const Image& image, Dtype dtype = Dtype::f32);
/// Image `n` of a batch; clamp((v+1)/2) to [0,1].
Image to_image(const Tensor& batch, int64_t n = 0);

/// Antialiased bicubic of the pixels to a new size (values clamped to [0,1]).
Image resize_image(const Image& image, int64_t height, int64_t width);

}  // namespace sga
