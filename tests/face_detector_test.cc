// Finding the face in the photograph the project ships, and none where there is none.
#include "tools/face_detector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/error_text.h"
#include "tests/temp_folder.h"
#include "tools/face_photo.h"

namespace sga {
namespace {

/// The astronaut's face as read off the picture: brows at row 108, chin at row 163, nose at column 223.
constexpr double kFaceX = 223, kTop = 90, kChin = 165;

Image astronaut() { return load_image(fs::path(SGA_SOURCE_DIR) / "data/astronaut.png"); }

void expect_astronaut(const FaceBox& box, double scale) {
  EXPECT_NEAR((box.x + box.size / 2) / scale, kFaceX, 12);
  EXPECT_LT(box.y / scale, kTop);
  EXPECT_GT((box.y + box.size) / scale, kChin);
  EXPECT_GT(box.size / scale, 90);
  EXPECT_LT(box.size / scale, 160);
}

TEST(FaceDetector, FindsTheAstronaut) {
  FaceDetector detector;
  const Image photo = astronaut();
  const std::vector<FaceRectangle> faces = detector.detect(photo);
  ASSERT_EQ(faces.size(), 1u);
  expect_astronaut(box_from_detection(faces[0], 1.5), 1);
  for (double scale : {0.5, 2.0}) {
    const auto side = static_cast<int64_t>(512 * scale);
    const std::vector<FaceRectangle> scaled = detector.detect(resize_image(photo, side, side));
    ASSERT_EQ(scaled.size(), 1u) << scale;
    expect_astronaut(box_from_detection(scaled[0], 1.5), scale);
  }
  EXPECT_EQ(detector.detect(convert_channels(photo, 1)).size(), 1u);
}

TEST(FaceDetector, SameAnswerTwice) {
  const Image photo = astronaut();
  FaceDetector a, b;
  const FaceRectangle first = a.detect(photo).at(0);
  a.detect(crop_face(photo, {0, 0, 300}, 200));
  for (FaceDetector* detector : {&a, &b}) {
    const FaceRectangle again = detector->detect(photo).at(0);
    EXPECT_EQ(again.x, first.x);
    EXPECT_EQ(again.y, first.y);
    EXPECT_EQ(again.width, first.width);
  }
}

TEST(FaceDetector, FindsAFaceThatFillsThePicture) {
  const Image face = crop_face(astronaut(), {180, 75, 90}, 128);
  const std::vector<FaceRectangle> faces = FaceDetector().detect(face);
  ASSERT_EQ(faces.size(), 1u);
  EXPECT_GT(faces[0].width, 80);
}

TEST(FaceDetector, TheEyesTellHowFarTheHeadIsTilted) {
  FaceDetector detector;
  const Image photo = astronaut();
  for (const double angle : {0.0, 0.2, -0.2}) {
    const FaceBox window{60, 0, 330, angle};
    const std::vector<FaceRectangle> faces = detector.detect(crop_face(photo, window, 330));
    ASSERT_FALSE(faces.empty()) << angle;
    ASSERT_TRUE(faces[0].eyes) << angle;
    const auto& [left, right] = *faces[0].eyes;
    // Her eyes as read off the picture: (203, 102) and (247, 104).
    const Point l = to_photo(window, left.x / 330, left.y / 330),
                r = to_photo(window, right.x / 330, right.y / 330);
    EXPECT_NEAR(l.x, 203, 5) << angle;
    EXPECT_NEAR(l.y, 102, 5) << angle;
    EXPECT_NEAR(r.x, 247, 5) << angle;
    EXPECT_NEAR(r.y, 104, 5) << angle;
    const FaceBox box = box_from_detection(faces[0], CropRecipe{"detector", 1.5, 64, "eyes"});
    EXPECT_NEAR(box.angle, std::atan2(2, 44) - angle, 0.06);
  }
}

TEST(FaceDetector, FindsNobody) {
  FaceDetector detector;
  Image image{300, 400, 3, std::vector<float>(300 * 400 * 3, 0.5f)};
  EXPECT_TRUE(detector.detect(image).empty());
  for (size_t i = 0; i < image.pixels.size(); ++i)  // waves and stripes
    image.pixels[i] =
        0.5f + 0.5f * std::sin(static_cast<float>(i) * 0.013f) * std::cos(static_cast<float>(i) * 1e-4f);
  EXPECT_TRUE(detector.detect(image).empty());
  EXPECT_TRUE(detector.detect({1, 1, 3, {0, 0, 0}}).empty());
}

TEST(FaceDetector, SaysWhatIsMissing) {
  TempFolder folder;
  const std::string error = error_text([&] { FaceDetector detector(folder.path()); });
  EXPECT_NE(error.find("opencv-data"), std::string::npos) << error;
  EXPECT_NE(error.find(folder.path().string()), std::string::npos) << error;
  for (const char* name :
       {"haarcascade_frontalface_alt2.xml", "haarcascade_eye_tree_eyeglasses.xml", "haarcascade_eye.xml"})
    write_file(folder / name, std::string_view("not xml"));
  EXPECT_NE(error_text([&] { FaceDetector detector(folder.path()); }).find("cannot read the face cascade"),
            std::string::npos);
}

TEST(FaceDetector, SameFacesByAnyNumberOfThreads) {
  Image two = astronaut();
  const Image second = resize_image(two, 256, 256);
  for (int64_t y = 0; y < 256; ++y) std::copy_n(second.at(y, 0), 256 * 3, two.at(256 + y, 0));
  const std::vector<FaceRectangle> one = FaceDetector({}, 1).detect(two, true);
  ASSERT_EQ(one.size(), 2u);
  EXPECT_GT(one[0].width, one[1].width);
  for (int i = 0; i < 5; ++i) {
    const std::vector<FaceRectangle> many = FaceDetector({}, 2).detect(two, true);
    ASSERT_EQ(many.size(), 2u);
    for (size_t k = 0; k < 2; ++k) {
      EXPECT_EQ(many[k].x, one[k].x);
      EXPECT_EQ(many[k].y, one[k].y);
      EXPECT_EQ(many[k].width, one[k].width);
    }
  }
  FaceDetector({}, 1);  // as the other tests have it
}

TEST(FacePhoto, WarnsOfTiltedAndUnlikeHalves) {
  const Image photo = astronaut();
  FaceRectangle face = FaceDetector().detect(photo).at(0);
  EXPECT_EQ(pose_warning(photo, face), "");
  face.eyes = {{{100, 100}, {120, 120}}};
  EXPECT_NE(pose_warning(photo, face).find("tilted by 45 degrees"), std::string::npos);

  face.eyes.reset();
  Image mirrored = photo, ramp = photo;
  const auto axis = static_cast<int64_t>(face.x + face.width / 2);
  for (int64_t y = 0; y < photo.height; ++y)
    for (int64_t x = 0; x < photo.width; ++x)
      for (int64_t c = 0; c < 3; ++c) {
        ramp.at(y, x)[c] = float(x) / float(photo.width);
        if (x >= axis && 2 * axis - 1 - x >= 0) mirrored.at(y, x)[c] = photo.at(y, 2 * axis - 1 - x)[c];
      }
  EXPECT_GT(mirror_likeness(mirrored, face), 0.98);
  EXPECT_EQ(pose_warning(mirrored, face), "") << "closed eyes are no pose";
  EXPECT_LT(mirror_likeness(ramp, face), 0);
  EXPECT_NE(pose_warning(ramp, face).find("turned to the side"), std::string::npos);
}

}  // namespace
}  // namespace sga
