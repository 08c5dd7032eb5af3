// singan sample and super-resolve as programs: what each option does to the files, and what is refused.
#include <algorithm>
#include <cmath>
#include <memory>

#include "tests/cli.h"

namespace sga {
namespace {

class CliSinganSampling : public CliTest {
 protected:
  static void SetUpTestSuite() {
    trained = std::make_unique<TempFolder>();
    save_png(*trained / "picture.png", test_picture(32, 40));
    const Outcome outcome = run_tool("singan", {"train", "--image", (*trained / "picture.png").string(),
                                                "--iterations", "40", "--critic-steps", "1", "--quiet",
                                                "--min-size", "20", "--out", (*trained / "run").string()});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  static void TearDownTestSuite() { trained.reset(); }
  void SetUp() override { fs::copy(trained->path(), folder.path(), fs::copy_options::recursive); }

  Words sampling(const std::string& out, const Words& more = {}) const {
    return Words{"sample", "--model", at("run"), "--quiet", "--out", at(out)} + more;
  }
  /// Its files; the run must end well and its page be whole.
  std::map<std::string, std::string> sample(const std::string& out, const Words& more) const {
    const Outcome outcome = run_tool("singan", sampling(out, more));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    expect_whole_files(folder / out);
    expect_local_page(folder / out / "index.html");
    return contents(folder / out);
  }
  void refused(const Words& more, const std::string& part, int code = 1) const {
    expect_refused("singan", sampling("bad", more), code, part);
  }
  void enlarging_refused(const Words& words, const std::string& part, int code = 1) const {
    const bool elsewhere = std::find(words.begin(), words.end(), "--out") != words.end();
    const Words out = elsewhere ? Words{} : Words{"--out", at("bad")};
    expect_refused("singan", Words{"super-resolve"} + words + out, code, part);
  }

  static inline std::unique_ptr<TempFolder> trained;  ///< a picture and a run of three levels
};

TEST_F(CliSinganSampling, TilesGiveTheSameFile) {
  const Words large = {"--count", "1", "--scale-h", "3", "--scale-v", "4.1", "--start-scale", "1"};
  const auto whole = sample("whole", large + Words{"--tile", "off", "--norm", "running"});
  const auto tiles = sample("tiles", large + Words{"--tile", "48"});
  EXPECT_EQ(load_image(folder / "tiles/sample_000.png").height, 131);
  EXPECT_EQ(load_image(folder / "tiles/sample_000.png").width, 120);
  const Image a = load_image(folder / "whole/sample_000.png"),
              b = load_image(folder / "tiles/sample_000.png");
  float most = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) most = std::max(most, std::abs(a.pixels[i] - b.pixels[i]));
  EXPECT_LE(most, 1.01f / 255);  // a processor that adds up in another order may round to the next level
}

TEST_F(CliSinganSampling, NormIsThatOfEachPictureByDefault) {
  const auto free = sample("free", {"--count", "1"});
  EXPECT_EQ(sample("instance", {"--count", "1", "--norm", "instance"}).at("sample_000.png"),
            free.at("sample_000.png"));
  EXPECT_NE(sample("running", {"--count", "1", "--norm", "running"}).at("sample_000.png"),
            free.at("sample_000.png"));
}

TEST_F(CliSinganSampling, FixedNoiseLeavesTheOtherLevelsFree) {
  const auto free = sample("free", {"--count", "2"});
  const auto all = sample("all", {"--count", "2", "--fix-noise", "0,1,2"});
  const auto some = sample("some", {"--count", "2", "--fix-noise", "0"});
  for (const auto* files : {&all, &some}) EXPECT_EQ(files->at("sample_000.png"), free.at("sample_000.png"));
  EXPECT_EQ(all.at("sample_000.png"), all.at("sample_001.png"));
  EXPECT_NE(some.at("sample_001.png"), some.at("sample_000.png"));
  EXPECT_NE(some.at("sample_001.png"), free.at("sample_001.png"));
}

TEST_F(CliSinganSampling, InterpolationEndsAtTheSamples) {
  const auto samples = sample("samples", {"--count", "3"});
  const auto way = sample("way", {"--interpolate", "0,2", "--steps", "4"});
  EXPECT_EQ(way.at("interpolation_000.png"), samples.at("sample_000.png"));
  EXPECT_EQ(way.at("interpolation_003.png"), samples.at("sample_002.png"));
  EXPECT_NE(way.at("interpolation_001.png"), way.at("interpolation_002.png"));
  EXPECT_FALSE(way.contains("interpolation_004.png"));
  EXPECT_GE(load_image(folder / "way/interpolation.png").width, 4 * 40);
  // A call after it leaves none of its files.
  const auto again = sample("way", {"--count", "1", "--force"});
  EXPECT_FALSE(again.contains("interpolation_001.png"));
}

// 17 pictures of 4000 pixels are more than a row may be long.
TEST_F(CliSinganSampling, LongInterpolationsGoOnBelow) {
  sample("way", {"--interpolate", "0,1", "--steps", "17", "--scale-h", "100", "--scale-v", "0.5",
                 "--start-scale", "1", "--tile", "off"});
  const ImageInfo row = image_info(read_file(folder / "way/interpolation.png"), "interpolation.png");
  EXPECT_EQ(row.width, 6 + 16 * 4006);
  EXPECT_EQ(row.height, 6 + 2 * (16 + 18 + 6));
}

Image mask(int64_t h, int64_t w, float left, float right) {
  Image image{h, w, 1, std::vector<float>(size_t(h * w), right)};
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w / 2; ++x) *image.at(y, x) = left;
  return image;
}

TEST_F(CliSinganSampling, OutsideTheMaskThePictureStays) {
  save_png(folder / "mask.png", mask(32, 40, 0, 1));
  sample("masked", {"--count", "2", "--noise-mask", at("mask.png")});
  sample("gain", {"--count", "1", "--noise-gain", "0", "--start-scale", "1", "--norm",
                  "running"});  // the reconstruction
  const Image still = load_image(folder / "gain/sample_000.png");
  double right = 0;
  for (const char* name : {"masked/sample_000.png", "masked/sample_001.png"}) {
    const Image image = load_image(folder / name);
    for (int64_t y = 0; y < 32; ++y)
      for (int64_t x = 0; x < 20; ++x)
        for (int c = 0; c < 3; ++c) EXPECT_NEAR(image.at(y, x)[c], still.at(y, x)[c], 1.01f / 255);
    for (int64_t y = 0; y < 32; ++y) right += std::abs(image.at(y, 30)[0] - still.at(y, 30)[0]);
  }
  EXPECT_GT(right, 0.5);
}

TEST_F(CliSinganSampling, RequestsThatCannotBe) {
  save_png(folder / "small.png", mask(20, 40, 0, 1));
  save_png(folder / "black.png", mask(32, 40, 0, 0));
  save_png(folder / "white.png", mask(32, 40, 1, 1));
  save_png(folder / "mask.png", mask(32, 40, 0, 1));
  refused({"--noise-mask", at("small.png")}, "40x20 pixels, the samples are 40x32");
  refused({"--noise-mask", at("black.png")}, "black everywhere");
  refused({"--noise-mask", at("white.png")}, "white everywhere");
  refused({"--noise-mask", at("nowhere.png")}, "no such file");
  refused({"--noise-mask", at("mask.png"), "--scale-h", "2"}, "factors of width and height");
  refused({"--noise-gain", "-1"}, "noise gain");
  refused({"--noise-gain", "nan"}, "noise gain");
  refused({"--start-scale", "3"}, "start");
  refused({"--fix-noise", "3"}, "level 3", 2);
  refused({"--fix-noise", "0", "--start-scale", "1"}, "level 0", 2);
  refused({"--fix-noise", "-1"}, "level -1", 2);
  refused({"--interpolate", "1"}, "two different samples", 2);
  refused({"--interpolate", "1,1"}, "two different samples", 2);
  refused({"--interpolate", "1,2,3"}, "two different samples", 2);
  refused({"--interpolate", "-1,2"}, "two different samples", 2);
  refused({"--interpolate", "0,1", "--count", "3"}, "--count", 2);
  refused({"--interpolate", "0,1", "--steps", "1"}, "--steps", 2);
  refused({"--steps", "3"}, "--interpolate", 2);
  refused({"--tile", "8"}, "32 to 8192", 2);
  refused({"--tile", "many"}, "32 to 8192", 2);
  refused({"--norm", "instance", "--scale-h", "3", "--tile", "48"}, "leave --tile out", 2);
  refused({"--norm", "batch"}, "--norm", 2);
  refused({"--scale-h", "101"}, "between 0.1 and 100", 1);
}

// ---- super-resolve

TEST_F(CliSinganSampling, EnlargesWithAModel) {
  save_png(folder / "original.png", test_picture(81, 100));
  const Outcome outcome =
      run_tool("singan", {"super-resolve", "--model", at("run"), "--factor", "2.5", "--deterministic",
                          "--original", at("original.png"), "--quiet", "--out", at("large")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "SinGAN   RMSE") && contains(outcome.out, "bicubic  RMSE"))
      << outcome.out;
  for (const char* name : {"large/super_resolved.png", "large/bicubic.png"}) {
    const Image image = load_image(folder / name);
    EXPECT_EQ(image.height, 80);
    EXPECT_EQ(image.width, 100);
  }
  EXPECT_TRUE(contains(text_of(folder / "large/scores.json"), "\"psnr_y\": "));
  expect_whole_files(folder / "large");
  expect_local_page(folder / "large/index.html");

  // Another picture than the model's, and in tiles.
  save_png(folder / "other.png", test_picture(50, 33, 1));
  const Words other = {"super-resolve", "--model",  at("run"), "--image",
                       at("other.png"), "--factor", "3",       "--quiet"};
  ASSERT_EQ(run_tool("singan", other + Words{"--out", at("a")}).code, 0);
  ASSERT_EQ(run_tool("singan", other + Words{"--out", at("b"), "--tile", "64"}).code, 0);
  ASSERT_EQ(run_tool("singan", other + Words{"--out", at("c"), "--seed", "1"}).code, 0);
  EXPECT_EQ(load_image(folder / "a/super_resolved.png").width, 99);
  EXPECT_EQ(text_of(folder / "a/bicubic.png"), text_of(folder / "b/bicubic.png"));
  EXPECT_NE(text_of(folder / "a/super_resolved.png"), text_of(folder / "c/super_resolved.png"));
}

TEST_F(CliSinganSampling, TrainsThenEnlarges) {
  const auto words = [&](const std::string& out, const Words& more = {}) {
    return Words{"super-resolve", "--image", at("picture.png"), "--factor", "1.9",
                 "--iterations",  "2",       "--quiet",         "--out",    at(out)} +
           more;
  };
  for (const char* preset : {"quick", "official"}) {
    const std::string out = preset;
    ASSERT_EQ(run_tool("singan", words(out, {"--preset", preset})).code, 0);
    const Image image = load_image(folder / out / "super_resolved.png");
    EXPECT_EQ(image.height, 61);  // 60.8
    EXPECT_EQ(image.width, 76);
    expect_whole_files(folder / out);
    expect_local_page(folder / out / "index.html");
    // Its model is one like any other.
    const Outcome info = run_tool("singan", {"info", at(out)});
    EXPECT_TRUE(contains(info.out, "40x32")) << info.out << info.err;
  }
  // Going on, with other options for the enlarging alone.
  const auto before = contents(folder / "quick");
  const Outcome resumed =
      run_tool("singan", {"super-resolve", "--resume", "--deterministic", "--quiet", "--out", at("quick")});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  const auto after = contents(folder / "quick");
  EXPECT_EQ(after.at("model.safetensors"), before.at("model.safetensors"));
  EXPECT_NE(after.at("super_resolved.png"), before.at("super_resolved.png"));
  enlarging_refused({"--resume", "--factor", "3", "--out", at("quick")}, "--factor", 2);
  // An original that does not fit is refused before the training goes on, and not remembered.
  for (const char* name : {"checkpoint.safetensors", "checkpoint.previous.safetensors"})
    fs::remove(folder / "quick" / name);
  save_png(folder / "small.png", test_picture(40, 50));
  enlarging_refused({"--resume", "--original", at("small.png"), "--quiet", "--out", at("quick")},
                    "the result 76x61");
}

TEST_F(CliSinganSampling, ForceKeepsTheInputs) {
  const auto forced = [&](const Words& more) { return Words{"--force", "--out", at("out")} + more; };
  const Words training = {"super-resolve", "--image", at("picture.png"), "--factor", "2",
                          "--iterations",  "1",       "--quiet",         "--out",    at("out")};
  ASSERT_EQ(run_tool("singan", training).code, 0);
  // Its model, its result and its training picture, which go with the run that wrote them.
  for (const Words& words : {Words{"--model", at("out")},
                             {"--image", at("out/super_resolved.png"), "--iterations", "1"},
                             {"--model", at("run"), "--image", at("out/training.png")},
                             {"--model", at("run"), "--factor", "2", "--original", at("out/bicubic.png")}})
    enlarging_refused(forced(words), "--force would remove " + at("out") + "/");
  ASSERT_EQ(run_tool("singan", sampling("drawn", {"--count", "2"})).code, 0);
  save_png(folder / "drawn/sample_001.png", mask(32, 40, 0, 1));
  expect_refused("singan", sampling("drawn", {"--noise-mask", at("drawn/sample_001.png"), "--force"}), 1,
                 "--force would remove " + at("drawn/sample_001.png"));
  // A model that another command wrote stays.
  EXPECT_EQ(run_tool("singan", sampling("run", {"--count", "1", "--force"})).code, 0);
  EXPECT_TRUE(fs::exists(folder / "run/model.safetensors"));
}

TEST_F(CliSinganSampling, GreyAndDeepPicturesStaySo) {
  save_png(folder / "grey.png", convert_channels(test_picture(32, 40), 1), 16);
  const Words training = {"super-resolve", "--image", at("grey.png"), "--factor", "2",
                          "--iterations",  "2",       "--quiet"};
  const Outcome outcome = run_tool("singan", training + Words{"--out", at("large")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  run_tool("singan", {"sample", "--model", at("large"), "--count", "1", "--quiet", "--out", at("samples")});
  for (const char* name : {"large/super_resolved.png", "large/bicubic.png", "samples/sample_000.png"}) {
    const ImageInfo info = image_info(read_file(folder / name), name);
    EXPECT_EQ(info.channels, 1) << name;
    EXPECT_EQ(info.bits, 16) << name;
  }
}

TEST_F(CliSinganSampling, StoppedAndResumedItEndsTheSame) {
  const Words words = {
      "super-resolve",  "--image", at("picture.png"), "--factor", "1.5",    "--iterations", "60",
      "--critic-steps", "1",       "--max-size",      "24",       "--quiet"};
  ASSERT_EQ(run_tool("singan", words + Words{"--out", at("straight")}).code, 0);
  const Outcome stopped = run_and_stop("singan", words, "stopped", SIGINT, "metrics.jsonl");
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  const Outcome resumed = run_tool("singan", words + Words{"--resume", "--out", at("stopped")});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(text_of(folder / "stopped/super_resolved.png"), text_of(folder / "straight/super_resolved.png"));
}

TEST_F(CliSinganSampling, EnlargingsThatCannotBe) {
  const Words model = {"--model", at("run")}, image = {"--image", at("picture.png"), "--iterations", "1"};
  for (const char* factor : {"0.9", "16.5", "0", "-2", "nan", "inf"})
    for (const Words& words : {model, image})
      enlarging_refused(words + Words{"--factor", factor}, "between 1 and 16");
  enlarging_refused(model + Words{"--factor", "four"}, "--factor", 2);
  enlarging_refused({}, "--image to train on", 2);
  enlarging_refused({"--model", at("nowhere")}, "nowhere");
  enlarging_refused({"--image", at("nowhere.png")}, "no such file");
  enlarging_refused(model + Words{"--iterations", "3"}, "--iterations is for training", 2);
  enlarging_refused(model + Words{"--resume"}, "--resume is for training", 2);
  enlarging_refused(image + Words{"--min-size", "5"}, "--min-size");
  enlarging_refused(image + Words{"--min-size", "33"}, "40x32");
  save_png(folder / "small.png", test_picture(40, 50));
  for (const Words& words : {model, image}) {
    enlarging_refused(words + Words{"--factor", "2", "--original", at("small.png")}, "the result 80x64");
    enlarging_refused(words + Words{"--factor", "2", "--original", at("nowhere.png")}, "no such file");
  }
  save_png(folder / "huge.png", test_picture(900, 900));
  enlarging_refused({"--model", at("run"), "--image", at("huge.png"), "--factor", "16"}, "Mpx");
  enlarging_refused({"--image", at("huge.png"), "--factor", "16"}, "Mpx");

  // A model that is not trained to the end.
  const Outcome stopped = run_and_stop("singan",
                                       {"train", "--image", at("picture.png"), "--min-size", "20",
                                        "--iterations", "150", "--critic-steps", "1", "--quiet"},
                                       "partly", SIGINT, "level_0_sample.png");
  ASSERT_EQ(stopped.code, 130) << stopped.err;
  enlarging_refused({"--model", at("partly")}, "train it to the end");
}

TEST_F(CliSinganSampling, FullDisk) {
  const Words words = {"super-resolve", "--model", at("run"), "--quiet"};
  expect_full_disk_reported("singan", words, "full", {0, 300, 700, 5'000});
}

}  // namespace
}  // namespace sga
