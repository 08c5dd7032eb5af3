// A GIF as a viewer shows it, decoded by giflib.
#pragma once
#include <gif_lib.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/image.h"

namespace sga {

struct DecodedGif {
  std::vector<Image> frames;
  std::vector<int> delays;  ///< hundredths of a second
  bool forever = false;     ///< plays again and again
};

inline DecodedGif decode_gif(const std::filesystem::path& path) {
  DecodedGif decoded;
  int error = 0;
  GifFileType* gif = DGifOpenFileName(path.c_str(), &error);
  if (!gif || DGifSlurp(gif) != GIF_OK) {
    ADD_FAILURE() << path << ": " << GifErrorString(gif ? gif->Error : error);
    if (gif) DGifCloseFile(gif, &error);
    return decoded;
  }
  Image shown{gif->SHeight, gif->SWidth, 3, std::vector<float>(size_t(gif->SHeight * gif->SWidth * 3))};
  for (int i = 0; i < gif->ImageCount; ++i) {
    const SavedImage& image = gif->SavedImages[i];
    for (int e = 0; e < image.ExtensionBlockCount; ++e) {
      const ExtensionBlock& block = image.ExtensionBlocks[e];
      const std::string bytes(reinterpret_cast<const char*>(block.Bytes), size_t(block.ByteCount));
      // The name, then a block 1, 0, 0: no limit to the repetitions.
      if (block.Function == APPLICATION_EXT_FUNC_CODE && bytes == "NETSCAPE2.0" &&
          e + 1 < image.ExtensionBlockCount) {
        const ExtensionBlock& count = image.ExtensionBlocks[e + 1];
        decoded.forever =
            count.ByteCount == 3 && count.Bytes[0] == 1 && count.Bytes[1] == 0 && count.Bytes[2] == 0;
      }
    }
    GraphicsControlBlock control{};
    control.TransparentColor = NO_TRANSPARENT_COLOR;
    DGifSavedExtensionToGCB(gif, i, &control);
    decoded.delays.push_back(control.DelayTime);
    EXPECT_EQ(image.ImageDesc.Width, gif->SWidth);
    EXPECT_EQ(image.ImageDesc.Height, gif->SHeight);
    for (size_t p = 0; p < shown.pixels.size() / 3; ++p) {
      const int index = image.RasterBits[p];
      if (index == control.TransparentColor) continue;
      const GifColorType& c = gif->SColorMap->Colors[index];
      const int rgb[] = {c.Red, c.Green, c.Blue};
      for (size_t k = 0; k < 3; ++k) shown.pixels[3 * p + k] = float(rgb[k]) / 255;
    }
    decoded.frames.push_back(shown);
  }
  DGifCloseFile(gif, &error);
  return decoded;
}

}  // namespace sga
