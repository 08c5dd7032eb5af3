// singan train --method gpnn as a program, and singan compare: models of several methods on one page.
#include "engine/checkpoint.h"
#include "tests/cli.h"

namespace sga {
namespace {

class CliGpnn : public CliTest {
 protected:
  void SetUp() override { save_png(folder / "picture.png", test_picture(32, 40)); }

  Words training(const Words& more = {}) const {
    return Words{"train", "--method", "gpnn", "--image", at("picture.png"), "--quiet"} + more;
  }
  void train(const std::string& out, const Words& more = {}) const {
    const Outcome outcome = run_tool("singan", training(more + Words{"--out", at(out)}));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
  }
};

TEST_F(CliGpnn, FromAPictureToSamples) {
  train("run");
  const std::map<std::string, std::string> made = contents(folder / "run");
  for (const char* name :
       {"model.safetensors", "config.json", "index.html", "training.png", "sample_000.png", "sample_005.png"})
    EXPECT_TRUE(made.contains(name)) << name;
  expect_whole_files(folder / "run");
  expect_local_page(folder / "run/index.html");
  EXPECT_TRUE(contains(made.at("index.html"), "GPNN of picture.png"));
  EXPECT_TRUE(contains(made.at("config.json"), "\"min-size\": \"14\""));
  EXPECT_EQ(load_checkpoint(folder / "run/model.safetensors").meta("model"), "gpnn");
  EXPECT_EQ(load_image(folder / "run/sample_000.png").width, 40);

  const Outcome info = run_tool("singan", {"info", at("run")});
  EXPECT_EQ(info.code, 0) << info.err;
  EXPECT_TRUE(contains(info.out, "gpnn") && contains(info.out, "18x14, 23x18, 30x24, 40x32")) << info.out;

  const Words sampling = {"sample", "--model", at("run"), "--count", "2", "--quiet"};
  ASSERT_EQ(
      run_tool("singan", sampling + Words{"--scale-h", "1.5", "--start-scale", "1", "--out", at("samples")})
          .code,
      0);
  EXPECT_EQ(load_image(folder / "samples/sample_001.png").width, 60);
  EXPECT_EQ(load_image(folder / "samples/sample_001.png").height, 32);
  for (const auto& [words, part] : {std::pair{Words{"--start-scale", "4"}, "start"},
                                    {{"--start-scale", "-1"}, "start"},
                                    {{"--scale-h", "0"}, "0.1"},
                                    {{"--scale-h", "0.2"}, "smaller than a patch"},
                                    {{"--scale-v", "nan"}, "0.1"}})
    expect_refused("singan", sampling + words + Words{"--out", at("bad")}, 1, part);

  // Going on with a run that is done changes nothing, and neither does another folder.
  const auto written = fs::last_write_time(folder / "run/sample_000.png");
  const Outcome resumed = run_tool("singan", {"train", "--resume", "--quiet", "--out", at("run")});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(differences(made, contents(folder / "run"), {"config.json"}), Words{});
  EXPECT_EQ(fs::last_write_time(folder / "run/sample_000.png"), written) << "made again";
  train("again");
  EXPECT_EQ(differences(made, contents(folder / "again"), {"config.json"}), Words{});
  // One that was stopped is made whole.
  for (const char* name : {"index.html", "sample_004.png", "sample_005.png"})
    fs::remove(folder / "again" / name);
  ASSERT_EQ(run_tool("singan", {"train", "--resume", "--quiet", "--out", at("again")}).code, 0);
  EXPECT_EQ(differences(made, contents(folder / "again"), {"config.json"}), Words{});
  for (const Words& option : {Words{"--save-every", "3"}, {"--iterations", "0"}})
    expect_refused("singan", Words{"train", "--resume", "--out", at("run")} + option, 2,
                   option[0] + " is an option of --method singan, not of gpnn");
  train("other", {"--seed", "7"});
  EXPECT_NE(text_of(folder / "other/sample_000.png"), made.at("sample_000.png"));
  train("quiet", {"--noise", "0", "--completeness", "inf"});
  EXPECT_EQ(text_of(folder / "quiet/sample_000.png"), text_of(folder / "quiet/sample_001.png"));
}

TEST_F(CliGpnn, TakesPicturesAsTheOthersDo) {
  train("run");
  save_png(folder / "painting.png", test_picture(30, 50, 1));
  const Outcome painted = run_tool("singan", {"paint", "--model", at("run"), "--reference",
                                              at("painting.png"), "--quiet", "--out", at("painted")});
  ASSERT_EQ(painted.code, 0) << painted.err;
  EXPECT_EQ(load_image(folder / "painted/start_1_000.png").width, 40);
  EXPECT_EQ(load_image(folder / "painted/start_3_000.png").height, 32);
  Image moved = test_picture(32, 40);
  for (size_t i = 0; i < 10; ++i)
    for (size_t j = 0; j < 30; ++j) moved.pixels[(10 + i) * 120 + 30 + j] = moved.pixels[i * 120 + j];
  save_png(folder / "moved.png", moved);
  for (const char* task : {"harmonize", "edit"}) {
    const Outcome done =
        run_tool("singan", {task, "--model", at("run"), "--reference", at("moved.png"), "--dilate", "1",
                            "--start-scale", "2", "--quiet", "--out", at(task)});
    ASSERT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(load_image(folder / task / "start_2_000.png").width, 40);
  }
}

// What needs the generators of a SinGAN says so, and leaves no folder.
TEST_F(CliGpnn, OtherMethodsTasksAreRefused) {
  train("run");
  const auto refused = [&](const std::string& task, const Words& words, const std::string& part) {
    expect_refused("singan", Words{task, "--model", at("run"), "--out", at("bad")} + words, 1, part);
  };
  refused("super-resolve", {"--image", at("picture.png")}, "train with --method singan");
  refused("animate", {}, "--method singan");
  refused("paint", {"--reference", at("picture.png"), "--count", "2"}, "leave --count out");
  refused("sample", {"--tile", "64"}, "--tile works with models of singan train --method singan alone");
  refused("sample", {"--interpolate", "0,1"}, "--interpolate works with");
}

TEST_F(CliGpnn, ChannelsAndBits) {
  for (const int64_t channels : {1, 4}) {
    save_png(folder / "picture.png", convert_channels(test_picture(32, 40), channels), 16);
    const std::string name = std::to_string(channels);
    train(name, {"--channels", name});
    const fs::path sample = folder / name / "sample_000.png";
    EXPECT_EQ(image_info(read_file(sample), "sample").channels, channels);
    EXPECT_EQ(image_info(read_file(sample), "sample").bits, 16);
    const Outcome compared = run_tool(
        "singan", {"compare", at(name), at(name), "--count", "1", "--quiet", "--out", at("page" + name)});
    ASSERT_EQ(compared.code, 0) << compared.err;
    EXPECT_EQ(text_of(folder / ("page" + name) / "run_0_sample_000.png"), text_of(sample));
  }
  expect_refused("singan", {"compare", at("1"), at("4"), "--out", at("bad")}, 1, "same --channels");
}

TEST_F(CliGpnn, RefusesWhatCannotBe) {
  const auto refused = [&](const Words& words, const std::string& part, int code = 2) {
    expect_refused("singan", training(words + Words{"--out", at("bad")}), code, part);
  };
  refused({"--preset", "official"}, "--preset is an option of --method singan, not of gpnn");
  refused({"--iterations", "5"}, "--iterations is an option of --method singan, not of gpnn");
  refused({"--forecast"}, "--forecast is an option of");
  refused({"--plateau", "100"}, "--plateau is an option of");
  refused({"--save-every", "10"}, "--save-every is an option of");
  refused({"--noise-padding"}, "--noise-padding is an option of");
  refused({"--critic-steps", "1"}, "--critic-steps is an option of");
  refused({"--noise", "-1"}, "noise must be 0 to 100", 1);
  refused({"--noise", "nan"}, "noise must be 0 to 100", 1);
  refused({"--completeness", "0"}, "must be above 0", 1);
  refused({"--completeness", "much"}, "--completeness");
  refused({"--min-size", "33"}, "40x32", 1);
  refused({"--min-size", "3"}, "--min-size", 1);
  expect_refused("singan", {"train", "--method", "gpnn", "--image", at("missing.png"), "--out", at("bad")}, 1,
                 "missing.png");
  expect_refused("singan", {"train", "--image", at("picture.png"), "--out", at("bad"), "--noise", "1"}, 2,
                 "--noise is an option of --method gpnn, not of singan");
  train("run");
  expect_refused("singan", {"train", "--resume", "--method", "singan", "--out", at("run")}, 2,
                 "--method gpnn, not singan");
  expect_bad_folders_refused("singan", training());
}

TEST_F(CliGpnn, FullDiskLeavesWholeFiles) {
  expect_full_disk_reported("singan", training(), "full", {0, 2'000, 10'000});
}

TEST_F(CliGpnn, ComparesMethodsOnOnePage) {
  train("patches");
  const Words brief = {"train", "--image", at("picture.png"), "--iterations", "1", "--quiet"};
  ASSERT_EQ(run_tool("singan", brief + Words{"--max-size", "34", "--out", at("gan")}).code, 0);
  const Words comparing = {"compare", at("patches"), at("gan/model.safetensors"), "--count", "2"};
  const Outcome outcome = run_tool("singan", comparing + Words{"--quiet", "--out", at("page")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto made = contents(folder / "page");
  for (const char* name :
       {"index.html", "compare.png", "training.png", "run_0_sample_000.png", "run_0_sample_001.png",
        "run_1_sample_000.png", "run_1_sample_001.png", "config.json"})
    EXPECT_TRUE(made.contains(name)) << name;
  EXPECT_EQ(made.at("run_0_sample_001.png"), text_of(folder / "patches/sample_001.png"));
  EXPECT_EQ(load_image(folder / "page/run_1_sample_000.png").width, 34);
  expect_local_page(folder / "page/index.html");
  for (const char* part : {"gpnn", "singan", "patches", "40x32", "34x27", "time of a sample", " MB"})
    EXPECT_TRUE(contains(made.at("index.html"), part)) << part;
  // Fewer than before: no old picture is left.
  ASSERT_EQ(run_tool("singan", {"compare", at("patches"), at("patches"), "--count", "1", "--force", "--quiet",
                                "--out", at("page")})
                .code,
            0);
  EXPECT_FALSE(fs::exists(folder / "page/run_1_sample_001.png"));
}

// A sheet that would be too large is made of smaller pictures.
TEST_F(CliGpnn, SheetsOfWidePicturesFit) {
  save_png(folder / "picture.png", test_picture(14, 1400));
  train("run", {"--max-size", "1400", "--noise", "0"});
  const Outcome outcome =
      run_tool("singan", {"compare", at("run"), at("run"), "--count", "50", "--quiet", "--out", at("page")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(fs::exists(folder / "page/run_1_sample_049.png"));
  const ImageInfo sheet = image_info(read_file(folder / "page/compare.png"), "compare.png");
  EXPECT_GT(sheet.width, 60'000);
  EXPECT_LE(sheet.width, kMaxSide);
}

TEST_F(CliGpnn, SheetsOfManyModelsFit) {
  save_png(folder / "picture.png", test_picture(1000, 14));
  train("run", {"--max-size", "1000", "--noise", "0"});
  Words many = {"compare", "--count", "1", "--quiet", "--out", at("page")};
  for (int i = 0; i < 70; ++i) many.push_back(at("run"));
  const Outcome outcome = run_tool("singan", many);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const ImageInfo sheet = image_info(read_file(folder / "page/compare.png"), "compare.png");
  EXPECT_GT(sheet.height, 60'000);
  EXPECT_LE(sheet.height, kMaxSide);
}

TEST_F(CliGpnn, ComparesNothingElse) {
  train("run");
  save_png(folder / "picture.png", test_picture(32, 40, 2));
  train("another");
  save_png(folder / "picture.png", test_picture(40, 32));
  train("upright");
  const auto refused = [&](const Words& runs, const std::string& part, int code = 1) {
    expect_refused("singan", Words{"compare", "--out", at("bad")} + runs, code, part);
  };
  refused({at("run"), at("another")}, "another was trained on another picture than run");
  refused({at("run"), at("upright")}, "upright was trained on another picture than run");
  refused({at("run"), at("missing")}, "missing");
  refused({at("run"), at("picture.png")}, "picture.png");
  refused({at("run")}, "two runs or more, got 1", 2);
  refused({}, "required", 2);
  refused({at("run"), at("run"), "--count", "0"}, "--count", 2);
  expect_bad_folders_refused("singan", {"compare", "--quiet", "--count", "1", at("run"), at("run")});
}

}  // namespace
}  // namespace sga
