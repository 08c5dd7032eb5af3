// Action units over time: OpenFace's table of a video, smoothing, and how evenly a clip moves.
#include "models/ganimation/au_sequence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "models/ganimation/openface.h"
#include "tests/error_text.h"

namespace sga {
namespace {

std::string header() {
  std::string text = "frame, face_id, timestamp, confidence, success";
  for (int number : kActionUnitNumbers)
    text += std::string(", AU") + (number < 10 ? "0" : "") + std::to_string(number) + "_r";
  return text + "\n";
}
/// All AUs at `value` of 5.
std::string line(int frame, double value, int face = 0, bool success = true) {
  std::string text = std::to_string(frame) + ", " + std::to_string(face) + ", " +
                     std::to_string((frame - 1) * 0.04) + ", 0.98, " + (success ? "1" : "0");
  for (int i = 0; i < kActionUnitCount; ++i) text += ", " + std::to_string(value);
  return text + "\n";
}

AuSequence parse(const std::string& text, const std::string& name) {
  return make_au_sequence(parse_openface(text, name), name);
}

TEST(AuSequence, FillsGaps) {
  const AuSequence sequence =
      parse(header() + line(3, 1) + line(4, 2) + line(5, 0, 0, false) + line(8, 4) + line(9, 5), "video.csv");
  ASSERT_EQ(sequence.frames.size(), 7u);
  EXPECT_EQ(sequence.first, 3);
  EXPECT_EQ(sequence.missing, 3);
  EXPECT_EQ(sequence.people, 1);
  EXPECT_NEAR(frame_rate(header() + line(3, 1) + line(9, 5), "video.csv"), 25, 1e-6);
  EXPECT_EQ(frame_rate(header() + line(3, 1), "video.csv"), 0);
  const double expected[] = {1, 2, 2.5, 3, 3.5, 4, 5};
  for (size_t i = 0; i < 7; ++i) EXPECT_NEAR(sequence.frames[i][8] * 5, expected[i], 1e-5) << i;
}

TEST(AuSequence, FollowsTheFaceInMostFrames) {
  const AuSequence sequence = parse(
      header() + line(1, 1, 0) + line(1, 3, 7) + line(2, 3, 7) + line(2, 1, 0) + line(3, 3, 7), "two.csv");
  EXPECT_EQ(sequence.people, 2);
  ASSERT_EQ(sequence.frames.size(), 3u);
  for (const ActionUnits& frame : sequence.frames) EXPECT_FLOAT_EQ(frame[0], 0.6f);
}

TEST(AuSequence, TablesThatAreNone) {
  const auto refused = [](const std::string& text, const std::string& part) {
    const std::string error = error_text([&] { parse(text, "t.csv"); });
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  refused("", "the file is empty");
  refused("frame, confidence\n1, 1\n", "AU01_r");
  refused(header(), "a sequence needs 2");
  refused(header() + line(1, 1), "a sequence needs 2");
  refused(header() + line(1, 1, 0, false) + line(2, 1, 0, false), "success is not 1");
  refused(header() + line(1, 1) + line(9'000'000, 1), "more than 1000000");
}

TEST(AuSequence, PicturesOneAfterAnother) {
  ActionUnits units{};
  std::string text = openface_header();
  for (int i = 0; i < 3; ++i, units[2] += 0.2f)
    text += openface_line("f" + std::to_string(7 * i) + ".png", 1, units);
  const AuSequence sequence = parse(text, "pictures.csv");
  ASSERT_EQ(sequence.frames.size(), 3u);
  EXPECT_EQ(sequence.first, 1);
  EXPECT_FLOAT_EQ(sequence.frames[2][2], 0.4f);
}

TEST(AuSequence, SmoothingKeepsConstantsAndSoftensSteps) {
  std::vector<ActionUnits> frames(30);
  for (size_t t = 0; t < frames.size(); ++t) {
    frames[t].fill(0.4f);
    frames[t][3] = t < 15 ? 0.0f : 1.0f;
  }
  EXPECT_EQ(smoothed(frames, 0), frames);
  const std::vector<ActionUnits> soft = smoothed(frames, 2);
  for (size_t t = 0; t < frames.size(); ++t) {
    EXPECT_NEAR(soft[t][0], 0.4, 1e-6);
    if (t > 0) {
      EXPECT_GE(soft[t][3], soft[t - 1][3]);
    }
  }
  EXPECT_NEAR(soft[14][3] + soft[15][3], 1, 1e-6);
  EXPECT_NEAR(soft[15][3] - soft[14][3], 0.1997, 1e-4);  // the Gaussian's middle weight
  for (const double sigma : {-1.0, 1e9, std::nan("")})
    EXPECT_NE(error_text([&] { smoothed(frames, sigma); }), "");
}

Image flat(float v) { return {2, 3, 1, std::vector<float>(6, v)}; }

TEST(Motion, OfEvenAndJumpingClips) {
  MotionMeter even, jumping;
  for (const float v : {0.f, 0.1f, 0.2f, 0.3f, 0.4f}) even.add(flat(v));
  for (const float v : {0.f, 0.2f, 0.f, 0.2f, 0.4f}) jumping.add(flat(v));
  const Motion a = even.result(), b = jumping.result();
  EXPECT_NEAR(a.mean_step, 25.5, 1e-3);
  EXPECT_NEAR(a.largest_step, 25.5, 1e-3);
  EXPECT_NEAR(a.detour, 1, 1e-6);
  EXPECT_NEAR(a.flicker, 0, 1e-3);
  EXPECT_NEAR(b.mean_step, 51, 1e-3);
  EXPECT_NEAR(b.detour, 2, 1e-6);
  EXPECT_NEAR(b.flicker, 255 * 0.8 / 3, 1e-3);
  EXPECT_EQ(MotionMeter().result().mean_step, 0);
  EXPECT_NE(error_text([&] { even.add({1, 1, 1, {0}}); }), "");
}

}  // namespace
}  // namespace sga
