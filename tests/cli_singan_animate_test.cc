// singan animate as a program: every file is decoded again, and everything it must refuse.
#include <csignal>

#include "tests/cli.h"
#include "tests/gif_frames.h"

namespace sga {
namespace {

#ifdef SGA_OPENCV
constexpr bool kVideo = true;
#else
constexpr bool kVideo = false;
#endif

class CliSinganAnimate : public CliTest {
 protected:
  void SetUp() override {
    save_png(folder / "picture.png", test_picture(25, 31));
    const Outcome outcome =
        run_tool("singan", {"train", "--image", at("picture.png"), "--min-size", "18", "--iterations", "3",
                            "--noise-padding", "--quiet", "--out", at("run")});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  Words animating(const Words& more = {}, const std::string& frames = "10") const {
    return Words{"animate", "--model", at("run"), "--quiet", "--frames", frames} + more;
  }
};

TEST_F(CliSinganAnimate, OneCallMakesASheet) {
  const Words words = animating({"--start-scale", "0,1", "--beta", "0.8,0.95", "--fps", "12.5"});
  const Outcome outcome = run_tool("singan", words + Words{"--out", at("out")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_TRUE(contains(outcome.out, "4 animations of 10 frames")) << outcome.out;
  EXPECT_FALSE(contains(outcome.out, "noise-padding"));
  EXPECT_EQ(contains(outcome.out, "no MP4"), !kVideo);
  for (const char* name : {"start0_beta0.8", "start0_beta0.95", "start1_beta0.8", "start1_beta0.95"}) {
    SCOPED_TRACE(name);
    const DecodedGif gif = decode_gif(folder / "out" / (name + std::string(".gif")));
    ASSERT_EQ(gif.frames.size(), 10u);
    EXPECT_EQ(gif.frames[0].width, 31);
    EXPECT_EQ(gif.frames[0].height, 25);
    EXPECT_EQ(gif.delays, std::vector<int>(10, 8));
    EXPECT_TRUE(gif.forever);
    EXPECT_NE(gif.frames[0].pixels, gif.frames[9].pixels);
    EXPECT_EQ(fs::exists(folder / "out" / (name + std::string(".mp4"))), kVideo);
    EXPECT_GT(load_image(folder / "out" / (name + std::string(".png"))).width, 8 * 31);
  }
  expect_whole_files(folder / "out");
  expect_local_page(folder / "out/index.html");

  // The same seed gives the same bytes, another one others; a clip does not depend on those beside it.
  // Not the MP4s of so small frames: see VideoWriter.
  ASSERT_EQ(run_tool("singan", words + Words{"--out", at("again")}).code, 0);
  EXPECT_EQ(differences(contents(folder / "out"), contents(folder / "again"),
                        {"config.json", "start0_beta0.8.mp4", "start0_beta0.95.mp4", "start1_beta0.8.mp4",
                         "start1_beta0.95.mp4"}),
            Words{});
  ASSERT_EQ(run_tool("singan",
                     animating({"--start-scale", "1", "--beta", "0.95", "--fps", "12.5", "--out", at("one")}))
                .code,
            0);
  EXPECT_TRUE(text_of(folder / "one/start1_beta0.95.gif") == text_of(folder / "out/start1_beta0.95.gif"));
  ASSERT_EQ(run_tool("singan", words + Words{"--seed", "1", "--out", at("other")}).code, 0);
  EXPECT_FALSE(text_of(folder / "other/start0_beta0.8.gif") == text_of(folder / "out/start0_beta0.8.gif"));
}

// Eight frames beside one another are wider than a picture may be.
TEST_F(CliSinganAnimate, TheStripOfWideFramesIsSmaller) {
  save_png(folder / "wide.png", test_picture(18, 820));
  ASSERT_EQ(run_tool("singan", {"train", "--image", at("wide.png"), "--min-size", "18", "--max-size", "820",
                                "--iterations", "1", "--critic-steps", "1", "--quiet", "--out", at("wide")})
                .code,
            0);
  const Outcome outcome = run_tool(
      "singan", {"animate", "--model", at("wide"), "--frames", "8", "--scale-h", "10", "--scale-v", "0.5",
                 "--format", "gif", "--beta", "0.8", "--start-scale", "1", "--quiet", "--out", at("out")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(decode_gif(folder / "out/start1_beta0.8.gif").frames.at(7).width, 8200);
  const ImageInfo strip = image_info(read_file(folder / "out/start1_beta0.8.png"), "strip");
  EXPECT_LE(strip.width, kMaxSide);
  EXPECT_GT(strip.width, kMaxSide - 10);
}

TEST_F(CliSinganAnimate, ALoopHasNoJump) {
  const auto changes = [&](const std::string& out, const Words& more) {
    const Words words = animating({"--start-scale", "0", "--beta", "0.9", "--format", "gif"}, "16");
    EXPECT_EQ(run_tool("singan", words + more + Words{"--out", at(out)}).code, 0);
    const DecodedGif gif = decode_gif(folder / out / "start0_beta0.9.gif");
    std::vector<double> sums;  // the last is from the last frame to the first
    for (size_t t = 0; t < gif.frames.size(); ++t) {
      const Image& next = gif.frames[(t + 1) % gif.frames.size()];
      sums.push_back(0);
      for (size_t i = 0; i < next.pixels.size(); ++i)
        sums.back() += std::abs(double(next.pixels[i]) - double(gif.frames[t].pixels[i]));
    }
    return sums;
  };
  const std::vector<double> closed = changes("closed", {"--loop"});
  ASSERT_EQ(closed.size(), 16u);
  EXPECT_LT(closed.back(), 1.3 * *std::max_element(closed.begin(), closed.end() - 1));
  const std::vector<double> open = changes("open", {});
  EXPECT_GT(open.back(), 1.5 * *std::max_element(open.begin(), open.end() - 1));
}

TEST_F(CliSinganAnimate, DefaultsFitTheModel) {
  const Outcome outcome =
      run_tool("singan", {"animate", "--model", at("run"), "--frames", "2", "--quiet", "--out", at("out")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "4 animations")) << outcome.out;  // two levels, two values of beta
}

TEST_F(CliSinganAnimate, ModelsWithoutNoisePadding) {
  ASSERT_EQ(run_tool("singan", {"train", "--image", at("picture.png"), "--min-size", "18", "--iterations",
                                "1", "--quiet", "--out", at("plain")})
                .code,
            0);
  const Outcome outcome =
      run_tool("singan", {"animate", "--model", at("plain"), "--frames", "3", "--scale-h", "1.5", "--beta",
                          "-0,0", "--start-scale", "0", "--quiet", "--out", at("out")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "trained without --noise-padding")) << outcome.out;
  EXPECT_EQ(decode_gif(folder / "out/start0_beta0.0.gif").frames.at(0).width, 46);
}

TEST_F(CliSinganAnimate, Refusals) {
  const auto refused = [&](const Words& words, const std::string& part, int code) {
    expect_refused("singan", animating(words + Words{"--out", at("bad")}), code, part);
  };
  refused({"--start-scale", "0,2"}, "between 0 and 1", 1);
  refused({"--start-scale", "-1"}, "between 0 and 1", 1);
  refused({"--alpha", "2"}, "alpha", 1);
  refused({"--alpha", "0", "--loop"}, "alpha above 0", 1);
  refused({"--beta", "0.5,1"}, "beta", 1);
  refused({"--beta", "nan"}, "beta", 1);
  refused({"--scale-h", "0"}, "0.1", 1);
  refused({"--frames", "0"}, "--frames", 2);
  refused({"--fps", "51"}, "--fps", 2);
  refused({"--format", "avi"}, "--format", 2);
  refused({"--start-scale", "x"}, "--start-scale", 2);
  if (!kVideo) refused({"--format", "mp4"}, "OpenCV", 1);
  expect_refused("singan", {"animate", "--model", at("picture.png"), "--out", at("bad")}, 1, "picture.png");
  expect_bad_folders_refused("singan", animating());
}

TEST_F(CliSinganAnimate, FilesThatCannotBeWritten) {
  const Words words = animating({"--start-scale", "0", "--beta", "0.8"});
  expect_full_disk_reported("singan", words, "full", {0, 500, 3'000});
  // A folder in the place of a file.
  for (const std::string name : {"start0_beta0.8.gif", "start0_beta0.8.mp4", "start0_beta0.8.png"}) {
    if (name.ends_with("mp4") && !kVideo) continue;
    SCOPED_TRACE(name);
    ASSERT_EQ(run_tool("singan", words + Words{"--force", "--out", at("out")}).code, 0);
    fs::remove(folder / "out" / name);
    fs::create_directories(folder / "out" / name);
    const Outcome outcome = run_tool("singan", words + Words{"--force", "--out", at("out")});
    EXPECT_EQ(outcome.code, 1);
    expect_sentence(outcome, "singan", name + "\": it is a folder");
    fs::remove(folder / "out" / name);  // it is empty still
    expect_whole_files(folder / "out");
    fs::remove_all(folder / "out");
  }
}

TEST_F(CliSinganAnimate, StopsBetweenFrames) {
  const Words words = animating({"--start-scale", "0", "--beta", "0.8,0.9"}, "2000");
  const Outcome outcome = run_and_stop("singan", words, "out", SIGINT, "config.json");
  EXPECT_EQ(outcome.code, 130) << outcome.err;
  EXPECT_TRUE(contains(outcome.err, "singan: interrupted; 0 animations are written")) << outcome.err;
  EXPECT_FALSE(fs::exists(folder / "out/start0_beta0.8.gif"));
  expect_whole_files(folder / "out");
}

}  // namespace
}  // namespace sga
