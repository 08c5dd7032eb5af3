// singan train --images, --crop and --warm-start as a program.
#include <csignal>

#include "engine/checkpoint.h"
#include "tests/cli.h"

namespace sga {
namespace {

class CliSinganMany : public CliTest {
 protected:
  void SetUp() override {
    make_folder(folder / "pictures");
    save_png(folder / "pictures/a.png", test_picture(30, 40));
    save_png(folder / "pictures/b.png", test_picture(32, 36, 0.4));
    save_png(folder / "pictures/c.PNG", test_picture(36, 32, 0.9));
  }
  Words training(const Words& more, const std::string& iterations = "4") const {
    return Words{"train", "--min-size", "20", "--iterations", iterations} + more;
  }
  Words many(const Words& more, const std::string& iterations = "4") const {
    return training(Words{"--images", at("pictures"), "--out", at("many"), "--quiet"} + more, iterations);
  }
  Outcome alone(const std::string& name, const std::string& out, const Words& more = {}) const {
    return run_tool("singan",
                    training(Words{"--image", at("pictures/" + name), "--out", at(out), "--quiet"} + more));
  }
  void refused(const Words& words, const std::string& part, int code = 1) const {
    expect_refused("singan", words, code, part);
  }
};

TEST_F(CliSinganMany, EachIsAsIfAlone) {
  const Outcome outcome = run_tool("singan", many({"--together", "2", "--seed", "3"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_TRUE(contains(outcome.out, "3 pictures")) << outcome.out;
  expect_whole_files(folder / "many");
  expect_local_page(folder / "many/index.html");
  const std::string page = text_of(folder / "many/index.html");
  for (const char* name : {"a", "b", "c"}) {
    const std::string file = std::string(name) == "c" ? "c.PNG" : name + std::string(".png");
    ASSERT_EQ(alone(file, std::string("alone_") + name, {"--seed", "3"}).code, 0);
    EXPECT_EQ(differences(contents(folder / "many" / name), contents(folder / ("alone_" + std::string(name))),
                          {"config.json"}),
              Words{});
    EXPECT_TRUE(contains(page, name + std::string("/index.html")));
    EXPECT_TRUE(contains(page, file + ": done"));
  }
  EXPECT_EQ(
      run_tool("singan", {"sample", "--model", at("many/b"), "--count", "1", "--quiet", "--out", at("s")})
          .code,
      0);
  // Each folder goes on by itself.
  EXPECT_EQ(run_tool("singan", {"train", "--resume", "--quiet", "--out", at("many/b")}).code, 0);
}

TEST_F(CliSinganMany, OneBrokenPictureIsNamedAndTheOthersAreTrained) {
  write_text(folder / "pictures/bad.png", text_of(folder / "pictures/a.png").substr(0, 300));
  save_png(folder / "pictures/thin.png", test_picture(8, 60));
  save_png(folder / "pictures/lock.png", test_picture(30, 30));   // not into the file of that name
  save_png(folder / "pictures/...png", test_picture(30, 30, 2));  // nor into the folder above
  const Outcome outcome = run_tool("singan", many({}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.err, "2 of 7 pictures could not be trained on: bad.png, thin.png"))
      << outcome.err;
  const std::string page = text_of(folder / "many/index.html");
  EXPECT_TRUE(contains(page, "bad.png: failed"));
  EXPECT_TRUE(contains(page, "it ends after 300 bytes"));
  for (const char* name : {"a", "b", "c", "lock.png", "...png"})
    EXPECT_TRUE(fs::exists(folder / "many" / name / "model.safetensors")) << name;
  EXPECT_FALSE(fs::exists(folder / "many/bad"));
  expect_whole_files(folder / "many");
}

TEST_F(CliSinganMany, OneBrokenAmongFifty) {
  make_folder(folder / "fifty");
  for (int i = 10; i < 60; ++i)
    save_png(folder / "fifty" / (std::to_string(i) + ".png"), test_picture(16, 18, 0.1 * i));
  const std::string whole = text_of(folder / "fifty/33.png");
  write_text(folder / "fifty/33.png", whole.substr(0, whole.size() / 2));
  const Outcome outcome = run_tool(
      "singan", {"train", "--method", "gpnn", "--images", at("fifty"), "--quiet", "--out", at("many")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.err, "1 of 50 pictures could not be trained on: 33.png;")) << outcome.err;
  for (int i = 10; i < 60; ++i)
    EXPECT_EQ(fs::exists(folder / "many" / std::to_string(i) / "model.safetensors"), i != 33) << i;
}

// What needs no training is done when its picture is opened; the page says so before the next.
TEST_F(CliSinganMany, GpnnTellsHowFarItIs) {
  const Outcome outcome =
      run_tool("singan", {"train", "--method", "gpnn", "--images", at("pictures"), "--out", at("many")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.err, "  1/3 pictures")) << outcome.err;
}

TEST_F(CliSinganMany, OtherMethods) {
  for (const Words& method :
       {Words{"--method", "consingan", "--stages", "2", "--iterations", "12"}, Words{"--method", "gpnn"}}) {
    SCOPED_TRACE(method[1]);
    const bool trains = method[1] == "consingan";
    const Words words = Words{"train", "--quiet", "--min-size", "20"} + method;
    const Words all = words + Words{"--images", at("pictures"), "--out", at("many")};
    const Outcome outcome = run_tool("singan", all + (trains ? Words{"--together", "2"} : Words{}));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    expect_whole_files(folder / "many");
    expect_local_page(folder / "many/index.html");
    EXPECT_TRUE(contains(text_of(folder / "many/index.html"), "c.PNG: done"));
    ASSERT_EQ(run_tool("singan", words + Words{"--image", at("pictures/b.png"), "--out", at("alone")}).code,
              0);
    const auto alone = contents(folder / "alone");
    const Words changed = {"config.json", "checkpoint.previous.safetensors"};
    EXPECT_EQ(differences(contents(folder / "many/b"), alone, {"config.json"}), Words{});
    const Outcome resumed = run_tool("singan", {"train", "--resume", "--quiet", "--out", at("many")});
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(differences(contents(folder / "many/b"), alone, changed), Words{});
    if (!trains)
      for (const Words& option : {Words{"--together", "2"}, {"--save-every", "5"}}) {
        const std::string part = option[0] + " is an option of --method singan, not of gpnn";
        refused(words + option + Words{"--images", at("pictures"), "--out", at("x")}, part, 2);
        refused(Words{"train", "--resume", "--images", at("pictures"), "--out", at("many")} + option, part,
                2);
      }
    for (const char* name : {"many", "alone"}) fs::remove_all(folder / name);
  }
}

TEST_F(CliSinganMany, StopsAndGoesOn) {
  ASSERT_EQ(run_tool("singan", many({"--together", "2"}, "40")).code, 0);
  fs::rename(folder / "many", folder / "straight");
  ToolProcess process("singan", many({"--together", "2"}, "40"));
  ASSERT_TRUE(process.wait_until([&] { return fs::exists(folder / "many/b/metrics.jsonl"); }));
  process.send(SIGINT);
  const Outcome stopped = process.wait();
  EXPECT_EQ(stopped.code, 130);
  EXPECT_TRUE(contains(stopped.err, "run the same command with --resume")) << stopped.err;
  expect_whole_files(folder / "many");
  EXPECT_TRUE(contains(text_of(folder / "many/index.html"), "b.png: in training"));
  const Outcome resumed =
      run_tool("singan", {"train", "--resume", "--together", "3", "--quiet", "--out", at("many")});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  for (const char* file : {"a/model.safetensors", "b/model.safetensors", "c/model.safetensors",
                           "a/metrics.jsonl", "b/metrics.jsonl", "index.html"})
    EXPECT_TRUE(text_of(folder / "many" / file) == text_of(folder / "straight" / file)) << file;
}

TEST_F(CliSinganMany, Refusals) {
  make_folder(folder / "empty");
  refused({"train", "--images", at("empty"), "--out", at("x")}, "holds no PNG, JPEG or BMP picture");
  refused({"train", "--images", at("nowhere"), "--out", at("x")}, "cannot read the folder");
  refused({"train", "--images", at("pictures")}, "--out is required", 2);
  refused({"train", "--images", at("pictures"), "--image", at("pictures/a.png"), "--out", at("x")}, "--image",
          2);
  refused({"train", "--image", at("pictures/a.png"), "--together", "2", "--out", at("x")},
          "--together is of the trainings of --images", 2);
  ASSERT_EQ(alone("a.png", "one").code, 0);
  refused({"train", "--resume", "--together", "2", "--out", at("one")}, "--together is of", 2);
  refused(
      {"train", "--images", at("pictures"), "--method", "consingan", "--plateau", "100", "--out", at("x")},
      "--plateau is an option of --method singan", 2);
}

TEST_F(CliSinganMany, WindowsOfLargeLevels) {
  ASSERT_EQ(alone("a.png", "whole").code, 0);
  ASSERT_EQ(alone("a.png", "cropped", {"--crop", "32"}).code, 0);
  EXPECT_NE(text_of(folder / "whole/model.safetensors"), text_of(folder / "cropped/model.safetensors"));
  EXPECT_EQ(load_image(folder / "cropped/sample_000.png").width, 40);
  refused(training({"--image", at("pictures/a.png"), "--crop", "16", "--out", at("x")}),
          "at least 32 pixels");
}

TEST_F(CliSinganMany, WarmStart) {
  ASSERT_EQ(alone("a.png", "first").code, 0);
  ASSERT_EQ(alone("b.png", "cold").code, 0);
  ASSERT_EQ(alone("b.png", "warm", {"--warm-start", at("first")}).code, 0);
  EXPECT_NE(text_of(folder / "warm/model.safetensors"), text_of(folder / "cold/model.safetensors"));
  // Without its model it cannot go on, with another neither.
  const auto model = folder / "first/model.safetensors";
  const std::string kept = text_of(model);
  refused(training({"--image", at("pictures/b.png"), "--warm-start", at("first"), "--force", "--out",
                    at("first")}),
          "--force would remove");
  // What is not of its own may lie there, and is still there afterwards.
  fs::copy(folder / "pictures", folder / "with_picture");
  const Words beside =
      training({"--image", at("with_picture/b.png"), "--force", "--quiet", "--out", at("with_picture")});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run_tool("singan", beside).code, 0);
  EXPECT_TRUE(fs::exists(folder / "with_picture/b.png"));
  refused(training({"--image", at("with_picture/training.png"), "--force", "--out", at("with_picture")}),
          "--force would remove " + at("with_picture/training.png"));
  refused({"train", "--images", at("pictures"), "--resume", "--out", at("first")}, "a run of one picture", 2);
  fs::remove(folder / "warm/model.safetensors");
  write_text(model, text_of(folder / "cold/model.safetensors"));
  refused({"train", "--resume", "--out", at("warm")}, "--warm-start");
  write_text(model, kept);
  EXPECT_EQ(run_tool("singan", {"train", "--resume", "--quiet", "--out", at("warm")}).code, 0);

  save_png(folder / "grey.png", convert_channels(test_picture(32, 32), 1));
  refused(training({"--image", at("grey.png"), "--warm-start", at("first"), "--out", at("x")}),
          "give --channels 3");
  refused(training({"--image", at("pictures/b.png"), "--warm-start", at("first"), "--preset", "official",
                    "--out", at("x")}),
          "same --preset");
  refused(training({"--image", at("pictures/b.png"), "--warm-start", at("nowhere"), "--out", at("x")}),
          "nowhere");
  EXPECT_FALSE(fs::exists(folder / "x"));
}

}  // namespace
}  // namespace sga
