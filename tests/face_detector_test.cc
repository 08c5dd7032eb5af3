// Finding the face in the photograph the project ships, and none where there is none.
#include "tools/face_detector.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/error_text.h"
#include "tests/temp_folder.h"

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

}  // namespace
}  // namespace sga
