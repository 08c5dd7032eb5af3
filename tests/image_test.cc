// Pictures: every kind decodes to known values, and any bytes give a picture or one sentence.
#include "engine/image.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/exif.h"
#include "tests/error_text.h"
#include "tests/picture_bytes.h"
#include "tests/temp_folder.h"

namespace sga {
namespace {

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes out;
  for (int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

Image test_image(int64_t height, int64_t width, int64_t channels) {
  Image image{height, width, channels, {}};
  for (int64_t i = 0; i < height * width * channels; ++i)
    image.pixels.push_back(static_cast<float>(i * 37 % 256) / 255.0f);
  return image;
}

void expect_pixels(const Image& image, int64_t height, int64_t width, int64_t channels,
                   const std::vector<float>& pixels) {
  EXPECT_EQ(image.height, height);
  EXPECT_EQ(image.width, width);
  EXPECT_EQ(image.channels, channels);
  ASSERT_EQ(image.pixels.size(), pixels.size());
  for (size_t i = 0; i < pixels.size(); ++i) EXPECT_NEAR(image.pixels[i], pixels[i], 1e-6) << "value " << i;
}

// Decodes, or fails with a sentence that names the file; anything else is a crash.
bool decodes(const Bytes& file) {
  bool ok = false;
  const std::string text = error_text([&] {
    const Image image = decode_image(file, "some.file");
    ok = image.pixels.size() == static_cast<size_t>(image.height * image.width * image.channels);
  });
  EXPECT_NE(ok, text.find("some.file") != std::string::npos) << text;
  return ok;
}

std::string refusal(const Bytes& file) {
  return error_text([&] { decode_image(file, "some.file"); });
}

#define EXPECT_REFUSED(file, why) EXPECT_NE(refusal(file).find(why), std::string::npos) << refusal(file)

// ---- kinds

TEST(Image, PngRoundTripsEveryChannelCount) {
  for (int64_t channels = 1; channels <= 4; ++channels)
    for (auto [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {7, 13}, {64, 3}}) {
      const Image image = test_image(h, w, channels);
      const Bytes png = encode_png(image);
      expect_pixels(decode_image(png, "x"), h, w, channels, image.pixels);
      const ImageInfo info = image_info(png, "x");
      EXPECT_EQ(info.height, h);
      EXPECT_EQ(info.width, w);
      EXPECT_EQ(info.channels, channels);
      EXPECT_EQ(info.bits, 8);
      EXPECT_EQ(info.format, "png");
    }
}

TEST(Image, SixteenBitPngKeepsItsPrecision) {
  const Bytes row = ByteWriter().be(0, 2).be(1, 2).be(32768, 2).be(65535, 2).bytes;
  const Bytes grey = make_png(4, 16, 0, {row});
  expect_pixels(decode_image(grey, "x"), 1, 4, 1, {0, 1 / 65535.0f, 32768 / 65535.0f, 1});
  EXPECT_EQ(image_info(grey, "x").bits, 16);
  expect_pixels(decode_image(make_png(1, 16, 6, {row}), "x"), 1, 1, 4,
                {0, 1 / 65535.0f, 32768 / 65535.0f, 1});
}

TEST(Image, PngOfFewBits) {
  expect_pixels(decode_image(make_png(5, 1, 0, {bytes_of({0b10110000})}), "x"), 1, 5, 1, {1, 0, 1, 1, 0});
  expect_pixels(decode_image(make_png(3, 2, 0, {bytes_of({0b00'01'11'00})}), "x"), 1, 3, 1,
                {0, 85 / 255.0f, 1});
  expect_pixels(decode_image(make_png(2, 4, 0, {bytes_of({0x3F})}), "x"), 1, 2, 1, {51 / 255.0f, 1});
}

TEST(Image, PalettePng) {
  const Bytes colours = png_chunk("PLTE", bytes_of({255, 0, 0, 0, 255, 0, 0, 0, 255}));
  expect_pixels(decode_image(make_png(3, 8, 3, {bytes_of({2, 0, 1})}, colours), "x"), 1, 3, 3,
                {0, 0, 1, 1, 0, 0, 0, 1, 0});
  // An entry that does not exist is black, not a part of the stack.
  expect_pixels(decode_image(make_png(2, 8, 3, {bytes_of({2, 200})}, colours), "x"), 1, 2, 3,
                {0, 0, 1, 0, 0, 0});
  const Bytes transparent = ByteWriter().add(colours).add(png_chunk("tRNS", bytes_of({0, 51}))).bytes;
  const Bytes png = make_png(3, 8, 3, {bytes_of({0, 1, 2})}, transparent);
  expect_pixels(decode_image(png, "x"), 1, 3, 4, {1, 0, 0, 0, 0, 1, 0, 0.2f, 0, 0, 1, 1});
  EXPECT_EQ(image_info(png, "x").channels, 4);
}

TEST(Image, PngWithOneTransparentColour) {
  const Bytes png = make_png(2, 8, 0, {bytes_of({7, 8})}, png_chunk("tRNS", bytes_of({0, 7})));
  expect_pixels(decode_image(png, "x"), 1, 2, 2, {7 / 255.0f, 0, 8 / 255.0f, 1});
  EXPECT_EQ(image_info(png, "x").channels, 2);
}

TEST(Image, JpegGreyAndColour) {
  const Bytes grey = make_jpeg({{{10}, {250}}});
  const Image image = decode_image(grey, "x");
  ASSERT_EQ(image.height, 8);
  ASSERT_EQ(image.width, 16);
  ASSERT_EQ(image.channels, 1);
  EXPECT_NEAR(*image.at(3, 3), 10 / 255.0, 1e-6);
  EXPECT_NEAR(*image.at(3, 12), 250 / 255.0, 1e-6);
  EXPECT_EQ(image_info(grey, "x").format, "jpeg");

  const Image red = decode_image(make_jpeg({{{76, 85, 255}}}), "x");  // Y, Cb, Cr of pure red
  ASSERT_EQ(red.channels, 3);
  EXPECT_NEAR(red.at(4, 4)[0], 1, 0.01);
  EXPECT_NEAR(red.at(4, 4)[1], 0, 0.01);
  EXPECT_NEAR(red.at(4, 4)[2], 0, 0.01);
}

TEST(Image, Bmp) {
  const Bytes colour =
      make_bmp(2, 24, {bytes_of({0, 0, 255, 0, 255, 0}), bytes_of({255, 0, 0, 255, 255, 255})});
  expect_pixels(decode_image(colour, "x"), 2, 2, 3, {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1});
  EXPECT_EQ(image_info(colour, "x").format, "bmp");
  const Bytes palette = bytes_of({0, 0, 255, 0, 255, 0, 0, 0});
  expect_pixels(decode_image(make_bmp(3, 8, {bytes_of({1, 0, 1})}, palette), "x"), 1, 3, 3,
                {0, 0, 1, 1, 0, 0, 0, 0, 1});
  expect_pixels(decode_image(make_bmp(3, 1, {bytes_of({0b10100000})}, palette), "x"), 1, 3, 3,
                {0, 0, 1, 1, 0, 0, 0, 0, 1});
  EXPECT_REFUSED(make_bmp(3, 8, {bytes_of({1, 0, 2})}, palette), "a pixel has colour 2 of 2");
  const Bytes with_alpha = make_bmp(1, 32, {bytes_of({0, 0, 255, 51})});
  expect_pixels(decode_image(with_alpha, "x"), 1, 1, 4, {1, 0, 0, 0.2f});
  EXPECT_EQ(image_info(with_alpha, "x").channels, 4);
}

// ---- orientation

// The block values of a decoded picture, one letter a block of 8x8: 'a' is 10, 'b' 20, ...
std::string letters(const Image& image) {
  std::string out;
  for (int64_t y = 4; y < image.height; y += 8, out += '/')
    for (int64_t x = 4; x < image.width; x += 8)
      out += static_cast<char>('a' - 1 + std::lround(*image.at(y, x) * 255.0f / 10.0f));
  return out;
}

TEST(Image, AllEightOrientations) {
  const Bytes jpeg = make_jpeg({{{10}, {20}}, {{30}, {40}}, {{50}, {60}}});
  EXPECT_EQ(letters(decode_image(jpeg, "x")), "ab/cd/ef/");
  EXPECT_EQ(exif_orientation(jpeg), 1);
  // Row 0 is the visual: top, top, bottom, bottom, left, right, right, left side.
  const char* shown[] = {"ab/cd/ef/", "ba/dc/fe/", "fe/dc/ba/", "ef/cd/ab/",
                         "ace/bdf/",  "eca/fdb/",  "fdb/eca/",  "bdf/ace/"};
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (bool little : {false, true}) {
      const Bytes turned = with_orientation(jpeg, orientation, little);
      EXPECT_EQ(exif_orientation(turned), orientation);
      EXPECT_EQ(letters(decode_image(turned, "x")), shown[orientation - 1]) << orientation << little;
    }
  for (int wrong : {0, 9, 255, 65535})
    EXPECT_EQ(exif_orientation(with_orientation(jpeg, wrong, true)), 1) << wrong;
}

TEST(Image, DamagedExifMeansAsStored) {
  const Bytes jpeg = with_orientation(make_jpeg({{{10}, {20}}}), 6, true);
  for (size_t n = 0; n < jpeg.size(); ++n) {  // cut
    const int got = exif_orientation(std::span(jpeg).first(n));
    EXPECT_TRUE(got == 1 || got == 6) << n;
    EXPECT_TRUE(n >= 50 || got == 1) << n;  // the tag's entry ends at byte 50
  }
  for (size_t bit = 0; bit < 80 * 8; ++bit) {  // flipped
    Bytes flipped = jpeg;
    flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    const int got = exif_orientation(flipped);
    EXPECT_TRUE(got >= 1 && got <= 8) << bit;
  }
  EXPECT_EQ(exif_orientation({}), 1);
}

// ---- refusals

std::vector<Bytes> small_files() {
  const Bytes palette = png_chunk("PLTE", bytes_of({255, 0, 0, 0, 255, 0, 0, 0, 255}));
  return {encode_png(test_image(5, 7, 3)),
          encode_png(test_image(9, 2, 4)),
          make_png(3, 16, 4, {Bytes(12, std::byte{77}), Bytes(12, std::byte{99})}),
          make_png(3, 8, 3, {bytes_of({2, 0, 1})}, palette),
          make_jpeg({{{10}, {20}}, {{30}, {255}}}),
          with_orientation(make_jpeg({{{76, 85, 255}, {1, 2, 3}}}), 8, false),
          make_bmp(2, 24, {bytes_of({0, 0, 255, 0, 255, 0}), bytes_of({255, 0, 0, 255, 255, 255})}),
          make_bmp(2, 4, {bytes_of({0x01})}, bytes_of({0, 0, 255, 0, 255, 0, 0, 0}))};
}

TEST(Image, CutAtEveryByteIsRefused) {
  int cuts = 0;
  for (const Bytes& file : small_files()) {
    ASSERT_TRUE(decodes(file)) << refusal(file);
    const bool bmp = file[0] == std::byte{'B'};  // the padding of its last row may be missing
    for (size_t n = 0; n < file.size() - (bmp ? 3 : 0); ++n, ++cuts)
      EXPECT_FALSE(decodes(Bytes(file.begin(), file.begin() + static_cast<int64_t>(n))))
          << n << " of " << file.size();
  }
  EXPECT_GT(cuts, 800);
}

TEST(Image, EveryFlippedBitGivesAPictureOrASentence) {
  int refused = 0, total = 0;
  for (const Bytes& file : small_files())
    for (size_t bit = 0; bit < file.size() * 8; ++bit, ++total) {
      Bytes flipped = file;
      flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      refused += !decodes(flipped);
    }
  EXPECT_GT(refused, total / 4);
}

TEST(Image, EveryFlippedBitOfAPngIsFound) {  // its checksums cover every byte that matters
  const Bytes png = encode_png(test_image(5, 7, 3));
  for (size_t bit = 0; bit < png.size() * 8; ++bit) {
    Bytes flipped = png;
    flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_FALSE(decodes(flipped)) << bit;
  }
}

TEST(Image, ATypeOfAChunkThatIsNoText) {  // its bytes must not reach the terminal
  const Bytes escape = ByteWriter().add(png_header(4, 4, 8, 0)).add(png_chunk("ID\x1b[", Bytes(5))).bytes;
  EXPECT_REFUSED(ByteWriter().add(escape).add(png_chunk("IEND", {})).bytes, "damaged at byte 37;");
}

TEST(Image, WhatIsNoPictureIsRefused) {
  EXPECT_REFUSED({}, "the file is empty");
  EXPECT_REFUSED(ByteWriter().text("this is not a picture\n").bytes, "no PNG, JPEG or BMP");
  EXPECT_REFUSED(ByteWriter().text("GIF89a").add(Bytes(100)).bytes, "no PNG, JPEG or BMP");
  EXPECT_REFUSED(ByteWriter().be(0xFFD8FFE0, 4).add(Bytes(50)).bytes, "damaged");
  EXPECT_REFUSED(ByteWriter().be(0xFFD8FFD9, 4).bytes, "holds no picture");
}

TEST(Image, LimitsAreCheckedOnTheHeader) {
  EXPECT_REFUSED(png_header(30'000, 30'000, 1, 0), "30000x30000 = 900 Mpx, the limit is 100 Mpx");
  EXPECT_REFUSED(png_header(70'000, 1, 8, 0), "70000x1, a side may have 65535");
  EXPECT_REFUSED(png_header(0, 5, 8, 0), "0x5, a side needs 1 pixel");
  EXPECT_REFUSED(png_header(5, 0, 8, 0), "5x0");
  EXPECT_REFUSED(png_header(0xFFFFFFFF, 0xFFFFFFFF, 8, 0), "a side may have");
  EXPECT_REFUSED(png_header(10'000, 10'000, 8, 2), "is cut");  // exactly 100 Mpx passes the limit
  EXPECT_REFUSED(png_header(4, 4, 3, 0), "colour type 0 with 3 bits");
  EXPECT_REFUSED(png_header(4, 4, 8, 5), "colour type 5");
  EXPECT_REFUSED(png_header(4, 4, 8, 255), "colour type 255");

  Bytes jpeg = make_jpeg({{{10}, {20}}});
  const size_t size_at = 2 + 69 + 5;  // after the quantisation table: marker, length, bits
  for (size_t i = 0; i < 4; ++i) jpeg[size_at + i] = std::byte{0xFF};
  EXPECT_REFUSED(jpeg, "65535x65535 = 4294 Mpx");
  for (size_t i = 0; i < 2; ++i) jpeg[size_at + i] = std::byte{0};
  EXPECT_REFUSED(jpeg, "65535x0");

  Bytes bmp = make_bmp(1, 24, {bytes_of({1, 2, 3})});
  bmp[25] = std::byte{0x80};  // the height becomes -(2^31) + 1
  EXPECT_REFUSED(bmp, "a side may have");
}

TEST(Image, DataThatGrowsBeyondItsHeaderIsRefused) {
  // Deflate of 60 MB of zeros for a picture of one pixel: 258 zeros in 2 bits each time.
  std::vector<bool> bits = {1, 1, 0};                            // last block, fixed codes
  for (int i = 0; i < 8; ++i) bits.push_back(i == 2 || i == 3);  // literal 0 is 00110000
  for (int i = 0; i < 240'000; ++i)                              // length 258 (11000101), distance 1 (00000)
    for (bool b : {1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0}) bits.push_back(b);
  for (int i = 0; i < 7; ++i) bits.push_back(false);  // end of block
  ByteWriter zlib;
  zlib.be(0x7801, 2);
  for (size_t i = 0; i < bits.size(); i += 8) {
    uint64_t byte = 0;
    for (size_t j = 0; j < 8 && i + j < bits.size(); ++j) byte |= uint64_t{bits[i + j]} << j;
    zlib.be(byte, 1);
  }
  const Bytes bomb = ByteWriter()
                         .add(png_header(1, 1, 8, 0))
                         .add(png_chunk("IDAT", zlib.be(0, 4).bytes))
                         .add(png_chunk("IEND", {}))
                         .bytes;
  EXPECT_REFUSED(bomb, "outofmem");
}

TEST(Image, RareJpegsAreRefusedByName) {
  const Bytes jpeg = make_jpeg({{{10}, {20}}});
  const size_t frame = 2 + 69 + 1;
  Bytes other = jpeg;
  other[frame] = std::byte{0xC3};
  EXPECT_REFUSED(other, "lossless or arithmetic");
  other = jpeg;
  other[frame + 3] = std::byte{12};
  EXPECT_REFUSED(other, "12 bits");
  EXPECT_REFUSED(make_jpeg({{{1, 2, 3, 4}}}), "CMYK");
  Bytes scans(jpeg.begin(), jpeg.end() - 2);
  for (int i = 0; i < 101; ++i)
    scans.insert(scans.end(), {std::byte{0xFF}, std::byte{0xDA}, std::byte{0}, std::byte{2}});
  EXPECT_REFUSED(ByteWriter().add(scans).be(0xFFD9, 2).bytes, "more than 100 scans");
}

TEST(Image, HuffmanTablesThatOverflowAreRefused) {  // stb_image 2.27 wrote beyond its tables
  const Bytes jpeg = make_jpeg({{{10}, {20}}});
  size_t table = 0;
  while (jpeg[table] != std::byte{0xFF} || jpeg[table + 1] != std::byte{0xC4}) ++table;
  Bytes wrong = jpeg;
  wrong[table + 5] = std::byte{255};  // 255 codes of 1 bit
  EXPECT_REFUSED(wrong, "damaged");
  wrong = Bytes(jpeg.begin(), jpeg.begin() + static_cast<int64_t>(table));
  const Bytes huge =
      ByteWriter().be(0xFFC4, 2).be(19 + 16 * 200, 2).be(0, 1).add(Bytes(16, std::byte{200})).bytes;
  wrong = ByteWriter().add(wrong).add(huge).add(Bytes(16 * 200)).bytes;
  wrong.insert(wrong.end(), jpeg.begin() + static_cast<int64_t>(table), jpeg.end());
  EXPECT_REFUSED(wrong, "damaged");
}

TEST(Image, TrailingBytesAndFillBytesAreFine) {  // as phones write them
  Bytes jpeg = make_jpeg({{{10}, {20}}});
  jpeg.insert(jpeg.end(), 100, std::byte{0xFF});
  EXPECT_TRUE(decodes(jpeg)) << refusal(jpeg);
  jpeg.insert(jpeg.begin() + 2, 3, std::byte{0xFF});
  EXPECT_TRUE(decodes(jpeg)) << refusal(jpeg);
  Bytes png = encode_png(test_image(3, 3, 3));
  png.insert(png.end(), 100, std::byte{7});
  EXPECT_TRUE(decodes(png)) << refusal(png);
}

TEST(Image, FilesThroughTheDisk) {
  TempFolder folder;
  const Image image = test_image(5, 6, 3);
  save_png(folder / "a.png", image);
  expect_pixels(load_image(folder / "a.png"), 5, 6, 3, image.pixels);
  EXPECT_EQ(load_image(folder / "a.png", 1).channels, 1);
  save_png(folder / "hidden.png", {1, 2, 4, {1, 0, 0, 1, 0, 0, 0, 0}}, 16);
  expect_pixels(load_image(folder / "hidden.png", 4), 1, 2, 4, {1, 0, 0, 1, 1, 0, 0, 0});
  write_file(folder / "b.png", "text");
  for (const char* name : {"b.png", "none.png", "."})
    EXPECT_NE(error_text([&] { load_image(folder / name); }).find((folder / name).string()),
              std::string::npos)
        << name;
}

// ---- channels, tensors, encoding

TEST(Image, ConvertsChannels) {
  const Image rgba{1, 2, 4, {1, 0, 0, 0.25f, 0.2f, 0.4f, 0.6f, 1}};
  expect_pixels(convert_channels(rgba, 3), 1, 2, 3, {1, 0.75f, 0.75f, 0.2f, 0.4f, 0.6f});
  expect_pixels(convert_channels(rgba, 1), 1, 2, 1,
                {0.299f + 0.75f * (0.587f + 0.114f), 0.299f * 0.2f + 0.587f * 0.4f + 0.114f * 0.6f});
  const Image grey_alpha{1, 2, 2, {0.5f, 0, 0.5f, 1}};
  expect_pixels(convert_channels(grey_alpha, 1), 1, 2, 1, {1, 0.5f});
  expect_pixels(convert_channels(grey_alpha, 3), 1, 2, 3, {1, 1, 1, 0.5f, 0.5f, 0.5f});
  const Image grey{1, 1, 1, {0.3f}};
  expect_pixels(convert_channels(grey, 3), 1, 1, 3, {0.3f, 0.3f, 0.3f});
  expect_pixels(convert_channels(grey, 1), 1, 1, 1, {0.3f});
  EXPECT_NE(error_text([&] { convert_channels(grey, 2); }).find("1, 3 or 4, got 2"), std::string::npos);
  expect_pixels(convert_channels(grey, 4), 1, 1, 4, {0.3f, 0.3f, 0.3f, 1});
  expect_pixels(convert_channels(grey_alpha, 4), 1, 2, 4, {0.5f, 0.5f, 0.5f, 0, 0.5f, 0.5f, 0.5f, 1});
  expect_pixels(convert_channels(rgba, 4), 1, 2, 4, rgba.pixels);
}

TEST(Image, TellsWhichChannelsAreSeen) {
  EXPECT_EQ(shown_channels({1, 1, 1, {0.3f}}), 1);
  EXPECT_EQ(shown_channels({1, 1, 2, {0.3f, 1}}), 1);
  EXPECT_EQ(shown_channels({1, 2, 2, {0.3f, 1, 0.3f, 0.99f}}), 4);
  EXPECT_EQ(shown_channels({1, 1, 3, {0.3f, 0.3f, 0.3f}}), 3);
  EXPECT_EQ(shown_channels({1, 1, 4, {0, 0, 0, 1}}), 3);
  EXPECT_EQ(shown_channels({1, 2, 4, {0, 0, 0, 1, 0, 0, 0, 0}}), 4);
}

TEST(Image, HiddenColoursComeFromTheVisibleOnesAround) {
  // Opaque red in the two left columns, opaque blue in the last of 16; black under alpha 0 between them.
  Image image{5, 16, 4, std::vector<float>(5 * 16 * 4, 0)};
  for (int64_t y = 0; y < 5; ++y)
    for (const int64_t x : {0, 1, 15}) image.at(y, x)[x < 2 ? 0 : 2] = image.at(y, x)[3] = 1;
  const Image filled = fill_hidden_colours(image);
  for (int64_t y = 0; y < 5; ++y)
    for (int64_t x = 0; x < 16; ++x) {
      EXPECT_EQ(filled.at(y, x)[3], image.at(y, x)[3]);
      EXPECT_NEAR(filled.at(y, x)[0] + filled.at(y, x)[2], 1, 1e-6) << x;  // a mixture, nothing of the black
      EXPECT_EQ(filled.at(y, x)[1], 0);
      EXPECT_TRUE(image.at(y, x)[3] == 0 || filled.at(y, x)[0] == image.at(y, x)[0]);
    }
  EXPECT_GT(filled.at(2, 2)[0], 0.7f);
  EXPECT_GT(filled.at(2, 14)[2], 0.7f);
  const Image hidden{2, 2, 4, std::vector<float>(16, 0)};
  expect_pixels(fill_hidden_colours(hidden), 2, 2, 4, hidden.pixels);
  EXPECT_NE(error_text([] { fill_hidden_colours({1, 1, 3, {0, 0, 0}}); }), "");
}

TEST(Image, SixteenBitsRoundTripExactly) {
  for (int64_t channels = 1; channels <= 4; ++channels)
    for (auto [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {7, 13}, {512, 128}}) {  // the last: every value
      Image image{h, w, channels, {}};
      for (int64_t i = 0; i < h * w * channels; ++i)
        image.pixels.push_back(float(i * (w < 128 ? 25'717 : 1) % 65536) / 65535.0f);
      const Bytes png = encode_png(image, 16);
      EXPECT_EQ(image_info(png, "x").bits, 16);
      const Image read = decode_image(png, "x");
      EXPECT_EQ(read.channels, channels);
      EXPECT_EQ(read.pixels, image.pixels);
      EXPECT_EQ(encode_png(to_image(to_tensor(read)), 16), png);  // [-1,1] in between loses nothing
    }
  // A smooth picture is not stored byte by byte.
  Image ramp{64, 64, 3, {}};
  for (int64_t i = 0; i < 64 * 64 * 3; ++i) ramp.pixels.push_back(float(i / 3) / 4096.0f);
  EXPECT_LT(encode_png(ramp, 16).size(), 64u * 64 * 6 / 4);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect_pixels(decode_image(encode_png({1, 3, 1, {-1, nan, 2}}, 16), "x"), 1, 3, 1, {0, 0, 1});
  EXPECT_NE(error_text([] { encode_png({1, 1, 1, {0}}, 12); }).find("8 or 16"), std::string::npos);
  EXPECT_NE(error_text([] { encode_png({1, 1, 5, std::vector<float>(5)}, 16); }), "");
}

TEST(Image, EncodingClampsAndRounds) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const Image image{1, 8, 1, {-1, 2, nan, inf, -inf, 0.4999f / 255, 0.5001f / 255, 254.5001f / 255}};
  expect_pixels(decode_image(encode_png(image), "x"), 1, 8, 1, {0, 1, 0, 1, 0, 0, 1 / 255.0f, 1});
}

TEST(Image, RefusesInconsistentImages) {
  EXPECT_NE(error_text([] { encode_png({2, 2, 3, std::vector<float>(11)}); }), "");
  EXPECT_NE(error_text([] { encode_png({0, 2, 3, {}}); }), "");
  EXPECT_NE(error_text([] { encode_png({1, 1, 5, std::vector<float>(5)}); }), "");
  EXPECT_NE(error_text([] { encode_png({70'000, 1, 1, std::vector<float>(70'000)}); }), "");
}

TEST(Image, TensorsAndBack) {
  const Image image = test_image(3, 4, 3);
  const Tensor t = to_tensor(image);
  EXPECT_EQ(t.shape(), (Shape{1, 3, 4, 3}));
  const std::vector<float> values = to_host<float>(t);
  for (size_t i = 0; i < values.size(); ++i) EXPECT_FLOAT_EQ(values[i], 2 * image.pixels[i] - 1);
  expect_pixels(to_image(t), 3, 4, 3, image.pixels);
  EXPECT_EQ(to_tensor(image, Dtype::f64).dtype(), Dtype::f64);

  const Tensor batch = from_host(Shape{2, 1, 2, 1}, std::vector<float>{-1, 1, 3, -0.5f});
  expect_pixels(to_image(batch, 1), 1, 2, 1, {1, 0.25f});
  EXPECT_NE(error_text([&] { to_image(batch, 2); }).find("picture 2 of a batch of 2"), std::string::npos);
  EXPECT_NE(error_text([&] { to_image(from_host(Shape{2, 2}, std::vector<float>(4))); }), "");
  EXPECT_NE(error_text([&] { to_image(Tensor()); }), "");
}

TEST(Image, Resizes) {
  Image ramp{8, 16, 3, {}};
  for (int64_t i = 0; i < 8 * 16 * 3; ++i) ramp.pixels.push_back(static_cast<float>(i / 3 % 16) / 15.0f);
  for (auto [h, w] : {std::pair<int64_t, int64_t>{4, 8}, {16, 32}, {3, 5}, {8, 16}, {1, 1}}) {
    const Image out = resize_image(ramp, h, w);
    ASSERT_EQ(out.height, h);
    ASSERT_EQ(out.width, w);
    ASSERT_EQ(out.channels, 3);
    double sum = 0;
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x) {
        const float v = *out.at(y, x);
        EXPECT_TRUE(v >= 0 && v <= 1);
        EXPECT_NEAR(v, *out.at(0, x), 1e-6);
        EXPECT_TRUE(x == 0 || v > *out.at(y, x - 1));
        sum += v;
      }
    EXPECT_NEAR(sum / static_cast<double>(h * w), 0.5, 0.02);
  }
  expect_pixels(resize_image(ramp, 8, 16), 8, 16, 3, ramp.pixels);
  EXPECT_NE(error_text([&] { resize_image(ramp, 0, 5); }), "");
  EXPECT_NE(error_text([&] { resize_image(ramp, 60'000, 60'000); }), "");
}

}  // namespace
}  // namespace sga
