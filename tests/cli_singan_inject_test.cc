// singan paint, harmonize and edit as programs: what they write, and everything they must refuse.
#include <csignal>

#include "engine/checkpoint.h"
#include "tests/cli.h"

namespace sga {
namespace {

/// A model of four levels, start scales 1 to 3, and references for it.
class CliSinganInject : public CliTest {
 protected:
  void SetUp() override {
    const Image picture = test_picture(32, 40);
    save_png(folder / "picture.png", picture);
    train({});
    Image edited = picture, mask{32, 40, 1, std::vector<float>(32 * 40)};
    for (int64_t y = 8; y < 16; ++y)
      for (int64_t x = 10; x < 22; ++x) {
        *mask.at(y, x) = 1;
        for (int c = 0; c < 3; ++c) edited.at(y, x)[c] = c == 0 ? 1.0f : 0.0f;
      }
    save_png(folder / "edited.png", edited);
    save_png(folder / "mask.png", mask);
    save_png(folder / "larger.png", resize_image(edited, 64, 80));
    save_png(folder / "larger_mask.png", resize_image(mask, 64, 80));
    save_png(folder / "other.png", test_picture(32, 40, 2));
    for (const float v : {0.0f, 1.0f})
      save_png(folder / (v > 0 ? "full.png" : "nothing.png"), {32, 40, 1, std::vector<float>(32 * 40, v)});
  }

  void train(const Words& more, const std::string& out = "run") const {
    const Outcome outcome = run_tool("singan", Words{"train", "--image", at("picture.png"), "--min-size",
                                                     "12", "--iterations", "2", "--quiet", "--out", at(out)} +
                                                   more);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  Words words(const std::string& task, const std::string& reference, const Words& more = {}) const {
    return Words{task, "--model", at("run"), "--reference", at(reference), "--quiet"} + more;
  }
  Outcome run(const Words& command, const std::string& out) const {
    Outcome outcome = run_tool("singan", command + Words{"--out", at(out)});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    expect_whole_files(folder / out);
    expect_local_page(folder / out / "index.html");
    return outcome;
  }
  Words names(const std::string& out) const {
    Words all;
    for (const auto& [name, content] : contents(folder / out))
      if (name.starts_with("start_")) all.push_back(name);
    return all;
  }
  static double distance(const Image& a, const Image& b, int64_t top, int64_t left, int64_t bottom,
                         int64_t right) {
    double total = 0;
    for (int64_t y = top; y < bottom; ++y)
      for (int64_t x = left; x < right; ++x)
        for (int c = 0; c < 3; ++c) total += std::abs(double(a.at(y, x)[c]) - double(b.at(y, x)[c]));
    return total / double((bottom - top) * (right - left) * 3);
  }
};

TEST_F(CliSinganInject, PaintWritesEveryStartScale) {
  const Outcome outcome = run(words("paint", "larger.png"), "all");
  EXPECT_EQ(names("all"), (Words{"start_1_000.png", "start_2_000.png", "start_3_000.png"}));
  EXPECT_EQ(load_image(folder / "all/start_3_000.png").width, 40);
  EXPECT_EQ(load_image(folder / "all/reference.png").height, 32);
  EXPECT_GT(load_image(folder / "all/sheet.png").width, 5 * 40);
  EXPECT_TRUE(contains(outcome.out, "start scales 1 to 3"));
  // The same picture whether its start scale is asked for alone, and whatever the number of pictures.
  run(words("paint", "larger.png", {"--start-scale", "3", "--count", "3"}), "one");
  EXPECT_EQ(names("one"), (Words{"start_3_000.png", "start_3_001.png", "start_3_002.png"}));
  EXPECT_EQ(text_of(folder / "one/start_3_000.png"), text_of(folder / "all/start_3_000.png"));
  EXPECT_NE(text_of(folder / "one/start_3_001.png"), text_of(folder / "one/start_3_000.png"));
  run(words("paint", "larger.png", {"--start-scale", "3", "--seed", "1", "--force"}), "one");
  EXPECT_EQ(names("one"), (Words{"start_3_000.png"}));
  EXPECT_NE(text_of(folder / "one/start_3_000.png"), text_of(folder / "all/start_3_000.png"));
}

TEST_F(CliSinganInject, ReferencesAreFitted) {
  // The same picture with an alpha that hides nothing, and as grey.
  Image alpha = load_image(folder / "edited.png"), grey = convert_channels(alpha, 1);
  Image with_alpha{alpha.height, alpha.width, 4, {}};
  for (int64_t i = 0; i < alpha.height * alpha.width; ++i) {
    with_alpha.pixels.insert(with_alpha.pixels.end(), alpha.pixels.begin() + 3 * i,
                             alpha.pixels.begin() + 3 * i + 3);
    with_alpha.pixels.push_back(1);
  }
  save_png(folder / "alpha.png", with_alpha);
  save_png(folder / "grey.png", grey);
  save_png(folder / "wide.png", resize_image(alpha, 20, 90));
  run(words("paint", "edited.png", {"--start-scale", "2"}), "plain");
  EXPECT_TRUE(contains(run(words("paint", "alpha.png", {"--start-scale", "2"}), "alpha").out, "4 channels"));
  EXPECT_EQ(text_of(folder / "alpha/start_2_000.png"), text_of(folder / "plain/start_2_000.png"));
  EXPECT_TRUE(contains(run(words("paint", "grey.png", {"--start-scale", "2"}), "grey").out, "1 channels"));
  EXPECT_TRUE(contains(run(words("paint", "wide.png", {"--start-scale", "2"}), "wide").out, "is stretched"));
}

// A coloured reference for models of grey pictures and of pictures with alpha.
TEST_F(CliSinganInject, ReferencesOfOtherChannels) {
  Image hole = load_image(folder / "edited.png", 4);
  for (int64_t y = 8; y < 16; ++y)
    for (int64_t x = 10; x < 22; ++x) hole.at(y, x)[3] = 0;
  save_png(folder / "hole.png", hole);
  for (const int64_t channels : {1, 4}) {
    const std::string model = std::to_string(channels), other = channels == 1 ? "hole.png" : "edited.png";
    train({"--channels", model}, model);
    for (const char* task : {"paint", "harmonize", "edit"}) {
      SCOPED_TRACE(task + (" of " + model));
      const Words mask = {"--mask", at("mask.png"), "--dilate", "1"};
      const Outcome outcome =
          run(Words{task, "--model", at(model), "--reference", at(other), "--start-scale", "2", "--quiet"} +
                  (task == std::string("paint") ? Words{} : mask),
              task + model);
      EXPECT_TRUE(contains(outcome.out, (channels == 1 ? "4" : "3") + (" channels, the model " + model)))
          << outcome.out;
      const fs::path made = folder / (task + model) / "start_2_000.png";
      EXPECT_EQ(image_info(read_file(made), "made").channels, channels);
    }
  }
}

TEST_F(CliSinganInject, HarmonizeChangesWhatTheMaskSays) {
  const Words small = {"--dilate", "1", "--feather", "1"};
  run(words("harmonize", "edited.png", Words{"--mask", at("mask.png")} + small), "given");
  EXPECT_EQ(names("given").size(), 3u);
  const Image training = load_image(folder / "picture.png");
  const Image out = load_image(folder / "given/start_3_000.png");
  EXPECT_LT(distance(out, training, 24, 0, 32, 40), 1e-6) << "outside the mask";
  EXPECT_GT(distance(out, training, 10, 12, 14, 20), 0.05) << "inside";
  const Image mask = load_image(folder / "given/mask.png", 1);
  EXPECT_EQ(*mask.at(12, 16), 1.0f);
  EXPECT_EQ(*mask.at(30, 2), 0.0f);

  // Without a mask it is found where it was pasted.
  const Outcome found = run(words("harmonize", "edited.png", small), "found");
  EXPECT_TRUE(contains(found.out, "no --mask: taken from where the reference differs")) << found.out;
  const Image found_mask = load_image(folder / "found/mask.png", 1);
  EXPECT_EQ(*found_mask.at(12, 16), 1.0f);
  EXPECT_EQ(*found_mask.at(30, 2), 0.0f);
  // A reference of another size brings a mask of that size.
  run(words("harmonize", "larger.png", Words{"--mask", at("larger_mask.png")} + small), "larger");
  EXPECT_LT(distance(load_image(folder / "larger/start_3_000.png"), training, 24, 0, 32, 40), 1e-6);
}

TEST_F(CliSinganInject, EditWritesBoth) {
  run(words("edit", "edited.png", {"--mask", at("mask.png"), "--dilate", "2", "--count", "2"}), "edit");
  EXPECT_EQ(names("edit").size(), 12u);
  const Image training = load_image(folder / "picture.png");
  const Image whole = load_image(folder / "edit/start_2_001.png");
  const Image masked = load_image(folder / "edit/start_2_001_masked.png");
  EXPECT_LT(distance(masked, training, 28, 34, 32, 40), distance(whole, training, 28, 34, 32, 40));
}

TEST_F(CliSinganInject, APartlyTrainedModelDrawsItsOwnSize) {
  Checkpoint half = load_checkpoint(folder / "run/model.safetensors");
  half.metadata["finished"] = "3";
  save_checkpoint(folder / "half.safetensors", half);
  const Words common = {"--model", at("half.safetensors"), "--reference", at("edited.png"), "--quiet"};
  run(Words{"harmonize", "--mask", at("mask.png"), "--dilate", "1"} + common, "half");
  EXPECT_EQ(names("half"), (Words{"start_1_000.png", "start_2_000.png"}));
  EXPECT_LT(load_image(folder / "half/start_2_000.png").width, 40);
  half.metadata["finished"] = "1";
  save_checkpoint(folder / "half.safetensors", half);
  expect_refused("singan", Words{"paint", "--out", at("bad")} + common, 1, "train it further");
}

TEST_F(CliSinganInject, QuantizeTrainsOnceAndIsKept) {
  const Words command = words("paint", "edited.png", {"--quantize", "--colours", "3", "--start-scale", "2"});
  const Outcome first = run_tool("singan", command + Words{"--out", at("few")});
  if (contains(first.err, "needs OpenCV")) {
    EXPECT_EQ(first.code, 1);
    GTEST_SKIP() << first.err;
  }
  ASSERT_EQ(first.code, 0) << first.err;
  expect_whole_files(folder / "few");
  expect_local_page(folder / "few/index.html");
  const auto before = contents(folder / "few");
  EXPECT_TRUE(before.contains("colours_002.png") && before.contains("quantized_2.safetensors"));
  EXPECT_EQ(load_checkpoint(folder / "few/quantized_2.safetensors").get("level2.palette").shape(),
            (Shape{3, 3}));
  const auto time = fs::last_write_time(folder / "few/quantized_2.safetensors");

  // Again: nothing is trained and the pictures are the same; another reference is painted by the same level.
  run(command + Words{"--resume"}, "few");
  EXPECT_EQ(fs::last_write_time(folder / "few/quantized_2.safetensors"), time);
  EXPECT_EQ(differences(before, contents(folder / "few"), {"config.json"}), Words{});
  run(words("paint", "other.png", {"--resume"}), "few");
  EXPECT_EQ(fs::last_write_time(folder / "few/quantized_2.safetensors"), time);
  EXPECT_NE(text_of(folder / "few/start_2_000.png"), before.at("start_2_000.png"));
  expect_refused("singan", command + Words{"--resume", "--colours", "4", "--out", at("few")}, 2, "--colours");
  expect_refused("singan",
                 words("paint", "other.png", {"--resume", "--start-scale", "1", "--out", at("few")}), 2,
                 "--start-scale 2, not 1");
  // A quantised level is a model too, and paints in these colours without being asked.
  EXPECT_EQ(run_tool("singan", {"info", at("few/quantized_2.safetensors")}).code, 0);

  // The same from the official preset.
  train({"--preset", "official"}, "official");
  const Words official = {"paint",          "--model",    at("official"),  "--reference",
                          at("edited.png"), "--quantize", "--start-scale", "1",
                          "--quiet"};
  run(official, "runs");
  EXPECT_EQ(load_checkpoint(folder / "runs/quantized_1.safetensors").get("level1.palette").shape(),
            (Shape{5, 3}));

  // Another model's levels are not taken.
  train({"--seed", "1"}, "again");
  expect_refused(
      "singan",
      {"paint", "--model", at("again"), "--reference", at("edited.png"), "--resume", "--out", at("few")}, 1,
      "--model of checksum");
  save_png(folder / "picture.png", {32, 40, 3, std::vector<float>(32 * 40 * 3, 0.5f)});
  train({}, "flat");
  const Outcome flat = run_tool("singan", {"paint", "--model", at("flat"), "--reference", at("edited.png"),
                                           "--quantize", "--quiet", "--out", at("flat_paint")});
  EXPECT_EQ(flat.code, 1);
  expect_sentence(flat, "singan", "ask for fewer");
}

TEST_F(CliSinganInject, QuantizeStopsAndGoesOn) {
  const auto long_run = [&] {
    Checkpoint c = load_checkpoint(folder / "run/model.safetensors");
    c.metadata["config.iterations"] = "25";
    save_checkpoint(folder / "long.safetensors", c);
    return Words{"paint",          "--model",    at("long.safetensors"), "--reference",
                 at("edited.png"), "--quantize", "--start-scale",        "3",
                 "--quiet"};
  }();
  const Outcome straight = run_tool("singan", long_run + Words{"--out", at("straight")});
  if (contains(straight.err, "needs OpenCV")) GTEST_SKIP() << straight.err;
  ASSERT_EQ(straight.code, 0) << straight.err;
  const Outcome stopped = run_and_stop("singan", long_run, "stopped", SIGINT, "reference.png");
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  expect_whole_files(folder / "stopped");
  run(long_run + Words{"--resume"}, "stopped");
  EXPECT_EQ(text_of(folder / "stopped/start_3_000.png"), text_of(folder / "straight/start_3_000.png"));
}

TEST_F(CliSinganInject, ForceKeepsTheInputs) {
  const Words narrow = {"--start-scale", "1", "--dilate", "1", "--force"};
  run(words("edit", "edited.png", narrow), "out");
  for (const Words& input : {Words{"--reference", at("out/reference.png")},
                             {"--reference", at("edited.png"), "--mask", at("out/mask.png")}})
    expect_refused("singan", Words{"edit", "--model", at("run"), "--out", at("out")} + narrow + input, 1,
                   "--force would remove " + input.back());
  fs::copy_file(folder / "edited.png", folder / "out/mine.png");
  run(words("edit", "out/mine.png", narrow), "out");
  EXPECT_TRUE(fs::exists(folder / "out/mine.png"));
}

TEST_F(CliSinganInject, MasksThatCannotBe) {
  for (const char* task : {"harmonize", "edit"}) {
    const auto refused = [&](const std::string& reference, const Words& more, const std::string& part,
                             int code = 1) {
      expect_refused("singan", words(task, reference, more + Words{"--out", at("bad")}), code, part);
    };
    refused("edited.png", {"--mask", at("larger_mask.png")}, "is 80x64 and the reference");
    refused("larger.png", {"--mask", at("mask.png")}, "is 40x32 and the reference");
    refused("edited.png", {"--mask", at("nothing.png")}, "is empty");
    refused("edited.png", {"--mask", at("full.png")}, "is full");
    refused("edited.png", {"--mask", at("missing.png")}, "there is no such file");
    refused("edited.png", {"--mask", at("run/config.json")}, "config.json");
    refused("edited.png", {"--mask", at("mask.png"), "--dilate", "50"}, "covers the whole 40x32 pixels");
    refused("edited.png", {"--dilate", "50"}, "covers the whole");
    refused("edited.png", {"--feather", "nan"}, "sigma must lie between 0 and 10000, got nan");
    refused("edited.png", {"--threshold", "0"}, "--threshold", 2);
    refused("edited.png", {"--dilate", "-1"}, "--dilate", 2);
    refused("picture.png", {}, "does not differ from the training image");
    refused("other.png", {}, "so it is no edit of it");
    refused("other.png", {"--mask", at("mask.png")}, "outside the mask too");
  }
  expect_refused("singan", words("paint", "edited.png", {"--mask", at("mask.png"), "--out", at("bad")}), 2,
                 "--mask");
}

TEST_F(CliSinganInject, WhatElseCannotBe) {
  write_text(folder / "text", "this is not a picture");
  for (const char* task : {"paint", "harmonize", "edit"}) {
    SCOPED_TRACE(task);
    const auto refused = [&](const Words& more, const std::string& part, int code = 1) {
      expect_refused("singan", words(task, "edited.png", more + Words{"--out", at("bad")}), code, part);
    };
    refused({"--start-scale", "4"}, "where a picture can enter at 1 to 3");
    refused({"--start-scale", "-1"}, "--start-scale", 2);
    refused({"--count", "0"}, "--count", 2);
    for (const auto& [reference, part] :
         {std::pair{"missing.png", "there is no such file"}, {"text", "it is no PNG, JPEG or BMP picture"}})
      expect_refused("singan", words(task, reference, {"--out", at("bad")}), 1, part);
    expect_refused("singan",
                   {task, "--model", at("mask.png"), "--reference", at("edited.png"), "--out", at("bad")}, 1,
                   "mask.png");
    expect_refused("singan", {task, "--model", at("run"), "--out", at("bad")}, 2, "--reference");
    expect_bad_folders_refused("singan",
                               words(task, "edited.png", {"--start-scale", "1"}) +
                                   (task == std::string("paint") ? Words{} : Words{"--dilate", "1"}));
    fs::remove_all(folder / "theirs");
    fs::remove(folder / "occupied");
  }
  expect_refused("singan", words("paint", "edited.png", {"--colours", "4", "--out", at("bad")}), 2,
                 "--quantize");
  expect_refused("singan", words("paint", "edited.png", {"--quantize", "--colours", "1", "--out", at("bad")}),
                 2, "--colours");
  expect_full_disk_reported("singan", words("edit", "edited.png", {"--dilate", "1"}), "full",
                            {0, 300, 1'500});
}

}  // namespace
}  // namespace sga
