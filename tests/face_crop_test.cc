// Cutting a face out and putting it back: geometry, filters, and what must not change.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "models/ganimation/face_crop.h"
#include "tests/error_text.h"

namespace sga {
namespace {

Image make_image(int64_t h, int64_t w, const std::function<float(double y, double x, int c)>& f) {
  Image image{h, w, 3, {}};
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      for (int c = 0; c < 3; ++c) image.pixels.push_back(f(double(y) + 0.5, double(x) + 0.5, c));
  return image;
}

/// Smooth, different in each channel, inside (0,1).
Image smooth(int64_t h, int64_t w) {
  return make_image(h, w, [](double y, double x, int c) {
    return static_cast<float>(0.5 + 0.15 * std::sin(0.05 * x + c) + 0.15 * std::cos(0.04 * y - c));
  });
}

TEST(CropRecipe, RoundTrip) {
  for (const CropRecipe& recipe :
       {CropRecipe{"landmarks", 1.5, 128}, CropRecipe{"detector", 1.7, 64},
        CropRecipe{"landmarks", 1.3, 128, "eyes"}, CropRecipe{"picture", 1.5, 128, "whole"},
        CropRecipe{"picture", 1.5, 128, "thesis"}})
    EXPECT_EQ(parse_crop_recipe(to_text(recipe)), recipe);
  EXPECT_EQ(to_text(CropRecipe{"detector", 1.7, 64}),
            "mode=detector margin=1.7 size=64");  // as in older models
  for (const char* text :
       {"", "mode=landmarks margin=1.5", "mode=magic margin=1.5 size=64", "mode=detector margin=x size=64",
        "mode=detector margin=nan size=64", "mode=detector margin=1.5 size=4",
        "mode=detector margin=9 size=64", "mode=detector margin=1.5 size=64 colour=1",
        "mode=detector margin=1.5 size=64 crop=round", "mode=picture margin=1.5 size=64",
        "mode=landmarks margin=1.5 size=64 crop=thesis"})
    EXPECT_NE(error_text([&] { parse_crop_recipe(text); }), "") << text;
}

TEST(FaceBox, FromLandmarks) {
  Landmarks points;
  points.x.fill(150);
  points.y.fill(120);
  EXPECT_NE(error_text([&] { box_from_landmarks(points, 1.5); }), "");
  points.x[0] = 100, points.x[16] = 200;  // 100 wide, 80 high
  points.y[8] = 180, points.y[19] = 100;
  const FaceBox box = box_from_landmarks(points, 1.5);
  EXPECT_DOUBLE_EQ(box.size, 150);
  EXPECT_DOUBLE_EQ(box.x + box.size / 2, 150);
  EXPECT_LT(box.y + box.size / 2, 140);  // above the middle of the points: room for the forehead
  EXPECT_GT(box.y + box.size, 180);      // and the chin is still in
}

TEST(FaceBox, FollowsTheRectangle) {
  const FaceBox a = box_from_detection({10, 20, 100, 100}, 1.5),
                b = box_from_detection({25, 50, 200, 200}, 1.5);
  EXPECT_DOUBLE_EQ(b.size, 2 * a.size);
  EXPECT_DOUBLE_EQ(b.x + b.size / 2, 125);
  EXPECT_NEAR((b.y - 50) / 200, (a.y - 20) / 100, 1e-12);
  EXPECT_DOUBLE_EQ(box_from_detection({10, 20, 100, 100}, 3).size, 2 * a.size);
}

TEST(CropFace, CopiesPixelsWhenNothingIsScaled) {
  const Image photo = smooth(50, 60);
  const Image crop = crop_face(photo, {7, 11, 32}, 32);
  for (int64_t y = 0; y < 32; ++y)
    for (int64_t x = 0; x < 32; ++x)
      for (int c = 0; c < 3; ++c) EXPECT_FLOAT_EQ(crop.at(y, x)[c], photo.at(y + 11, x + 7)[c]);
}

TEST(CropFace, SamplesTheSceneAtTheRightPlace) {
  // A ramp of 1/200 a pixel is reproduced by every centred filter; 1e-4 is a fiftieth of a pixel, because a
  // widened cubic is only nearly centred at fractions of a pixel.
  const Image photo =
      make_image(200, 200, [](double y, double x, int c) { return float(c == 0 ? x / 200 : y / 200); });
  for (int64_t size : {16, 40, 90}) {
    const FaceBox box{60.3, 71.7, 60};
    const Image crop = crop_face(photo, box, size);
    for (int64_t i : {int64_t{0}, size / 2, size - 1}) {
      const double step = box.size / double(size);
      EXPECT_NEAR(crop.at(3, i)[0], (box.x + (double(i) + 0.5) * step) / 200, 1e-4) << size;
      EXPECT_NEAR(crop.at(i, 3)[1], (box.y + (double(i) + 0.5) * step) / 200, 1e-4) << size;
    }
  }
}

TEST(CropFace, AveragesWhenShrinking) {
  // A checkerboard shrunk 8 times must be grey; picking pixels would leave black and white.
  const Image photo =
      make_image(256, 256, [](double y, double x, int) { return float((int(y) + int(x)) % 2); });
  const Image crop = crop_face(photo, {0, 0, 256}, 32);
  for (int64_t y = 2; y < 30; ++y)
    for (int64_t x = 2; x < 30; ++x) EXPECT_NEAR(crop.at(y, x)[0], 0.5, 0.01);
}

TEST(CropFace, RepeatsTheEdgeOutside) {
  const Image photo = make_image(20, 20, [](double, double x, int) { return x < 10 ? 0.25f : 0.75f; });
  const Image crop = crop_face(photo, {-30, -30, 60}, 60);
  EXPECT_FLOAT_EQ(crop.at(0, 0)[0], 0.25f);
  EXPECT_FLOAT_EQ(crop.at(59, 0)[1], 0.25f);
  EXPECT_FLOAT_EQ(crop.at(0, 59)[2], 0.75f);
}

TEST(CropFace, RefusesAbsurdBoxes) {
  const Image photo = smooth(50, 60);
  const double nan = std::nan("");
  for (const FaceBox& box : {FaceBox{0, 0, 0}, FaceBox{0, 0, -5}, FaceBox{nan, 0, 5}, FaceBox{0, 0, nan},
                             FaceBox{0, 0, 1e9}, FaceBox{100, 0, 20}, FaceBox{0, -40, 30}})
    EXPECT_NE(error_text([&] { crop_face(photo, box, 16); }), "") << box.x << " " << box.y << " " << box.size;
  EXPECT_NE(error_text([&] { crop_face({}, {0, 0, 5}, 16); }), "");
  EXPECT_NE(error_text([&] { crop_face(photo, {0, 0, 5}, 0); }), "");
}

TEST(Feather, IsZeroAtTheEdgeAndOneInside) {
  for (double t : {0.0, 0.3, 1.0}) {
    EXPECT_EQ(feather_weight(0, t, 0.15), 0);
    EXPECT_EQ(feather_weight(1, t, 0.15), 0);
    EXPECT_EQ(feather_weight(t, 0, 0.15), 0);
    EXPECT_EQ(feather_weight(t, 1, 0.15), 0);
  }
  EXPECT_DOUBLE_EQ(feather_weight(0.5, 0.15, 0.15), 1);
  EXPECT_DOUBLE_EQ(feather_weight(0.075, 0.5, 0.15), 0.5);
}

/// What keeps `keep` of the crop and paints `colour` over the rest.
FacePaint paint_of(const Image& colour, float keep) {
  return {{colour.height, colour.width, 1, std::vector<float>(size_t(colour.height * colour.width), keep)},
          colour};
}
Image brighter(Image image, float by) {
  for (float& v : image.pixels) v += by;
  return image;
}

TEST(PasteFace, WhatIsKeptDoesNotChangeAtAll) {
  const Image photo = smooth(300, 280);
  for (const double angle : {0.0, 0.3}) {
    FaceBox box{40.4, 60.7, 150.9};
    box.angle = angle;
    const Image crop = crop_face(photo, box, 64);
    EXPECT_EQ(paste_face(photo, box, crop, paint_of(smooth(64, 64), 1)).pixels, photo.pixels) << "A is 1";
    EXPECT_EQ(paste_face(photo, box, crop, paint_of(crop, 0)).pixels, photo.pixels) << "C is the crop";
  }
}

TEST(PasteFace, PaintsTheInsideByMaskAndFeather) {
  const Image photo = smooth(300, 280);
  for (const double angle : {0.0, -0.4}) {
    FaceBox box{60.4, 60.7, 150.9};
    box.angle = angle;
    const Image crop = crop_face(photo, box, 64);
    const Image out = paste_face(photo, box, crop, paint_of(brighter(crop, 0.125f), 0.25f), 0.2);
    for (int64_t y = 0; y < photo.height; ++y)
      for (int64_t x = 0; x < photo.width; ++x) {
        const Point at = to_crop(box, double(x) + 0.5, double(y) + 0.5);
        for (int c = 0; c < 3; ++c) {
          const float change = out.at(y, x)[c] - photo.at(y, x)[c];
          if (at.x <= 0 || at.x >= 1 || at.y <= 0 || at.y >= 1)
            ASSERT_EQ(change, 0) << y << "," << x;
          else
            ASSERT_NEAR(change, 0.75 * 0.125 * feather_weight(at.x, at.y, 0.2), 1e-5) << y << "," << x;
        }
      }
  }
}

// out = A' I + (1 - A') (I + up(C - crop)): mask and colour are enlarged apart, so on a ramp of A and a ramp
// of the change, both of which a cubic reproduces, the product is that of the ramps at every pixel.
TEST(PasteFace, EnlargesMaskAndChangeEachByItself) {
  const Image photo = smooth(256, 256);
  const FaceBox box{0, 0, 256};
  const Image crop = crop_face(photo, box, 32);
  FacePaint paint = paint_of(crop, 0);
  for (int64_t y = 0; y < 32; ++y)
    for (int64_t x = 0; x < 32; ++x) {
      *paint.attention.at(y, x) = float((double(x) + 0.5) / 32);
      for (int c = 0; c < 3; ++c) paint.colour.at(y, x)[c] += float(0.2 * (double(x) + 0.5) / 32);
    }
  const Image out = paste_face(photo, box, crop, paint, 0.1);
  for (int64_t x = 60; x < 200; ++x) {
    const double u = (double(x) + 0.5) / 256;
    EXPECT_NEAR(out.at(128, x)[1] - photo.at(128, x)[1], (1 - u) * 0.2 * u, 1e-5) << x;
  }
}

TEST(PasteFace, UprightAndHardlyTurnedAgree) {
  const Image photo = smooth(220, 240);
  FaceBox box{30, 40, 140};
  const Image crop = crop_face(photo, box, 48);
  const FacePaint paint = paint_of(brighter(smooth(48, 48), 0.1f), 0.4f);
  const Image upright = paste_face(photo, box, crop, paint);
  box.angle = 1e-7;
  const Image turned = paste_face(photo, box, crop, paint);
  for (size_t i = 0; i < photo.pixels.size(); ++i) ASSERT_NEAR(upright.pixels[i], turned.pixels[i], 1e-4);
}

TEST(PasteFace, KeepsTheDetailOfThePhotograph) {
  // The photograph has texture that the small crop cannot show; the edit adds light to the crop.
  const Image photo = make_image(
      256, 256, [](double y, double x, int) { return float((int(y) + int(x)) % 2) * 0.4f + 0.2f; });
  const FaceBox box{0, 0, 256};
  const Image crop = crop_face(photo, box, 32);
  const Image out = paste_face(photo, box, crop, paint_of(brighter(crop, 0.1f), 0));
  EXPECT_NEAR(std::abs(out.at(128, 128)[0] - out.at(128, 129)[0]), 0.4, 1e-5);
  EXPECT_NEAR(out.at(128, 128)[0] - photo.at(128, 128)[0], 0.1, 1e-5);
}

TEST(PasteFace, BoxMayLeaveThePhotograph) {
  const Image photo = smooth(100, 90);
  const FaceBox box{-20, -30, 100};
  const Image crop = crop_face(photo, box, 48);
  const Image out = paste_face(photo, box, crop, paint_of(brighter(crop, 2), 0));  // clamped
  EXPECT_FLOAT_EQ(out.at(10, 20)[0], 1);
  EXPECT_EQ(out.at(80, 50)[0], photo.at(80, 50)[0]);
  for (float v : out.pixels) EXPECT_TRUE(v >= 0 && v <= 1);
}

TEST(PasteFace, RefusesCropsThatDoNotMatch) {
  const Image photo = smooth(100, 90);
  const FacePaint good = paint_of(smooth(32, 32), 0);
  EXPECT_NE(error_text([&] {
              paste_face(photo, {0, 0, 50}, smooth(32, 32), paint_of(smooth(31, 31), 0));
            }),
            "");
  EXPECT_NE(error_text([&] { paste_face(photo, {0, 0, 50}, smooth(32, 30), good); }), "");
  EXPECT_NE(error_text([&] {
              paste_face(photo, {0, 0, 50}, smooth(32, 32), {smooth(32, 32), good.colour});
            }),
            "");
  EXPECT_NE(error_text([&] { paste_face(photo, {0, 0, 50}, smooth(32, 32), good, 0); }), "");
}

// ---- turned boxes, eye-aligned crops

constexpr double kDegree = 3.14159265358979 / 180;

TEST(TurnedBox, ThereAndBack) {
  const FaceBox box{10, 20, 50, 0.4, 1.2, 0};
  for (const double u : {0.0, 0.3, 1.0})
    for (const double v : {0.0, 0.8}) {
      const Point p = to_photo(box, u, v), back = to_crop(box, p.x, p.y);
      EXPECT_NEAR(back.x, u, 1e-12);
      EXPECT_NEAR(back.y, v, 1e-12);
    }
  const Point corner = to_photo({10, 20, 50}, 0, 0), right = to_photo({10, 20, 50, 90 * kDegree}, 1, 0.5);
  EXPECT_DOUBLE_EQ(corner.x, 10);
  EXPECT_DOUBLE_EQ(corner.y, 20);
  EXPECT_NEAR(right.x, 35, 1e-9);  // turned from the x axis towards the y axis: the right side is below
  EXPECT_NEAR(right.y, 70, 1e-9);
}

TEST(TurnedBox, CutsWhatLiesThere) {
  const auto f = [](double y, double x, int c) {
    return static_cast<float>(0.5 + 0.2 * std::sin(0.05 * x + c) + 0.2 * std::cos(0.04 * y - c));
  };
  const Image photo = make_image(200, 240, f);
  for (const double angle : {1e-6, 0.3, -1.2, 3.0}) {
    const FaceBox box{70, 50, 80, angle};
    const Image crop = crop_face(photo, box, 40);
    for (int64_t y = 0; y < 40; y += 3)
      for (int64_t x = 0; x < 40; x += 3) {
        const Point p = to_photo(box, (double(x) + 0.5) / 40, (double(y) + 0.5) / 40);
        EXPECT_NEAR(crop.at(y, x)[1], f(p.y, p.x, 1), 3e-3) << angle << " " << y << " " << x;
      }
  }
  const Image upright = crop_face(photo, {70, 50, 80}, 40), nearly = crop_face(photo, {70, 50, 80, 1e-9}, 40);
  for (size_t i = 0; i < upright.pixels.size(); ++i) EXPECT_NEAR(upright.pixels[i], nearly.pixels[i], 1e-5);
}

TEST(TurnedBox, PasteChangesItsInsideOnly) {
  const Image photo = smooth(160, 200);
  const FaceBox box{60, 40, 80, 25 * kDegree};
  const Image crop = crop_face(photo, box, 32);
  EXPECT_EQ(paste_face(photo, box, crop, crop).pixels, photo.pixels);
  Image lighter = crop;
  for (float& v : lighter.pixels) v += 0.1f;
  const Image pasted = paste_face(photo, box, crop, lighter);
  for (int64_t y = 0; y < 160; ++y)
    for (int64_t x = 0; x < 200; ++x) {
      const Point p = to_crop(box, double(x) + 0.5, double(y) + 0.5);
      const float change = pasted.at(y, x)[0] - photo.at(y, x)[0];
      const double edge = std::min({p.x, p.y, 1 - p.x, 1 - p.y});
      if (edge <= 0) {
        EXPECT_EQ(change, 0) << y << " " << x;
      } else if (edge > 0.2) {
        EXPECT_NEAR(change, 0.1, 1e-3) << y << " " << x;
      }
    }
}

/// A face of 68 points with these eyes; the mouth lies where its width says.
Landmarks face_at(Point left, Point right) {
  Landmarks points;
  const double dx = right.x - left.x, dy = right.y - left.y;
  const auto put = [&](size_t i, double across, double down) {  // in distances of the eyes from their middle
    points.x[i] = static_cast<float>((left.x + right.x) / 2 + across * dx - down * dy);
    points.y[i] = static_cast<float>((left.y + right.y) / 2 + across * dy + down * dx);
  };
  for (size_t i = 0; i < 17; ++i) put(i, -1.1 + 2.2 * double(i) / 16, i == 8 ? 1.8 : 0.9);
  for (size_t i = 17; i < 36; ++i) put(i, 0, -0.4);
  for (size_t i = 36; i < 42; ++i) put(i, -0.5, 0);
  for (size_t i = 42; i < 48; ++i) put(i, 0.5, 0);
  for (size_t i = 48; i < 68; ++i) put(i, 0, 1);
  put(48, -0.4, 1), put(54, 0.4, 1);
  return points;
}

TEST(EyeAligned, EyesAndMouthLieAlikeHoweverTheFaceIsTurned) {
  for (const double degrees : {0.0, 17.0, -40.0, 90.0})
    for (const double apart : {20.0, 200.0}) {
      const double c = std::cos(degrees * kDegree), s = std::sin(degrees * kDegree);
      const Landmarks points =
          face_at({300 - c * apart / 2, 250 - s * apart / 2}, {300 + c * apart / 2, 250 + s * apart / 2});
      const FaceBox box = box_from_landmarks(points, CropRecipe{"landmarks", 1.5, 64, "eyes"});
      EXPECT_NEAR(box.angle, degrees * kDegree, 1e-5);
      EXPECT_NEAR(box.size, 1.5 * 2.21 * apart, 1e-3 * apart);
      const FaceAnchors at = anchors_of(points);
      const Point left = to_crop(box, at.left_eye.x, at.left_eye.y),
                  right = to_crop(box, at.right_eye.x, at.right_eye.y),
                  mouth = to_crop(box, at.mouth.x, at.mouth.y);
      EXPECT_NEAR(left.y, 0.366, 0.002);
      EXPECT_NEAR(right.y, left.y, 1e-5);
      EXPECT_NEAR(left.x + right.x, 1, 1e-5);
      EXPECT_NEAR(right.x - left.x, 1 / (1.5 * 2.21), 1e-4);
      EXPECT_NEAR(mouth.x, 0.5, 1e-5);
    }
  // On an upright face it is nearly the square of the crop `box`.
  const Landmarks upright = face_at({280, 250}, {320, 250});
  const FaceBox eyes = box_from_landmarks(upright, CropRecipe{"landmarks", 1.5, 64, "eyes"}),
                box = box_from_landmarks(upright, 1.5);
  EXPECT_EQ(eyes.angle, 0);
  EXPECT_NEAR(eyes.size / box.size, 1, 0.05);
  EXPECT_NEAR(eyes.x / box.x, 1, 0.05);
  EXPECT_NEAR(eyes.y / box.y, 1, 0.05);
  EXPECT_NE(error_text([&] { box_from_anchors({{5, 5}, {5, 5}, {5, 5}}, 1.5); }), "");
}

TEST(EyeAligned, FromADetection) {
  const CropRecipe recipe{"landmarks", 1.5, 64, "eyes"};
  FaceRectangle face{100, 100, 200, 200};
  const FaceBox upright = box_from_detection(face, recipe), plain = box_from_detection(face, 1.5);
  EXPECT_EQ(upright.angle, 0);
  EXPECT_EQ(upright.size, plain.size);
  face.eyes = {{{160, 170}, {240, 190}}};
  const FaceBox turned = box_from_detection(face, recipe);
  EXPECT_NEAR(turned.angle, std::atan2(20, 80), 1e-12);
  EXPECT_NEAR(turned.size, plain.size, 0.1 * plain.size);
  EXPECT_EQ(box_from_detection(face, CropRecipe{"landmarks", 1.5, 64}).angle,
            0);  // the crop `box` stays upright
}

// ---- whole pictures, the thesis's recipe

TEST(WholePicture, SquaresAsTheyAre) {
  const CropRecipe recipe{"picture", 1.5, 24, "whole"};
  const Image picture = smooth(24, 24);
  const Image crop = crop_face(picture, box_of_picture(picture, recipe), 24);
  for (size_t i = 0; i < crop.pixels.size(); ++i) EXPECT_NEAR(crop.pixels[i], picture.pixels[i], 1e-6);
  EXPECT_NE(error_text([&] { box_of_picture(smooth(24, 25), recipe); }), "");
}

TEST(ThesisCrop, ResizesAsOpenCv) {
  const CropRecipe recipe{"picture", 1.5, 128, "thesis"};
  // Noise shows any averaging: cv2.resize with INTER_LINEAR reads two pixels a direction even when it
  // shrinks.
  uint32_t state = 1;
  const Image picture = make_image(218, 178, [&](double, double, int) {
    state = state * 1664525 + 1013904223;
    return static_cast<float>(state >> 24) / 255;
  });
  const Image crop = crop_face(picture, box_of_picture(picture, recipe), 128);
  ASSERT_EQ(crop.height, 128);
  ASSERT_EQ(crop.width, 128);
  for (int64_t y = 0; y < 128; ++y)
    for (int64_t x = 0; x < 128; ++x) {
      const double v = std::clamp((double(y) + 0.5) * 218 / 128 - 0.5, 0.0, 217.0),
                   u = std::clamp((double(x) + 0.5) * 178 / 128 - 0.5, 0.0, 177.0);
      const auto i = int64_t(v), j = int64_t(u);
      const double a = v - double(i), b = u - double(j);
      const auto at = [&](int64_t r, int64_t c) {
        return double(picture.at(std::min<int64_t>(r, 217), std::min<int64_t>(c, 177))[2]);
      };
      const double want = (1 - a) * ((1 - b) * at(i, j) + b * at(i, j + 1)) +
                          a * ((1 - b) * at(i + 1, j) + b * at(i + 1, j + 1));
      EXPECT_NEAR(crop.at(y, x)[2], want, 2e-6) << y << " " << x;
    }
  EXPECT_NE(error_text([&] { box_of_picture(smooth(178, 178), recipe); }), "");
}

TEST(ThesisCrop, FindsTheSamePartInAPhotograph) {
  // The eyes of a mean CelebA picture, three times as large and somewhere else.
  const CropRecipe recipe{"picture", 1.5, 128, "thesis"};
  FaceRectangle face{3 * 44 + 50, 3 * 75 + 70, 3 * 100, 3 * 100};
  const FaceBox guessed = box_from_detection(face, recipe);
  face.eyes = {{{3 * 69.2 + 50, 3 * 112.0 + 70}, {3 * 107.8 + 50, 3 * 112.0 + 70}}};
  const FaceBox seen = box_from_detection(face, recipe);
  for (const FaceBox& box : {guessed, seen}) {
    EXPECT_NEAR(box.size, 3 * 178, 20);
    EXPECT_NEAR(box.x, 50, 25);
    EXPECT_NEAR(box.y, 70, 25);
    EXPECT_DOUBLE_EQ(box.stretch, 218.0 / 178);
    EXPECT_EQ(box.via, 178);
  }
  const Image photo = smooth(800, 700), crop = crop_face(photo, seen, 64);
  EXPECT_EQ(paste_face(photo, seen, crop, crop).pixels, photo.pixels);
}

}  // namespace
}  // namespace sga
