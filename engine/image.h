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

/// By its ending, in either case: .png, .jpg, .jpeg, .bmp.
bool has_picture_name(const fs::path& path);

/// Reads only the header. `name` is used in errors. Error if it is no PNG, JPEG or BMP, is cut, or breaks a
/// limit.
ImageInfo image_info(std::span<const std::byte> file, const std::string& name);

/// Header first, then limits, then the pixels. EXIF orientation (1..8) of a JPEG is applied. Channels as in
/// the file.
Image decode_image(std::span<const std::byte> file, const std::string& name);

/// Reads a picture file as `channels` (1, 3 or 4; 0: as many as it shows): see convert_channels. With 4,
/// fill_hidden_colours follows.
Image load_image(const fs::path& path, int64_t channels = 3);
/// To 1 or 3 channels alpha is composited over white; to 4 it is kept, or 1. Grey is repeated, colour
/// averaged by Rec. 601 weights.
Image convert_channels(const Image& image, int64_t channels);
/// The channels that hold all a picture shows: 1 for grey, 3 for colour, 4 if a pixel is not opaque.
int64_t shown_channels(const Image& image);
/// RGBA: where alpha is 0 the colour means nothing (often black), but resampling would drag it into what is
/// seen. Such pixels take the colours of the visible ones around them, ever coarser averages far from them
/// (pull-push; Gortler et al. 1996, The Lumigraph, 3.4). Alpha stays.
Image fill_hidden_colours(const Image& image);

/// PNG of `bits` (8 or 16) a channel; values are clamped to [0,1] and rounded.
Bytes encode_png(const Image& image, int bits = 8);
/// Atomic: see write_file.
void save_png(const fs::path& path, const Image& image, int bits = 8);

/// (1,H,W,C) in [-1,1]: 2v - 1.
Tensor to_tensor(const Image& image, Dtype dtype = Dtype::f32);
/// Image `n` of a batch; clamp((v+1)/2) to [0,1].
Image to_image(const Tensor& batch, int64_t n = 0);

/// Antialiased bicubic of the pixels to a new size (values clamped to [0,1]).
Image resize_image(const Image& image, int64_t height, int64_t width);

}  // namespace sga
