// ganimation edit, grid, interpolate, emotions and sequence as programs: what they write, what stays as it
// was, and what they must refuse.
#include <csignal>

#include "models/ganimation/face_crop.h"
#include "models/ganimation/openface.h"
#include "tests/cli.h"
#include "tests/gif_frames.h"
#include "tools/video.h"

namespace sga {
namespace {

/// OpenFace's table of a video: frame, face, success and the AUs, which rise with the frame.
std::string video(int frames) {
  std::string text = "frame, face_id, timestamp, confidence, success";
  for (int number : kActionUnitNumbers)
    text += std::string(", AU") + (number < 10 ? "0" : "") + std::to_string(number) + "_r";
  text += "\n";
  for (int t = 1; t <= frames; ++t) {
    text += std::to_string(t) + ", 0, " + std::to_string((t - 1) * 0.1) + ", 0.98, 1";
    for (int i = 0; i < kActionUnitCount; ++i) text += ", " + std::to_string(0.2 * t);
    text += "\n";
  }
  return text;
}

/// Any side of the astronaut.
Image astronaut() { return load_image(kPhotograph); }

class CliGanimationEdit : public CliTest {
 protected:
  void SetUp() override { make_ganimation_model(folder / "model.safetensors"); }

  Words run(const std::string& what, const Words& more, const std::string& image = kPhotograph) const {
    return Words{what, "--model", at("model.safetensors"), "--image", image, "--quiet"} + more;
  }
  /// Runs it without a word and returns the folder.
  fs::path done(const std::string& what, const Words& more, const std::string& out,
                const std::string& image = kPhotograph) const {
    const Outcome outcome = run_tool("ganimation", run(what, more + Words{"--out", at(out)}, image));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    expect_whole_files(folder / out);
    expect_local_page(folder / out / "index.html");
    return folder / out;
  }
  void refused(const std::string& what, const Words& more, int code, const std::string& part) const {
    expect_refused("ganimation", run(what, more) + Words{"--out", at("bad")}, code, part);
  }
  /// One row for the astronaut, all AUs at `value` of 5.
  std::string table(double value, const std::string& image = "astronaut.png") const {
    ActionUnits units;
    units.fill(float(value / 5));
    return openface_header() + openface_line(image, 0.9, units);
  }
};

TEST_F(CliGanimationEdit, NothingAddedChangesNoPixel) {
  const Image photo = astronaut();
  write_text(folder / "source.csv", table(1));
  for (const Words& words : std::vector<Words>{{"--au", "12=0.5", "--strength", "0"},
                                               {"--au", "12=0"},
                                               {"--au", "R12=0"},
                                               {"--au", "12=0", "--source-aus", at("source.csv")}}) {
    const fs::path out = done("edit", words + Words{"--mode", "add", "--force"}, "add");
    EXPECT_EQ(load_image(out / "custom.png").pixels, photo.pixels);
    EXPECT_EQ(text_of(out / "custom_crop.png"), text_of(out / "crop.png"));
  }
  const fs::path transfer = done("edit", {"--from", at("source.csv"), "--strength", "0"}, "transfer");
  EXPECT_EQ(load_image(transfer / "transfer.png").pixels, photo.pixels);
  const fs::path emotions =
      done("emotions", {"--mode", "add", "--strength", "0", "--preset", "happiness,contempt"}, "emotions");
  for (const char* name : {"happiness.png", "contempt.png"})
    EXPECT_EQ(load_image(emotions / name).pixels, photo.pixels);
}

TEST_F(CliGanimationEdit, OnlyTheFaceChanges) {
  const Image photo = astronaut(),
              edited = load_image(done("edit", {"--preset", "happiness"}, "out") / "happiness.png");
  int64_t changed = 0;
  for (int64_t y = 0; y < photo.height; ++y)
    for (int64_t x = 0; x < photo.width; ++x) {
      const bool inside = x >= 150 && x < 300 && y >= 50 && y < 200;
      bool same = true;
      for (int c = 0; c < 3; ++c) same = same && edited.at(y, x)[c] == photo.at(y, x)[c];
      changed += !same;
      ASSERT_TRUE(inside || same) << x << ", " << y;
    }
  EXPECT_GT(changed, 2000);
}

TEST_F(CliGanimationEdit, OneSidedUnitsLeaveTheOtherHalf) {
  const fs::path out = done("edit", {"--mode", "add", "--au", "R12=0.9,R14=0.9"}, "out");
  const Image crop = load_image(out / "crop.png"), edited = load_image(out / "custom_crop.png");
  bool left_changed = false;
  for (int64_t y = 0; y < 32; ++y) {
    for (int64_t x = 0; x < 12; ++x) left_changed = left_changed || *edited.at(y, x) != *crop.at(y, x);
    for (int64_t x = 20; x < 32; ++x)
      for (int c = 0; c < 3; ++c) ASSERT_EQ(edited.at(y, x)[c], crop.at(y, x)[c]) << x << ", " << y;
  }
  EXPECT_TRUE(left_changed);  // the person's right
}

TEST_F(CliGanimationEdit, TransferFromAPhotographOrATable) {
  write_text(folder / "other.csv", table(2, "someone.png"));
  save_png(folder / "someone.png", astronaut());
  for (const char* from : {"other.csv", "someone.png"}) {
    if (std::string(from) == "other.csv")  // one of a single picture needs no name
      write_text(folder / "other.csv", video(1));
    const fs::path out = done("edit", {"--from", at(from), "--force"}, "out");
    EXPECT_NE(load_image(out / "transfer.png").pixels, astronaut().pixels);
  }
  refused("edit", {"--mode", "transfer"}, 2, "--from");
  refused("edit", {"--mode", "set", "--from", at("other.csv")}, 2, "--mode transfer and --from");
  refused("edit", {"--from", at("other.csv"), "--preset", "fear"}, 2, "leave out --preset");
  refused("edit", {"--mode", "preset", "--au", "12=1"}, 2, "--mode preset needs --preset");
  refused("edit", {"--from", at("missing.csv")}, 1, "missing.csv");
  write_text(folder / "several.csv", table(1) + openface_line("b.png", 1, {}));
  refused("edit", {"--from", at("several.csv")}, 1, "holds rows for several pictures");
  refused("edit", {"--from", at("missing.jpg")}, 1, "missing.jpg");
  write_text(folder / "video.csv", video(5));
  refused("edit", {"--from", at("video.csv")}, 1, "frames of a video");
}

TEST_F(CliGanimationEdit, SourceUnitsFromATable) {
  const auto with = [&](const std::string& text, int code, const std::string& part) {
    write_text(folder / "source.csv", text);
    refused("edit", {"--mode", "add", "--au", "12=.5", "--source-aus", at("source.csv")}, code, part);
  };
  with("", 1, "source.csv");
  with("image,confidence\nastronaut.png,1\n", 1, "AU01_r");
  with(table(1, "someone.png"), 1, "holds no usable row for");
  with(openface_header(), 1, "holds no usable row for");
  with(video(3), 1, "frames of a video");
  refused("edit", {"--mode", "add", "--au", "12=.5", "--source-aus", at("none")}, 1, "none");

  // A model without eyes of its own.
  make_ganimation_model(folder / "blind.safetensors", false);
  const Words blind = {"--model", at("blind.safetensors"), "--image", kPhotograph, "--quiet"};
  expect_refused("ganimation", Words{"grid"} + blind + Words{"--out", at("bad")}, 1, "--source-aus");
  write_text(folder / "source.csv", table(1));
  EXPECT_EQ(
      run_tool("ganimation", Words{"grid"} + blind +
                                 Words{"--aus", "12", "--source-aus", at("source.csv"), "--out", at("grid")})
          .code,
      0);
}

TEST_F(CliGanimationEdit, OneOfSeveralFaces) {
  Image two = astronaut();
  const Image second = resize_image(two, 256, 256);
  for (int64_t y = 0; y < 256; ++y) std::copy_n(second.at(y, 0), 256 * 3, two.at(256 + y, 0));
  save_png(folder / "two.png", two);
  const Words words = {"--preset", "fear"};
  const Outcome largest = run_tool("ganimation", run("edit", words + Words{"--out", at("a")}, at("two.png")));
  EXPECT_EQ(largest.code, 0);
  EXPECT_TRUE(contains(largest.err, "shows 2 faces; the largest is taken, and --face 2 is the next"))
      << largest.err;
  done("edit", words + Words{"--face", "1"}, "b", at("two.png"));
  EXPECT_EQ(text_of(folder / "a/fear.png"), text_of(folder / "b/fear.png"));
  done("edit", words + Words{"--face", "2"}, "c", at("two.png"));
  const Image edited = load_image(folder / "c/fear.png");
  bool above = false, below = false;  // the second is in the lower half
  for (int64_t i = 0; i < 512 * 512 * 3; ++i)
    (i < 512 * 256 * 3 ? above : below) |= edited.pixels[size_t(i)] != two.pixels[size_t(i)];
  EXPECT_FALSE(above);
  EXPECT_TRUE(below);
  expect_refused("ganimation",
                 run("edit", {"--preset", "fear", "--face", "3", "--out", at("bad")}, at("two.png")), 1,
                 "there is no face 3 in");
}

TEST_F(CliGanimationEdit, PhotographsOfEveryKind) {
  const Image photo = astronaut();
  save_png(folder / "grey.png", convert_channels(photo, 1));
  Image transparent = convert_channels(photo, 4);
  for (int64_t i = 0; i < 200 * 512; ++i) transparent.pixels[size_t(4 * i + 3)] = i % 512 < 100 ? 0.f : 1.f;
  save_png(folder / "rgba.png", transparent);
  save_png(folder / "deep.png", photo, 16);
  for (const char* name : {"grey.png", "rgba.png", "deep.png"}) {
    const Image before = load_image(folder / name);
    const Image after =
        load_image(done("edit", {"--preset", "anger"}, std::string("of_") + name, at(name)) / "anger.png");
    EXPECT_EQ(after.width, 512);
    EXPECT_NE(after.pixels, before.pixels) << name;
    if (std::string(name) != "grey.png") continue;
    for (size_t i = 0; i < after.pixels.size(); i += 3) ASSERT_EQ(after.pixels[i], after.pixels[i + 2]);
  }
}

TEST_F(CliGanimationEdit, ManyPhotographsAndOneBroken) {
  fs::create_directories(folder / "photos/more");
  save_png(folder / "photos/a.png", astronaut());
  save_png(folder / "photos/more/a.png", crop_face(astronaut(), {100, 0, 300}, 300));
  write_text(folder / "photos/broken.jpg", "\xff\xd8\xff\xe0 and no more");
  save_png(folder / "photos/empty.png", test_picture(64, 64));
  const Words words = {"--model", at("model.safetensors"), "--images", at("photos"), "--quiet"};
  const Outcome outcome =
      run_tool("ganimation", Words{"edit"} + words + Words{"--preset", "fear", "--out", at("out")});
  EXPECT_EQ(outcome.code, 1);
  expect_sentence(outcome, "ganimation", "2 of 4 photographs were left out: broken.jpg (");
  EXPECT_TRUE(contains(outcome.err, "empty.png (no face was found in empty.png")) << outcome.err;
  for (const char* name : {"a", "more_a"}) {
    EXPECT_TRUE(fs::exists(folder / "out" / name / "fear.png")) << name;
    expect_local_page(folder / "out" / name / "index.html");
  }
  EXPECT_FALSE(fs::exists(folder / "out/broken"));
  expect_whole_files(folder / "out");
  expect_local_page(folder / "out/index.html");
  EXPECT_TRUE(contains(text_of(folder / "out/index.html"), "broken.jpg"));

  fs::remove(folder / "photos/broken.jpg");
  fs::remove(folder / "photos/empty.png");
  write_text(folder / "video.csv", video(3));
  for (const Words& what :
       std::vector<Words>{{"grid", "--aus", "12", "--levels", "0,1"},
                          {"emotions", "--preset", "fear"},
                          {"interpolate", "--target", "fear", "--steps", "2", "--frames", "2"},
                          {"sequence", "--aus", at("video.csv")}}) {
    const Outcome many = run_tool("ganimation", what + words + Words{"--out", at("many_" + what[0])});
    EXPECT_EQ(many.code, 0) << many.err;
    expect_local_page(folder / ("many_" + what[0]) / "index.html");
    EXPECT_TRUE(fs::exists(folder / ("many_" + what[0]) / "more_a/index.html"));
  }
  expect_refused(
      "ganimation",
      Words{"edit"} + words + Words{"--image", kPhotograph, "--preset", "fear", "--out", at("bad")}, 2,
      "one photograph with --image, or many with --images");
  expect_refused("ganimation", {"edit", "--preset", "fear", "--out", at("bad")}, 2, "--image");
  // Results would be photographs of the next run, or replace the one that is read.
  for (const char* place : {"photos", "photos/results", "."})
    expect_refused("ganimation",
                   Words{"edit"} + words + Words{"--preset", "fear", "--force", "--out", at(place)}, 1,
                   "lie in one another");
  fs::create_directories(folder / "mine");
  save_png(folder / "mine/fear.png", astronaut());
  expect_refused("ganimation",
                 {"edit", "--model", at("model.safetensors"), "--image", at("mine/fear.png"), "--preset",
                  "fear", "--force", "--out", at("mine")},
                 1, "lies in --out");
  EXPECT_EQ(load_image(folder / "mine/fear.png").pixels, astronaut().pixels);
  expect_refused("ganimation", {"edit", "--images", at("none"), "--preset", "fear", "--out", at("bad")}, 1,
                 "none");
}

TEST_F(CliGanimationEdit, Grid) {
  const fs::path out = done("grid", {}, "grid");
  const Image sheet = load_image(out / "sheet.png"), masks = load_image(out / "attention.png");
  EXPECT_EQ(sheet.width, masks.width);
  EXPECT_EQ(sheet.height, masks.height);
  EXPECT_GT(sheet.height, 9 * 160);
  EXPECT_GT(sheet.width, 4 * 160);
  const std::string page = text_of(out / "index.html");
  for (const char* name : {"AU1 Inner brow raiser", "AU45 Blink", "AU25 Lips part", "level 0.66"})
    EXPECT_TRUE(contains(page, name)) << name;
  // Level 0 is the photograph: in a sheet of that column alone all rows are alike, and the masks white.
  done("grid", {"--aus", "1,25", "--levels", "0"}, "zero");
  EXPECT_TRUE(contains(text_of(folder / "zero/index.html"), "<td>0.00</td>"));
  const Image white = load_image(folder / "zero/attention.png");
  for (int64_t x = white.width - 160; x < white.width - 10; ++x)
    EXPECT_EQ(*white.at(white.height - 100, x), 1);
  done("grid", {"--mode", "set", "--aus", "12,6", "--levels", "0.5,1.25", "--within-limits"}, "set");
  refused("grid", {"--aus", "12,13"}, 1, "there is no AU 13");
  refused("grid", {"--levels", "0,1.3"}, 1, "got 1.3");
  refused("grid", {"--levels", "nan"}, 1, "nan");
  std::string many = "0";
  for (int i = 0; i < 100; ++i) many += ",0.5";
  refused("grid", {"--levels", many}, 2, "at most 100");
  refused("grid", {"--levels", "much"}, 2, "--levels");
  refused("grid", {"--mode", "transfer"}, 2, "--mode");
}

TEST_F(CliGanimationEdit, Interpolate) {
  write_text(folder / "goal.csv", video(1));
  save_png(folder / "goal.png", astronaut());
  for (const std::string& target : {std::string("surprise"), std::string("contempt"),
                                    std::string("12=0.8,6=0.5"), at("goal.csv"), at("goal.png")}) {
    const fs::path out = done("interpolate",
                              {"--target", target, "--steps", "3", "--frames", "4", "--max-side", "64",
                               "--format", "gif", "--fps", "20", "--force"},
                              "out");
    const DecodedGif gif = decode_gif(out / "clip.gif");
    EXPECT_EQ(gif.frames.size(), 6u);  // four there, two of them again on the way back
    EXPECT_EQ(gif.delays.at(0), 5);
    EXPECT_TRUE(gif.forever);
    EXPECT_EQ(gif.frames.at(0).width, 64);
    EXPECT_EQ(gif.frames.at(2).pixels, gif.frames.at(4).pixels);
    EXPECT_TRUE(contains(text_of(out / "index.html"), "largest step / mean step"));
    EXPECT_GT(load_image(out / "strip.png").width, 3 * 160);
  }
  const Outcome spoken =
      run_tool("ganimation", {"interpolate", "--model", at("model.safetensors"), "--image", kPhotograph,
                              "--target", "fear", "--frames", "3", "--format", "gif", "--out", at("spoken")});
  EXPECT_TRUE(contains(spoken.out, "3 frames, mean step ")) << spoken.out;
  if (can_write_video()) {  // which no page plays: it is named
    const fs::path out =
        done("interpolate", {"--target", "fear", "--steps", "2", "--frames", "2", "--format", "mp4"}, "film");
    EXPECT_TRUE(contains(text_of(out / "index.html"), "Clip: clip.mp4"));
    EXPECT_FALSE(fs::exists(out / "clip.gif"));
  }
  refused("interpolate", {}, 2, "--target");
  refused("interpolate", {"--target", "happyness"}, 1, "there is no expression 'happyness'");
  refused("interpolate", {"--target", "12=9"}, 1, "got 9");
  refused("interpolate", {"--target", at("none.png")}, 1, "none.png");
  refused("interpolate", {"--target", "fear", "--steps", "1"}, 2, "--steps");
  refused("interpolate", {"--target", "fear", "--frames", "1"}, 2, "--frames");
  refused("interpolate", {"--target", "fear", "--fps", "51"}, 2, "--fps");
  refused("interpolate", {"--target", "fear", "--format", "avi"}, 2, "--format");
}

TEST_F(CliGanimationEdit, Emotions) {
  const fs::path out = done("emotions", {"--strength", "0.7"}, "out");
  for (const char* name :
       {"neutral", "happiness", "sadness", "surprise", "fear", "anger", "disgust", "contempt"}) {
    const Image photo = load_image(out / (std::string(name) + ".png"));
    EXPECT_EQ(photo.width, 512) << name;
    EXPECT_NE(photo.pixels, astronaut().pixels) << name;
  }
  EXPECT_GT(load_image(out / "sheet.png").width, 9 * 190);
  write_text(folder / "mine.txt", "sheet 12=.5\n");
  refused("emotions", {"--presets", at("mine.txt")}, 2, "the expression sheet cannot be written");
  refused("emotions", {"--preset", "joy"}, 1, "there is no expression 'joy'");
  refused("emotions", {"--preset", "fear,fear"}, 2, "twice");
  refused("emotions", {"--strength", "1.3"}, 2, "--strength");
}

TEST_F(CliGanimationEdit, Sequence) {
  write_text(folder / "video.csv", video(12));
  const Words words = {"--aus", at("video.csv"), "--format", "gif"},
              small = words + Words{"--max-side", "64"};
  const fs::path whole = done("sequence", small, "whole");
  const DecodedGif gif = decode_gif(whole / "sequence.gif");
  EXPECT_EQ(gif.frames.size(), 12u);
  EXPECT_EQ(gif.delays.at(0), 10);  // ten frames a second by the timestamps
  EXPECT_TRUE(contains(text_of(whole / "index.html"), "flicker"));
  EXPECT_TRUE(fs::exists(whole / "sheet.png"));
  const fs::path part =
      done("sequence", small + Words{"--from", "3", "--to", "7", "--fps", "25", "--smooth", "0"}, "part");
  EXPECT_EQ(decode_gif(part / "sequence.gif").frames.size(), 5u);
  EXPECT_EQ(decode_gif(part / "sequence.gif").delays.at(0), 4);

  // By what it adds since the first frame, that one is the photograph.
  const fs::path add = done("sequence", words + Words{"--mode", "add"}, "add");
  const DecodedGif added = decode_gif(add / "sequence.gif");
  const Image photo = astronaut();
  double worst = 0;
  for (size_t i = 0; i < photo.pixels.size(); ++i)
    worst = std::max(worst, std::abs(double(added.frames.at(0).pixels[i]) - double(photo.pixels[i])));
  EXPECT_LT(worst, 0.3);  // but for the palette
  EXPECT_EQ(added.frames.at(0).width, 512);

  refused("sequence", {}, 2, "--aus");
  refused("sequence", {"--aus", at("none.csv")}, 1, "none.csv");
  refused("sequence", words + Words{"--from", "5", "--to", "13"}, 1, "holds 1 to 12");
  refused("sequence", words + Words{"--from", "5", "--to", "5"}, 1, "is one frame");
  refused("sequence", words + Words{"--smooth", "-1"}, 2, "--smooth");
  refused("sequence", words + Words{"--fps", "0"}, 2, "--fps");
  write_text(folder / "one.csv", video(1));
  refused("sequence", {"--aus", at("one.csv")}, 1, "a sequence needs 2");
  write_text(folder / "photo.csv", table(1));  // pictures in a row make a sequence, one does not
  refused("sequence", {"--aus", at("photo.csv")}, 1, "a sequence needs 2");
}

TEST_F(CliGanimationEdit, SameBytesTwiceAndFullDisks) {
  write_text(folder / "video.csv", video(4));
  for (const Words& what :
       std::vector<Words>{{"grid", "--aus", "12,1"},
                          {"emotions", "--preset", "fear,contempt"},
                          {"interpolate", "--target", "fear", "--frames", "3", "--format", "gif"},
                          {"sequence", "--aus", at("video.csv"), "--format", "gif"}}) {
    const Words words = run(what[0], Words(what.begin() + 1, what.end()));
    for (const char* out : {"a", "b"})
      ASSERT_EQ(run_tool("ganimation", words + Words{"--force", "--out", at(out)}).code, 0);
    EXPECT_EQ(differences(contents(folder / "a"), contents(folder / "b"), {"config.json"}), Words{})
        << what[0];
    fs::remove_all(folder / "a");
    fs::remove_all(folder / "b");
    expect_full_disk_reported("ganimation", words, "full", {0, 1'000, 30'000});
    fs::remove_all(folder / "full");
  }
}

TEST_F(CliGanimationEdit, PhotographsAndFoldersThatAreNone) {
  expect_bad_photographs_refused("ganimation",
                                 {"grid", "--model", at("model.safetensors"), "--out", at("bad")});
  expect_bad_folders_refused("ganimation", run("emotions", {"--preset", "fear"}));
}

TEST_F(CliGanimationEdit, StoppedByASignal) {
  fs::create_directories(folder / "photos");
  for (int i = 0; i < 20; ++i) save_png(folder / ("photos/" + std::to_string(i) + ".png"), astronaut());
  const Outcome stopped = run_and_stop(
      "ganimation", {"grid", "--model", at("model.safetensors"), "--images", at("photos"), "--quiet"}, "out",
      SIGINT, "0/sheet.png");
  EXPECT_EQ(stopped.code, 130);
  EXPECT_TRUE(contains(stopped.err, "interrupted; the pictures that are written are whole\n")) << stopped.err;
  expect_whole_files(folder / "out");
}

}  // namespace
}  // namespace sga
