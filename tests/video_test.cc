// MP4 files, read back by OpenCV.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <opencv2/core.hpp>
#include <opencv2/videoio.hpp>

#include "tests/cli.h"
#include "tools/video.h"

namespace sga {
namespace {

void write_video(const fs::path& path, int64_t height, int64_t width, int frames, double rate) {
  VideoWriter writer(path, height, width, rate);
  for (int t = 0; t < frames; ++t) writer.add(test_picture(height, width, 0.1 * t));
  EXPECT_FALSE(fs::exists(path));
  writer.finish();
}

TEST(Video, ComesBackAsItWasWritten) {
  const TempFolder folder;
  write_video(folder / "a.mp4", 48, 64, 10, 12.5);
  cv::VideoCapture video((folder / "a.mp4").string(), cv::CAP_FFMPEG);
  ASSERT_TRUE(video.isOpened());
  EXPECT_NEAR(video.get(cv::CAP_PROP_FPS), 12.5, 1e-6);
  cv::Mat frame;
  int count = 0;
  for (; video.read(frame); ++count) {
    ASSERT_EQ(frame.cols, 64);
    ASSERT_EQ(frame.rows, 48);
    const Image want = test_picture(48, 64, 0.1 * count);
    double error = 0;
    for (int y = 0; y < 48; ++y)
      for (int x = 0; x < 64; ++x)
        for (int k = 0; k < 3; ++k)
          error +=
              std::abs(double(frame.at<cv::Vec3b>(y, x)[2 - k]) - 255 * want.at(y, x)[k]) / (48 * 64 * 3);
    EXPECT_LT(error, 12) << count;  // colours are halved in size and compressed; swapped ones would be 60 off
  }
  EXPECT_EQ(count, 10);
}

TEST(Video, OddSidesGrowByOne) {
  const TempFolder folder;
  write_video(folder / "a.mp4", 33, 51, 3, 10);
  cv::VideoCapture video((folder / "a.mp4").string(), cv::CAP_FFMPEG);
  EXPECT_EQ(video.get(cv::CAP_PROP_FRAME_WIDTH), 52);
  EXPECT_EQ(video.get(cv::CAP_PROP_FRAME_HEIGHT), 34);
}

TEST(Video, TheSameFramesGiveTheSameBytes) {
  const TempFolder folder;
  write_video(folder / "a.mp4", 48, 64, 30, 10);
  write_video(folder / "b.mp4", 48, 64, 30, 10);
  EXPECT_TRUE(text_of(folder / "a.mp4") == text_of(folder / "b.mp4"));
}

TEST(Video, NothingIsLeftOfAVideoThatWasNotFinished) {
  const TempFolder folder;
  {
    VideoWriter writer(folder / "a.mp4", 32, 32, 10);
    writer.add(test_picture(32, 32));
    EXPECT_THROW(writer.add(test_picture(32, 30)), Error);
  }
  EXPECT_TRUE(contents(folder.path()).empty());
}

// FFmpeg does not say so itself.
TEST(Video, AFullDiskIsNoticed) {
  const TempFolder folder;
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  for (const rlim_t bytes : {0, 1'000}) {
    rlimit small = old;
    small.rlim_cur = bytes;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    std::string text;
    try {
      write_video(folder / "a.mp4", 48, 64, 10, 10);
    } catch (const Error& error) {
      text = error.what();
    }
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
    EXPECT_TRUE(contains(text, "cannot write") && contains(text, "disk")) << text;
    EXPECT_TRUE(contents(folder.path()).empty());
  }
  std::signal(SIGXFSZ, before);
}

TEST(Video, PlacesThatCannotBe) {
  const TempFolder folder;
  write_text(folder / "file", "");
  testing::internal::CaptureStderr();
  for (const fs::path& path : {folder / "missing/a.mp4", folder / "file/a.mp4"}) {
    try {
      VideoWriter writer(path, 32, 32, 10);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_TRUE(contains(error.what(), "cannot write \"" + path.string())) << error.what();
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");  // OpenCV and FFmpeg say nothing of their own
  fs::create_directory(folder / "a.mp4");
  VideoWriter writer(folder / "a.mp4", 32, 32, 10);
  writer.add(test_picture(32, 32));
  EXPECT_THROW(writer.finish(), Error);
}

}  // namespace
}  // namespace sga
