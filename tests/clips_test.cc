// Palettes and GIF: what was written is decoded again.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/error_text.h"
#include "tests/gif_frames.h"
#include "tests/temp_folder.h"
#include "tools/gif.h"
#include "tools/gif_palette.h"

namespace sga {
namespace {

/// From black at the left to `right` at the right.
Image ramp(int64_t height, int64_t width, const Colour& right) {
  Image image{height, width, 3, {}};
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (const uint8_t c : right) image.pixels.push_back(float(c) / 255 * float(x) / float(width - 1));
  return image;
}

Image shown(const Image& like, const Quantiser& quantiser, const std::vector<uint8_t>& indices) {
  Image image{like.height, like.width, 3, {}};
  for (const uint8_t i : indices)
    for (const uint8_t c : quantiser.palette()[i]) image.pixels.push_back(float(c) / 255);
  return image;
}

double rmse(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::pow(255 * (a.pixels[i] - b.pixels[i]), 2);
  return std::sqrt(sum / double(a.pixels.size()));
}

TEST(Palette, FewColoursStayAsTheyAre) {
  Image image{4, 4, 3, {}};
  const Colour colours[] = {{0, 0, 0}, {255, 255, 255}, {200, 30, 7}, {12, 99, 180}};
  for (int i = 0; i < 16; ++i)
    for (const uint8_t c : colours[i * i % 4 + i % 2 * 2]) image.pixels.push_back(float(c) / 255);
  Quantiser quantiser({image}, 255);
  const std::set<Colour> got(quantiser.palette().begin(), quantiser.palette().end());
  for (const uint8_t index : quantiser(image)) EXPECT_LT(index, quantiser.palette().size());
  EXPECT_LE(got.size(), 4u);
  EXPECT_EQ(rmse(image, shown(image, quantiser, quantiser(image))), 0);
}

TEST(Palette, OneColour) {
  const Image grey{2, 3, 1, std::vector<float>(6, 0.5f)};
  Quantiser quantiser({grey}, 16);
  EXPECT_EQ(quantiser.palette(), (std::vector<Colour>{{128, 128, 128}}));
  EXPECT_EQ(quantiser(grey), std::vector<uint8_t>(6, 0));
}

TEST(Palette, MoreColoursComeCloser) {
  const std::vector<Image> pictures = {ramp(16, 64, {255, 120, 40}), ramp(16, 64, {20, 90, 250})};
  double last = INFINITY;
  for (const int64_t count : {4, 16, 64, 255}) {
    Quantiser quantiser(pictures, count);
    EXPECT_LE(int64_t(quantiser.palette().size()), count);
    const double error = rmse(pictures[0], shown(pictures[0], quantiser, quantiser(pictures[0]))) +
                         rmse(pictures[1], shown(pictures[1], quantiser, quantiser(pictures[1])));
    EXPECT_LT(error, last);
    last = error;
  }
  EXPECT_LT(last, 8);
  EXPECT_EQ(Quantiser(pictures, 64).palette(), Quantiser(pictures, 64).palette());
}

// Seven colours on a slope: without the pattern whole stripes would be too dark or too light.
TEST(Palette, DitheringKeepsTheMeanOfAnArea) {
  const Image slope = ramp(64, 256, {220, 220, 220});
  Quantiser quantiser({slope}, 7);
  const Image result = shown(slope, quantiser, quantiser(slope));
  for (int64_t x = 24; x < 224; x += 8) {
    double got = 0, want = 0;
    for (int64_t y = 0; y < 64; ++y)
      for (int64_t i = 0; i < 8; ++i) got += *result.at(y, x + i), want += *slope.at(y, x + i);
    EXPECT_NEAR(255 * got / 512, 255 * want / 512, 6) << x;
  }
}

TEST(Palette, TheSamePixelsGetTheSameColours) {
  Image before = ramp(16, 32, {200, 150, 90}), after = before;
  for (int64_t x = 0; x < 32; ++x) *after.at(0, x) = 1;  // only the first row changes
  Quantiser quantiser({before, after}, 31);
  const std::vector<uint8_t> a = quantiser(before), b = quantiser(after);
  EXPECT_TRUE(std::equal(a.begin() + 32, a.end(), b.begin() + 32));
}

TEST(Palette, NonsenseIsRefused) {
  EXPECT_THROW(Quantiser({}, 8), Error);
  EXPECT_THROW(Quantiser({ramp(2, 2, {1, 2, 3})}, 0), Error);
  EXPECT_THROW(Quantiser({ramp(2, 2, {1, 2, 3})}, 257), Error);
}

TEST(Gif, ComesBackAsItWasWritten) {
  const TempFolder folder;
  const std::vector<Colour> palette = {{0, 0, 0}, {255, 0, 0}, {0, 200, 10}, {3, 4, 250}, {255, 255, 255}};
  for (const size_t colours : {size_t{1}, size_t{3}, palette.size()}) {
    std::vector<std::vector<uint8_t>> frames;
    for (size_t t = 0; t < 4; ++t) {
      frames.emplace_back();
      for (size_t i = 0; i < 7 * 5; ++i) frames[t].push_back(uint8_t((i * i + t * (i % 3)) % colours));
    }
    GifWriter writer(7, 5, {palette.begin(), palette.begin() + std::ptrdiff_t(colours)}, 12.5);
    for (const auto& frame : frames) writer.add(frame);
    write_file(folder / "a.gif", writer.finish());

    const DecodedGif gif = decode_gif(folder / "a.gif");
    EXPECT_TRUE(gif.forever);
    EXPECT_EQ(gif.delays, std::vector<int>(4, 8));
    ASSERT_EQ(gif.frames.size(), 4u);
    for (size_t t = 0; t < 4; ++t) {
      ASSERT_EQ(gif.frames[t].height, 7);
      ASSERT_EQ(gif.frames[t].width, 5);
      for (size_t i = 0; i < 35; ++i)
        for (size_t k = 0; k < 3; ++k)
          ASSERT_EQ(std::lround(255 * gif.frames[t].pixels[3 * i + k]), palette[frames[t][i]][k])
              << t << " " << i;
    }
  }
}

TEST(Gif, AFullPaletteLeavesRoomForTransparency) {
  const TempFolder folder;
  std::vector<Colour> palette;
  std::vector<uint8_t> first, second;
  for (int i = 0; i < 255; ++i) {
    palette.push_back({uint8_t(i), uint8_t(255 - i), 7});
    first.push_back(uint8_t(i)), second.push_back(uint8_t(i % 2 ? i : 254 - i));
  }
  GifWriter writer(15, 17, palette, 10);
  writer.add(first), writer.add(second);
  write_file(folder / "a.gif", writer.finish());
  const DecodedGif gif = decode_gif(folder / "a.gif");
  ASSERT_EQ(gif.frames.size(), 2u);
  for (size_t i = 0; i < 255; ++i) EXPECT_EQ(std::lround(255 * gif.frames[1].pixels[3 * i]), second[i]);
  palette.push_back({1, 1, 1});
  EXPECT_THROW(GifWriter(15, 17, palette, 10), Error);
}

// 30 frames a second are not a whole number of hundredths each.
TEST(Gif, DelaysAddUpToTheRightTime) {
  const TempFolder folder;
  GifWriter writer(2, 2, {{1, 2, 3}}, 30);
  for (int t = 0; t < 60; ++t) writer.add({0, 0, 0, 0});
  write_file(folder / "a.gif", writer.finish());
  int total = 0;
  for (const int delay : decode_gif(folder / "a.gif").delays) {
    EXPECT_TRUE(delay == 3 || delay == 4) << delay;
    total += delay;
  }
  EXPECT_EQ(total, 200);
}

TEST(Gif, NonsenseIsRefused) {
  EXPECT_NE(error_text([] { GifWriter(70'000, 2, {{1, 2, 3}}, 10); }).find("65535"), std::string::npos);
  EXPECT_NE(error_text([] { GifWriter(2, 2, {{1, 2, 3}}, 100); }).find("100"), std::string::npos);
  EXPECT_THROW(GifWriter(2, 2, {}, 10), Error);
  GifWriter writer(2, 2, {{1, 2, 3}}, 10);
  EXPECT_THROW(writer.add({0, 0, 0}), Error);
  EXPECT_THROW(writer.add({0, 0, 0, 1}), Error);  // beyond the palette
  EXPECT_THROW(GifWriter(2, 2, {{1, 2, 3}}, 10).finish(), Error);
}

}  // namespace
}  // namespace sga
