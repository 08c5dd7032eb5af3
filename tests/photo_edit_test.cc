// An edit of a face inside a photograph: what is asked of the model, and what comes back.
#include "models/ganimation/photo_edit.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/error_text.h"

namespace sga::ganimation {
namespace {

Model tiny_model(int64_t size = 32) {
  Rng rng(1);
  const Generator generator({.size = size, .conv_dim = 4, .blocks = 1, .conditioning = Conditioning::film},
                            rng);
  ModelCard card;
  card.crop_recipe = "mode=detector margin=1.5 size=" + std::to_string(size);
  return Model(export_model(generator, card), "tiny");
}

Image picture(int64_t h, int64_t w) {
  Image image{h, w, 3, {}};
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      for (int c = 0; c < 3; ++c)
        image.pixels.push_back(
            float(0.5 + 0.2 * std::sin(0.11 * double(x) + c) + 0.2 * std::cos(0.07 * double(y) - c)));
  return image;
}

ActionUnits all(float v) {
  ActionUnits units;
  units.fill(v);
  return units;
}

TEST(Target, OfAOneSidedExpression) {
  const Expression smirk = parse_action_units("R12=0.5,6=0.2");
  const size_t au6 = size_t(index_of(6)), au12 = size_t(index_of(12));
  ActionUnits source{};
  source[au12] = 0.1f;
  const Target set = make_target(smirk, EditMode::set, 1, source, all(1));
  EXPECT_EQ(set.side, Side::right);
  EXPECT_FLOAT_EQ(set.units[au12], 0.5f);
  EXPECT_FLOAT_EQ(set.other[au12], 0);
  EXPECT_FLOAT_EQ(set.units[au6], 0.2f);
  EXPECT_FLOAT_EQ(set.other[au6], 0.2f);
  const Target add = make_target(smirk, EditMode::add, 1, source, all(1));
  EXPECT_FLOAT_EQ(add.units[au12], 0.6f);
  EXPECT_FLOAT_EQ(add.other[au12], 0.1f);
  EXPECT_EQ(make_target(smirk, EditMode::add, 0, source, all(1)).units, source);
  EXPECT_EQ(make_target(smirk, EditMode::add, 0, source, all(1)).other, source);
}

TEST(Target, BetweenIsExactAtItsEnds) {
  const ActionUnits source = all(0.3f);
  const Target goal = make_target(parse_action_units("12=0.7,4=0.1"), EditMode::set, 1, {}, all(1));
  EXPECT_EQ(between(source, goal, 0).units, source);
  EXPECT_EQ(between(source, goal, 1), goal);
  EXPECT_FLOAT_EQ(between(source, goal, 0.25f).units[size_t(index_of(12))], 0.4f);
  Target beyond = between(source, goal, 1.25f);
  EXPECT_LT(beyond.units[0], 0);
  beyond = within(beyond, source, all(0.75f));
  EXPECT_FLOAT_EQ(beyond.units[0], 0);
  EXPECT_FLOAT_EQ(beyond.units[size_t(index_of(12))], 0.75f);
}

TEST(EditFace, WhatTheFaceHasAlreadyChangesNothing) {
  const Model model = tiny_model();
  const Image photo = picture(120, 150);
  const FaceBox box{20.5, 10.25, 90};
  const ActionUnits source = all(0.2f);
  const Target none{source, Side::both, {}};
  const PhotoEdit same = edit_photo(model, photo, box, none, source);
  EXPECT_EQ(same.photo.pixels, photo.pixels);
  EXPECT_EQ(same.face.edited.pixels, same.face.crop.pixels);
  for (float a : same.face.paint.attention.pixels) EXPECT_EQ(a, 1);
  EXPECT_NE(edit_photo(model, photo, box, none).photo.pixels, photo.pixels) << "of an unknown face";
  EXPECT_NE(edit_photo(model, photo, box, {all(0.3f), Side::both, {}}, source).photo.pixels, photo.pixels);
}

TEST(EditFace, HalvesMeetSmoothly) {
  EXPECT_EQ(half_weight(0.3, Side::both), 1);
  for (const Side side : {Side::left, Side::right}) {
    const bool right = side == Side::right;  // the person's right is on the left of the picture
    EXPECT_EQ(half_weight(0.4, side), right ? 1 : 0);
    EXPECT_EQ(half_weight(0.6, side), right ? 0 : 1);
    EXPECT_DOUBLE_EQ(half_weight(0.5, side), 0.5);
    for (double u = 0; u < 1; u += 0.01)
      EXPECT_LT(std::abs(half_weight(u + 0.01, side) - half_weight(u, side)), 0.08);
  }

  const Model model = tiny_model();
  const Image crop = picture(32, 32);
  const ActionUnits source = all(0.1f), smirk = all(0.9f);
  const FaceEdit whole = edit_face(model, crop, {smirk, Side::both, {}}, source);
  const FaceEdit half = edit_face(model, crop, {smirk, Side::right, source}, source);
  for (int64_t y = 0; y < 32; ++y) {
    for (int64_t x = 0; x < 12; ++x) EXPECT_NEAR(half.edited.at(y, x)[0], whole.edited.at(y, x)[0], 1e-6);
    for (int64_t x = 20; x < 32; ++x) EXPECT_EQ(half.edited.at(y, x)[0], crop.at(y, x)[0]);
    for (int64_t x = 12; x < 20; ++x) {  // in between a mixture of both
      const double m = half_weight((double(x) + 0.5) / 32, Side::right);
      EXPECT_NEAR(half.edited.at(y, x)[1], m * whole.edited.at(y, x)[1] + (1 - m) * crop.at(y, x)[1], 1e-5);
    }
  }
}

TEST(EditFace, GreyFacesStayGrey) {
  const Model model = tiny_model();
  const Image grey = convert_channels(convert_channels(picture(100, 100), 1), 3);
  const Image edited = edit_photo(model, grey, {10, 10, 80}, {all(0.5f), Side::both, {}}).photo;
  EXPECT_NE(edited.pixels, grey.pixels);
  for (size_t i = 0; i < edited.pixels.size(); i += 3) {
    ASSERT_NEAR(edited.pixels[i], edited.pixels[i + 1], 1e-6);
    ASSERT_NEAR(edited.pixels[i], edited.pixels[i + 2], 1e-6);
  }
}

TEST(EditFace, ModelsOfOtherSizes) {
  const Image photo = picture(300, 300);
  for (const int64_t size : {64, 256}) {
    const PhotoEdit edit = edit_photo(tiny_model(size), photo, {20, 30, 200}, {all(0.5f), Side::both, {}});
    EXPECT_EQ(edit.face.crop.width, size);
    EXPECT_EQ(edit.face.paint.attention.height, size);
    EXPECT_EQ(edit.photo.width, 300);
    EXPECT_EQ(*edit.photo.at(5, 5), *photo.at(5, 5));
  }
}

TEST(FaceView, HoldsTheBox) {
  const Image photo = picture(200, 260);
  FaceBox box{50, 40, 100};
  for (const double angle : {0.0, 0.4}) {
    box.angle = angle;
    const FaceView view = view_of(photo, box, 64);
    EXPECT_EQ(view.picture.width, 64);
    EXPECT_EQ(view.picture.height, 64);
    EXPECT_DOUBLE_EQ(view.box.size, 64);
    EXPECT_DOUBLE_EQ(view.box.angle, angle);
    const Point middle = to_photo(view.box, 0.5, 0.5);
    EXPECT_NEAR(middle.x, 32, 1e-9);
    EXPECT_NEAR(middle.y, 32, 1e-9);
    const Image from_view = crop_face(view.picture, view.box, 32), from_photo = crop_face(photo, box, 32);
    for (int64_t i = 8; i < 24; ++i) EXPECT_NEAR(*from_view.at(i, i), *from_photo.at(i, i), 0.02);
  }
}

}  // namespace
}  // namespace sga::ganimation
