// ganimation as a program: from a packed data set to an edited photograph, and everything it must refuse.
#include "engine/checkpoint.h"
#include "models/ganimation/openface.h"
#include "tests/cli.h"

namespace sga {
namespace {

class CliGanimation : public CliTest {
 protected:
  void SetUp() override {
    make_face_set(folder / "faces.sgd");
    make_ganimation_model(folder / "model.safetensors");
  }

  Words training(const Words& more = {}) const {
    return ganimation_training() + Words{"--epochs", "2", "--critic-steps", "2"} + more;
  }
  Words editing(const Words& more = {}) const {
    return Words{"edit", "--model", at("model.safetensors"), "--image", kPhotograph, "--quiet"} + more;
  }
};

TEST_F(CliGanimation, FromADataSetToAnEditedPhotograph) {
  const Outcome trained = run_tool("ganimation", training({"--out", at("run")}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(trained.out + trained.err, "");
  for (const char* name : {"model.safetensors", "checkpoint.safetensors", "config.json", "metrics.jsonl",
                           "faces.png", "index.html"})
    EXPECT_TRUE(fs::exists(folder / "run" / name)) << name;
  expect_whole_files(folder / "run");
  expect_local_page(folder / "run/index.html");
  const std::string model = text_of(folder / "run/model.safetensors");

  const Outcome info = run_tool("ganimation", {"info", "--model", at("run/model.safetensors")});
  EXPECT_EQ(info.code, 0) << info.err;
  for (const char* part : {"faces of 32 px", "conv-dim 4", "mode=detector margin=1.5 size=32", "12="})
    EXPECT_TRUE(contains(info.out, part)) << info.out;

  const Words edit = {"edit",         "--model",  at("run/model.safetensors"), "--image",
                      kPhotograph,    "--preset", "happiness,anger",           "--au",
                      "12=0.5,6=.25", "--quiet"};
  const Outcome edited = run_tool("ganimation", edit + Words{"--out", at("edit")});
  ASSERT_EQ(edited.code, 0) << edited.err;
  for (const char* name : {"happiness", "anger", "custom"})
    for (const char* kind : {".png", "_crop.png", "_attention.png", "_colour.png"})
      EXPECT_TRUE(fs::exists(folder / "edit" / (std::string(name) + kind))) << name << kind;
  expect_whole_files(folder / "edit");
  expect_local_page(folder / "edit/index.html");
  const Image photo = load_image(kPhotograph), result = load_image(folder / "edit/happiness.png");
  EXPECT_EQ(result.width, photo.width);
  EXPECT_EQ(result.height, photo.height);
  EXPECT_NE(result.pixels, photo.pixels);
  for (int64_t x = 0; x < photo.width; ++x)  // far from the face nothing changes
    EXPECT_EQ(*result.at(photo.height - 1, x), *photo.at(photo.height - 1, x));
  EXPECT_EQ(run_tool("ganimation", edit + Words{"--mode", "add", "--out", at("add")}).code, 0);

  // Half the bytes for shipping; the same edit but for rounding.
  ASSERT_EQ(run_tool("ganimation",
                     {"export", "--model", at("run/model.safetensors"), "--out", at("half.safetensors")})
                .code,
            0);
  EXPECT_LT(fs::file_size(folder / "half.safetensors"), model.size() * 3 / 5);
  EXPECT_EQ(run_tool("ganimation", {"info", "--model", at("half.safetensors")}).out, info.out);

  // A finished run has nothing left to do; the same seed gives the same bytes.
  EXPECT_EQ(run_tool("ganimation", training({"--resume", "--out", at("run")})).code, 0);
  EXPECT_EQ(run_tool("ganimation", training({"--out", at("again")})).code, 0);
  EXPECT_TRUE(text_of(folder / "run/model.safetensors") == model);
  EXPECT_TRUE(text_of(folder / "again/model.safetensors") == model);
  EXPECT_EQ(run_tool("ganimation", training({"--seed", "1", "--out", at("other")})).code, 0);
  EXPECT_FALSE(text_of(folder / "other/model.safetensors") == model);
}

TEST_F(CliGanimation, RelativeUnitsNeedTheFacesOwn) {
  const Words relative = {"--units", "relative", "--conditioning", "bottleneck"};
  ASSERT_EQ(run_tool("ganimation", training(relative + Words{"--out", at("run")})).code, 0);
  const Outcome info = run_tool("ganimation", {"info", "--model", at("run/model.safetensors")});
  EXPECT_TRUE(contains(info.out, "bottleneck")) << info.out;
  EXPECT_TRUE(contains(info.out, "relative")) << info.out;

  // The same target from two sources are two edits; without a source the model reads the face itself.
  const auto table = [](float value) {
    ActionUnits units;
    units.fill(value);
    return openface_header() + openface_line("astronaut.png", 0.9, units);
  };
  write_text(folder / "low.csv", table(0));
  write_text(folder / "high.csv", table(0.8f));
  const auto edited = [&](const std::string& source) {
    Words words = {
        "edit",    "--model", at("run/model.safetensors"), "--image", kPhotograph, "--au", "12=0.5",
        "--quiet", "--out",   at("edit_" + source)};
    if (!source.empty()) words = words + Words{"--source-aus", at(source + ".csv")};
    const Outcome outcome = run_tool("ganimation", words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return load_image(folder / ("edit_" + source) / "custom.png").pixels;
  };
  const auto low = edited("low"), high = edited("high"), estimated = edited("");
  EXPECT_NE(low, high);
  EXPECT_NE(low, estimated);

  // A model that cannot read the face has to be told.
  Checkpoint blind = load_checkpoint(folder / "run/model.safetensors");
  std::erase_if(blind.tensors, [](const auto& item) { return item.first.starts_with("estimator."); });
  std::erase_if(blind.metadata, [](const auto& item) { return item.first.starts_with("estimator."); });
  save_checkpoint(folder / "blind.safetensors", blind);
  expect_refused("ganimation",
                 {"edit", "--model", at("blind.safetensors"), "--image", kPhotograph, "--au", "12=0.5",
                  "--out", at("bad")},
                 1, "--source-aus");
}

TEST_F(CliGanimation, RecipesThatTakeEveryFaceOnce) {
  Words words = training({"--recipe", "replicate", "--out", at("run")});
  std::erase(words, "--quiet");
  const Outcome trained = run_tool("ganimation", words);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(contains(trained.out, "every face once an epoch")) << trained.out;
  expect_refused("ganimation", training({"--recipe", "replicate", "--balance", "0.5", "--out", at("bad")}), 1,
                 "every face once an epoch, balance 0.5");
}

TEST_F(CliGanimation, ExpressionsThatAreNone) {
  const auto refused = [&](const Words& words, int code, const std::string& part) {
    expect_refused("ganimation", editing(words) + Words{"--out", at("bad")}, code, part);
  };
  refused({"--au", "12=nan"}, 1, "AU 12 must be in [0, 1.25], got nan");
  refused({"--au", "12=inf"}, 1, "got inf");
  refused({"--au", "12=1.26"}, 1, "got 1.26");
  refused({"--au", "12=-0.1"}, 1, "got -0.1");
  refused({"--au", "13=0.5"}, 1, "there is no AU 13");
  refused({"--au", "12=0.5,12=0.6"}, 1, "12");
  refused({"--au", "12"}, 1, "12");
  refused({"--preset", "happyness"}, 1, "there is no expression 'happyness'; there are neutral, happiness");
  refused({"--preset", "fear,fear"}, 2, "fear is asked for twice");
  refused({"--preset", "fear", "--strength", "nan"}, 1, "strength");
  refused({"--preset", "fear", "--strength", "9"}, 2, "--strength");
  refused({"--preset", "fear", "--mode", "mix"}, 2, "mix");
  refused({}, 2, "nothing to do");
  write_text(folder / "presets.txt", "smirk 12=0.4\nbroken 12=1=2\n");
  refused({"--preset", "smirk", "--presets", at("presets.txt")}, 1, "presets.txt");
  refused({"--preset", "smirk", "--presets", at("no.txt")}, 1, "no such file");
}

TEST_F(CliGanimation, PhotographsThatAreNone) {
  expect_bad_photographs_refused(
      "ganimation", {"edit", "--model", at("model.safetensors"), "--preset", "anger", "--out", at("bad")});
}

TEST_F(CliGanimation, ModelsThatAreNone) {
  const std::string whole = text_of(folder / "model.safetensors");
  write_text(folder / "empty.safetensors", "");
  for (const size_t size : {size_t{7}, size_t{300}, whole.size() - 1})
    write_text(at("cut" + std::to_string(size) + ".safetensors"), whole.substr(0, size));
  write_text(folder / "header.safetensors", std::string("\0\0\x10\1\0\0\0\0", 8) + "{}");
  write_text(folder / "endless.safetensors", std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8) + "{}");
  Checkpoint other;
  other.metadata["model"] = "singan";
  other.tensors["w"] = zeros({2, 2});
  save_checkpoint(folder / "other.safetensors", other);
  Checkpoint hollow = load_checkpoint(folder / "model.safetensors");
  hollow.tensors.erase(hollow.tensors.begin());
  save_checkpoint(folder / "hollow.safetensors", hollow);
  Words files = {at("missing.safetensors"), at("faces.sgd"), folder.path().string()};
  for (const fs::directory_entry& entry : fs::directory_iterator(folder.path()))
    if (entry.path().extension() == ".safetensors" && entry.path().filename() != "model.safetensors")
      files.push_back(entry.path());
  ASSERT_EQ(files.size(), 11u);
  for (const std::string& file : files) {
    const std::string name = fs::path(file).filename();
    expect_refused("ganimation", {"info", "--model", file}, 1, name);
    expect_refused("ganimation",
                   {"edit", "--model", file, "--image", kPhotograph, "--preset", "anger", "--out", at("bad")},
                   1, name);
    expect_refused("ganimation", {"export", "--model", file, "--out", at("bad.safetensors")}, 1, name);
  }
  expect_refused("ganimation", {"export", "--model", at("model.safetensors"), "--out", at("faces.sgd")}, 1,
                 "--force");

  make_ganimation_model(folder / "blind.safetensors", false);
  expect_refused("ganimation",
                 {"edit", "--model", at("blind.safetensors"), "--image", kPhotograph, "--preset", "anger",
                  "--mode", "add", "--out", at("bad")},
                 1, "--mode set");
}

TEST_F(CliGanimation, DataSetsThatAreNone) {
  const std::string whole = text_of(folder / "faces.sgd");
  write_text(folder / "empty.sgd", "");
  write_text(folder / "cut.sgd", whole.substr(0, whole.size() - 100));
  const auto refused = [&](const std::string& name, const std::string& part) {
    expect_refused("ganimation", {"train", "--data", at(name), "--out", at("bad")}, 1, part);
  };
  refused("missing.sgd", "missing.sgd");
  refused("empty.sgd", "is empty");
  refused("cut.sgd", "cut.sgd");
  refused("model.safetensors", "is no face set");
  refused("", "is not a regular file");
}

TEST_F(CliGanimation, OptionsOutOfRange) {
  const auto refused = [&](const Words& words, int code, const std::string& part) {
    expect_refused("ganimation",
                   Words{"train", "--data", at("faces.sgd"), "--quiet"} + words + Words{"--out", at("bad")},
                   code, part);
  };
  for (const char* option :
       {"--lr", "--critic-lr", "--au-weight", "--au-start", "--mask-weight", "--cycle-weight",
        "--smooth-weight", "--identity-weight", "--average", "--balance", "--save-minutes"})
    for (const char* value : {"nan", "-1", "inf", "much"}) refused({option, value}, 2, option);
  refused({"--batch", "0"}, 2, "--batch");
  refused({"--epochs", "0"}, 2, "--epochs");
  refused({"--conv-dim", "0"}, 1, "conv-dim must be 1..512, got 0");
  refused({"--critic-dim", "4096"}, 1, "4096");
  refused({"--blocks", "-1"}, 1, "blocks must be 0..64, got -1");
  refused({"--critic-steps", "0"}, 1, "critic steps must be at least 1, got 0");
  refused({"--recipe", "smal"}, 2, "smal");
  refused({"--conditioning", "none"}, 2, "none");
}

TEST_F(CliGanimation, FoldersThatCannotBe) {
  expect_bad_folders_refused("ganimation", training());
  expect_bad_folders_refused("ganimation", editing({"--preset", "anger"}));
  ASSERT_EQ(run_tool("ganimation", training({"--out", at("run")})).code, 0);
  expect_refused("ganimation", training({"--resume", "--force", "--out", at("run")}), 2, "--force");
  expect_refused("ganimation", training({"--resume", "--out", at("theirs")}), 1, "holds files but no run");
  expect_refused("ganimation", training({"--resume", "--seed", "5", "--out", at("run")}), 2,
                 "the run was started with --seed 0, not 5");
  expect_refused("ganimation", training({"--resume", "--conditioning", "film", "--out", at("run")}), 2,
                 "conditioning");
  expect_refused("singan", {"train", "--image", kPhotograph, "--resume", "--out", at("run")}, 1,
                 "holds a run of ganimation train");
}

TEST_F(CliGanimation, AProlongedRunKeepsItsOtherOptions) {
  ASSERT_EQ(run_tool("ganimation", training({"--lr", "0.003", "--out", at("run")})).code, 0);
  const Outcome prolonged = run_tool("ganimation", {"train", "--data", at("faces.sgd"), "--epochs", "3",
                                                    "--quiet", "--resume", "--out", at("run")});
  ASSERT_EQ(prolonged.code, 0) << prolonged.err;
  const std::string config = text_of(folder / "run/config.json");
  for (const char* part : {"\"lr\": \"0.003\"", "\"epochs\": \"3\"", "\"batch\": \"2\""})
    EXPECT_TRUE(contains(config, part)) << config;
  const Outcome info = run_tool("ganimation", {"info", "--model", at("run/model.safetensors")});
  EXPECT_TRUE(contains(info.out, "15 iterations of batch 2")) << info.out;
}

TEST_F(CliGanimation, FullDisk) {
  expect_full_disk_reported("ganimation", training(), "full", {0, 1'000, 30'000, 100'000, 300'000});
  expect_full_disk_reported("ganimation", editing({"--preset", "anger"}), "full", {0, 1'000, 100'000});
  const Words shipping = {"export", "--model", at("model.safetensors"), "--out", at("half.safetensors")};
  const Outcome full = run_tool("ganimation", shipping, 1'000);
  EXPECT_EQ(full.code, 1);
  expect_sentence(full, "ganimation", "half.safetensors\": File too large");
  EXPECT_FALSE(fs::exists(folder / "half.safetensors"));

  // Once there is room again the run goes on and ends in the same bytes.
  ASSERT_EQ(run_tool("ganimation", training({"--out", at("straight")})).code, 0);
  const Words words = training({"--save-minutes", "0.00001", "--out", at("full")});
  EXPECT_EQ(run_tool("ganimation", words, 100'000).code, 1);
  const Outcome resumed = run_tool("ganimation", words + Words{"--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(text_of(folder / "full/model.safetensors") == text_of(folder / "straight/model.safetensors"));
}

TEST_F(CliGanimation, ResumesWithTheDataOfTheRunAndNoOther) {
  ASSERT_EQ(run_tool("ganimation", training({"--out", at("run")})).code, 0);
  const Words resuming = {"train", "--epochs", "3", "--quiet", "--resume", "--out", at("run")};
  const std::string whole = text_of(folder / "faces.sgd");
  make_face_set(folder / "faces.sgd", 13);
  expect_refused("ganimation", resuming, 1, "was started with --data of checksum");
  expect_refused("ganimation", resuming + Words{"--data", at("faces.sgd")}, 1, at("faces.sgd") + " has");
  write_text(folder / "copy.sgd", whole);
  const Outcome copied = run_tool("ganimation", resuming + Words{"--data", at("copy.sgd")});
  EXPECT_EQ(copied.code, 0) << copied.err;
  const Outcome resumed = run_tool("ganimation", resuming);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(contains(text_of(folder / "run/config.json"), "\"data\": \"" + at("copy.sgd") + "\""));
  expect_refused("ganimation", {"train", "--resume", "--out", at("new")}, 2, "--data is required");
}

TEST_F(CliGanimation, StepsAreExact) {
  for (const std::string steps : {"7", "31"}) {
    const Outcome outcome =
        run_tool("ganimation", ganimation_training() + Words{"--steps", steps, "--out", at("run" + steps)});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(load_checkpoint(folder / ("run" + steps) / "checkpoint.safetensors").meta("iteration"), steps);
  }
  // Prolonged, it stops at the new number.
  const Outcome more =
      run_tool("ganimation", {"train", "--resume", "--steps", "9", "--quiet", "--out", at("run7")});
  EXPECT_EQ(more.code, 0) << more.err;
  EXPECT_EQ(load_checkpoint(folder / "run7/checkpoint.safetensors").meta("iteration"), "9");
  expect_refused("ganimation", ganimation_training() + Words{"--steps", "0", "--out", at("bad")}, 2,
                 "--steps");
}

TEST_F(CliGanimation, InfoTakesTheFileEitherWay) {
  const Outcome option = run_tool("ganimation", {"info", "--model", at("model.safetensors")});
  EXPECT_EQ(option.code, 0) << option.err;
  EXPECT_EQ(run_tool("ganimation", {"info", at("model.safetensors")}).out, option.out);
  expect_refused("ganimation", {"info", at("missing.safetensors")}, 1, "missing.safetensors");
}

TEST_F(CliGanimation, ForceRemovesWhatTheRunBeforeLeft) {
  ASSERT_EQ(run_tool("ganimation", training({"--out", at("run")})).code, 0);
  write_text(folder / "run/faces.txt", "mine");
  write_text(folder / "run/config.json", R"({"tool": "ganimation edit", "options": {}})");
  const Words forced = training({"--force", "--out", at("run")});
  EXPECT_EQ(run_tool("ganimation", forced, 0).code, 1);       // the disk is full: nothing new is written
  EXPECT_TRUE(fs::exists(folder / "run/model.safetensors"));  // was another tool's, as far as one can tell
  ASSERT_EQ(run_tool("ganimation", forced).code, 0);
  EXPECT_EQ(run_tool("ganimation", forced, 0).code, 1);
  for (const char* name : {"model.safetensors", "faces.png", "index.html", "checkpoint.safetensors",
                           "checkpoint.previous.safetensors", "metrics.jsonl", "config.json"})
    EXPECT_FALSE(fs::exists(folder / "run" / name)) << name;
  EXPECT_EQ(text_of(folder / "run/faces.txt"), "mine");
}

TEST_F(CliGanimation, ExpressionsWithTheNameOfAFile) {
  write_text(folder / "mine.txt", "crop 12=.5\nsheet 12=.5\nsmile 12=.5\nsmile_crop 6=.5\n");
  const auto refused = [&](const std::string& names, const std::string& part) {
    expect_refused("ganimation",
                   editing({"--presets", at("mine.txt"), "--preset", names, "--out", at("bad")}), 2, part);
  };
  refused("crop", "the expression crop cannot be written to crop.png, which holds the cut face");
  refused("smile,sheet", "the expression sheet cannot be written to sheet.png");
  refused("smile,smile_crop",
          "the expression smile_crop cannot be written to smile_crop.png, which holds smile");
}

TEST_F(CliGanimation, StrengthGoesAQuarterBeyondThePresets) {
  expect_refused("ganimation", editing({"--preset", "fear", "--strength", "1.26", "--out", at("bad")}), 2,
                 "--strength");
  EXPECT_EQ(
      run_tool("ganimation", editing({"--preset", "fear", "--strength", "1.25", "--out", at("edit")})).code,
      0);
}

}  // namespace
}  // namespace sga
