// singan train --method consingan as a program: the same commands and files as SinGAN's, and what it refuses.
#include "engine/checkpoint.h"
#include "engine/memory.h"
#include "tests/cli.h"

namespace sga {
namespace {

class CliConsingan : public CliTest {
 protected:
  void SetUp() override { save_png(folder / "picture.png", test_picture(32, 40)); }

  Words training(const Words& more = {}) const {
    return Words{"train",    "--method", "consingan",    "--image", at("picture.png"),
                 "--stages", "3",        "--iterations", "2",       "--quiet"} +
           more;
  }
  void train(const std::string& out) const {
    const Outcome outcome = run_tool("singan", training({"--out", at(out)}));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
  }
};

TEST_F(CliConsingan, FromAPictureToSamples) {
  train("run");
  const std::map<std::string, std::string> trained = contents(folder / "run");
  for (const char* name : {"model.safetensors", "checkpoint.safetensors", "config.json", "metrics.jsonl",
                           "index.html", "training.png", "level_0_reconstruction.png", "level_2_sample.png",
                           "sample_000.png", "sample_005.png"})
    EXPECT_TRUE(trained.contains(name)) << name;
  expect_whole_files(folder / "run");
  expect_local_page(folder / "run/index.html");
  EXPECT_TRUE(contains(trained.at("index.html"), "ConSinGAN of picture.png"));
  EXPECT_EQ(load_checkpoint(folder / "run/model.safetensors").meta("model"), "consingan");
  EXPECT_EQ(load_image(folder / "run/sample_000.png").width, 40);

  const Outcome info = run_tool("singan", {"info", "--model", at("run")});
  EXPECT_EQ(info.code, 0) << info.err;
  EXPECT_TRUE(contains(info.out, "consingan") && contains(info.out, "32x25, 36x29, 40x32") &&
              contains(info.out, "3 of 3"))
      << info.out;

  const Words sampling = {"sample", "--model", at("run"), "--count", "2", "--quiet"};
  const Words request = {"--scale-h", "1.5", "--start-scale", "1", "--out", at("samples")};
  ASSERT_EQ(run_tool("singan", sampling + request).code, 0);
  const Image sample = load_image(folder / "samples/sample_001.png");
  EXPECT_EQ(sample.width, 60);
  EXPECT_EQ(sample.height, 32);
  for (const auto& [words, part] : {std::pair{Words{"--start-scale", "3"}, "start"},
                                    {{"--start-scale", "-1"}, "start"},
                                    {{"--scale-h", "0"}, "0.1"},
                                    {{"--scale-v", "nan"}, "0.1"}})
    expect_refused("singan", sampling + words + Words{"--out", at("bad")}, 1, part);

  // There is nothing left to do, and nothing may change.
  const Outcome resumed = run_tool("singan", {"train", "--resume", "--quiet", "--out", at("run")});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(
      differences(trained, contents(folder / "run"), {"config.json", "checkpoint.previous.safetensors"}),
      Words{});
  train("again");
  EXPECT_EQ(differences(trained, contents(folder / "again"), {"config.json"}), Words{});
}

// What the other subcommands make of its model, and what they say where they cannot.
TEST_F(CliConsingan, OtherCommandsTakeItsModel) {
  train("run");
  Image edited = load_image(folder / "picture.png"), mask{32, 40, 1, std::vector<float>(32 * 40)};
  for (int64_t y = 8; y < 16; ++y)
    for (int64_t x = 10; x < 22; ++x) *mask.at(y, x) = 1, *edited.at(y, x) = 1;
  save_png(folder / "edited.png", edited);
  save_png(folder / "mask.png", mask);
  const auto words = [&](const char* command, const Words& more) {
    return Words{command, "--model", at("run"), "--quiet"} + more;
  };
  const Words reference = {"--reference", at("edited.png")};
  for (const auto& [command, more, file] :
       {std::tuple{"paint", reference, "start_2_001.png"},
        {"harmonize", reference + Words{"--mask", at("mask.png"), "--dilate", "1"}, "start_1_001.png"},
        {"edit", reference + Words{"--dilate", "1"}, "start_2_001_masked.png"}}) {
    SCOPED_TRACE(command);
    const Outcome made =
        run_tool("singan", words(command, more + Words{"--count", "2", "--out", at(command)}));
    EXPECT_EQ(made.code, 0) << made.err;
    const std::map<std::string, std::string> files = contents(folder / command);
    EXPECT_TRUE(files.contains(file));
    EXPECT_NE(files.at("start_1_000.png"), files.at("start_1_001.png"));
    expect_whole_files(folder / command);
    expect_local_page(folder / command / "index.html");
  }
  const auto refused = [&](const char* command, const Words& more, const std::string& part) {
    expect_refused("singan", words(command, more + Words{"--out", at("bad")}), 1, part);
  };
  refused("paint", reference + Words{"--start-scale", "3"}, "where a picture can enter at 1 to 2");
  refused("paint", reference + Words{"--quantize"}, "leave --quantize out");
  refused("animate", {}, "train with --method singan");
  refused("super-resolve", {}, "train with --method singan");
  for (const Words& more : {Words{"--fix-noise", "0"},
                            {"--interpolate", "0,1"},
                            {"--noise-mask", at("mask.png")},
                            {"--noise-gain", "2"},
                            {"--tile", "64"}})
    refused("sample", more, more[0] + " works with models of singan train --method singan alone");
}

TEST_F(CliConsingan, RefusesWhatCannotBe) {
  const auto refused = [&](const Words& words, const std::string& part, int code = 2) {
    expect_refused("singan", training(words + Words{"--out", at("bad")}), code, part);
  };
  refused({"--preset", "official"}, "--preset official is SinGAN's");
  refused({"--scale-factor", "0.7"}, "--scale-factor is an option of --method singan, not of consingan");
  refused({"--plateau", "100"}, "--plateau is an option of --method singan");
  refused({"--lr-scale", "1.5"}, "--lr-scale");
  refused({"--lr-scale", "nan"}, "lr_scale must lie between 0 and 1", 1);
  refused({"--min-size", "3"}, "--min-size", 1);
  refused({"--min-size", "33"}, "40x32", 1);
  refused({"--max-size", "30"}, "--max-size", 1);
  const Words plain = {"train", "--image", at("picture.png"), "--out", at("bad")};
  expect_refused("singan", plain + Words{"--method", "gan"}, 2, "--method: gan");
  for (const char* stages : {"1", "17", "many"})
    expect_refused("singan", plain + Words{"--method", "consingan", "--stages", stages}, 2, "--stages");
  expect_refused("singan", plain + Words{"--stages", "4"}, 2,
                 "--stages is an option of --method consingan, not of singan");
  expect_refused("singan", plain + Words{"--lr-scale", "0.5"}, 2, "--lr-scale is an option of --method");

  train("run");
  const Words resuming = {"train", "--resume", "--quiet", "--out", at("run")};
  expect_refused("singan", resuming + Words{"--method", "singan"}, 2, "--method consingan, not singan");
  expect_refused("singan", resuming + Words{"--stages", "4"}, 2, "--stages 3, not 4");
}

TEST_F(CliConsingan, WhatDoesNotFitIsRefused) {
  if (available_host_memory("/") > 100'000'000'000) GTEST_SKIP() << "this machine has the memory";
  constexpr int64_t kSide = 4000;  // takes about 200 GB
  save_png(folder / "large.png", {kSide, kSide, 1, std::vector<float>(kSide * kSide, 0.5f)});
  expect_refused("singan",
                 {"train", "--method", "consingan", "--image", at("large.png"), "--device", "cpu",
                  "--max-size", "4000", "--out", at("bad")},
                 1, "are available; give --max-size ");
  train("run");
  Checkpoint large = load_checkpoint(folder / "run/model.safetensors");
  large.tensors["image"] = zeros({1, 800, 1000, 3});
  large.metadata["config.max_size"] = "1000";
  save_checkpoint(folder / "large.safetensors", large);
  const Words sampling = {
      "sample", "--model",  at("large.safetensors"), "--device", "cpu", "--out", at("bad"), "--scale-h",
      "10",     "--scale-v"};
  expect_refused("singan", sampling + Words{"10"}, 1, "a sample of 10000x8000 takes about 179 GB");
}

TEST_F(CliConsingan, ForecastBeforeTheWork) {
  const Words words = {"train", "--method",     "consingan", "--image", at("picture.png"), "--stages",
                       "3",     "--iterations", "2",         "--out",   at("run")};
  const std::string part = "forecast: 3 levels up to 40x32, 2 iterations each, in about ";
  const Outcome alone = run_tool("singan", words + Words{"--forecast"});
  EXPECT_EQ(alone.code, 0) << alone.err;
  EXPECT_TRUE(contains(alone.out, part)) << alone.out;
  EXPECT_FALSE(fs::exists(folder / "run"));
  EXPECT_TRUE(contains(run_tool("singan", words).out, part));
  EXPECT_FALSE(contains(run_tool("singan", {"train", "--resume", "--out", at("run")}).out, "forecast"));
}

TEST_F(CliConsingan, DamagedModels) {
  train("run");
  const Checkpoint whole = load_checkpoint(folder / "run/model.safetensors");
  const auto refused = [&](auto change, const std::string& part) {
    Checkpoint damaged = whole;
    change(damaged);
    save_checkpoint(folder / "damaged.safetensors", damaged);
    const Words words = {"--model", at("damaged.safetensors")};
    expect_refused("singan", Words{"info"} + words, 1, part);
    expect_refused("singan", Words{"sample", "--out", at("bad")} + words, 1, part);
  };
  refused([](Checkpoint& c) { c.metadata["model"] = "consing"; }, "'consing' model");
  refused([](Checkpoint& c) { c.metadata["config.stages"] = "9999999999"; }, "stages");
  refused([](Checkpoint& c) { c.metadata["config.layers"] = "0"; }, "layers");
  refused([](Checkpoint& c) { c.metadata["level1.noise_amp"] = "inf"; }, "noise_amp");
  refused([](Checkpoint& c) { c.metadata.erase("finished"); }, "finished");
  refused([](Checkpoint& c) { c.tensors.erase("generator.stage2.conv0.bias"); }, "stage2.conv0.bias");
  refused([](Checkpoint& c) { c.tensors["image"] = zeros({1, 300, 300, 3}); }, "larger than");
  refused([](Checkpoint& c) { c.tensors["image"] = zeros({1, 32, 40, 4}); }, "generator.head");
}

TEST_F(CliConsingan, GreyPicturesOfSixteenBits) {
  save_png(folder / "grey.png", convert_channels(test_picture(26, 32), 1), 16);
  const Outcome outcome =
      run_tool("singan", {"train", "--method", "consingan", "--stages", "2", "--iterations", "1", "--quiet",
                          "--image", at("grey.png"), "--out", at("run")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* name : {"training.png", "level_0_reconstruction.png", "sample_000.png"}) {
    const ImageInfo info = image_info(read_file(folder / "run" / name), name);
    EXPECT_EQ(info.channels, 1) << name;
    EXPECT_EQ(info.bits, 16) << name;
  }
  EXPECT_TRUE(contains(run_tool("singan", {"info", at("run")}).out, "1 of 16 bits"));
}

TEST_F(CliConsingan, FullDiskLeavesWholeFiles) {
  expect_full_disk_reported("singan", training(), "full", {0, 2'000, 600'000});
}

}  // namespace
}  // namespace sga
