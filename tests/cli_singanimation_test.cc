// singanimation as a program: one photograph to a labelled set of pictures, and everything it must refuse.
#include <csignal>

#include "engine/checkpoint.h"
#include "models/ganimation/csv.h"
#include "models/ganimation/openface.h"
#include "tests/cli.h"

namespace sga {
namespace {

class CliSinganimation : public CliTest {
 protected:
  void SetUp() override { make_ganimation_model(folder / "model.safetensors"); }

  Words expanding(const Words& more, const std::string& iterations = "1",
                  const std::string& samples = "1") const {
    return Words{"expand",    "--model", at("model.safetensors"), "--image",  kPhotograph, "--size", "32",
                 "--samples", samples,   "--iterations",          iterations, "--quiet"} +
           more;
  }
  void expand(const std::string& out, const Words& more) const {
    const Outcome outcome = run_tool("singanimation", expanding(more + Words{"--out", at(out)}));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
  }
  /// Rows of manifest.csv by column.
  std::vector<std::map<std::string, std::string>> manifest(const std::string& out) const {
    const std::string text = text_of(folder / out / "manifest.csv");
    CsvReader csv(text, "manifest.csv");
    Words names, cells;
    EXPECT_TRUE(csv.next(names));
    std::vector<std::map<std::string, std::string>> rows;
    while (csv.next(cells)) {
      EXPECT_EQ(cells.size(), names.size());
      std::map<std::string, std::string>& row = rows.emplace_back();
      for (size_t i = 0; i < cells.size(); ++i) row[names[i]] = cells[i];
    }
    return rows;
  }
};

TEST_F(CliSinganimation, FromAPhotographToALabelledSet) {
  expand("set", {"--expressions", "happiness,neutral", "--au", "12=0.5,6=1.25", "--seed", "7"});
  const fs::path set = folder / "set";
  for (const char* name :
       {"config.json", "crop.png", "sheet.png", "index.html", "manifest.csv", "openface.csv"})
    EXPECT_TRUE(fs::exists(set / name)) << name;
  for (const char* expression : {"happiness", "neutral", "custom"})
    for (const char* name : {"edited.png", "attention.png", "colour.png", "photo.png", "singan.safetensors"})
      EXPECT_TRUE(fs::exists(set / expression / name)) << expression << "/" << name;
  expect_whole_files(set);
  expect_local_page(set / "index.html");
  EXPECT_EQ(load_image(set / "happiness/photo.png").width, load_image(kPhotograph).width);
  EXPECT_EQ(load_image(set / "crop.png").width, 32);

  const auto rows = manifest("set");
  ASSERT_EQ(rows.size(), 3u);
  for (const auto& row : rows) {
    EXPECT_EQ(row.size(), 2u + 17 + 5);
    const Image sample = load_image(set / row.at("file"));
    EXPECT_EQ(row.at("width"), std::to_string(sample.width));
    EXPECT_EQ(row.at("height"), std::to_string(sample.height));
    EXPECT_EQ(row.at("start_scale"), "N-1");
    EXPECT_EQ(row.at("model_checksum"), file_checksum(folder / "model.safetensors"));
    EXPECT_TRUE(fs::path(row.at("file")).is_relative());
  }
  EXPECT_EQ(rows[0].at("expression"), "happiness");
  EXPECT_EQ(rows[0].at("AU12"), "0.800");
  EXPECT_EQ(rows[0].at("AU01"), "0.000");
  EXPECT_EQ(rows[2].at("expression"), "custom");
  EXPECT_EQ(rows[2].at("AU12"), "0.500");
  EXPECT_NE(rows[0].at("seed"), rows[1].at("seed"));

  // Later SinGANs start from the first.
  const auto code = [&](const char* name) {
    return to_host<float>(load_checkpoint(set / name / "singan.safetensors").get("code"));
  };
  EXPECT_EQ(code("neutral"), code("happiness"));
  EXPECT_EQ(code("custom"), code("happiness"));

  // Another program reads the same labels as OpenFace's.
  const FaceTable table = parse_openface(text_of(set / "openface.csv"), "openface.csv");
  ASSERT_EQ(table.rows.size(), rows.size());
  EXPECT_TRUE(table.has_image && table.rejected.empty());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(table.rows[i].image, rows[i].at("file"));
    EXPECT_NEAR(table.rows[i].action_units()[8], std::stod(rows[i].at("AU12")), 1e-3);
  }

  // What is finished is not done again, and there is nothing to change.
  const auto before = contents(set);
  const auto time = fs::last_write_time(set / "happiness/edited.png");
  const Outcome resumed =
      run_tool("singanimation", expanding({"--expressions", "happiness,neutral", "--au", "12=0.5,6=1.25",
                                           "--seed", "7", "--resume", "--out", at("set")}));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(differences(before, contents(set), {"config.json"}), Words{});
  EXPECT_EQ(fs::last_write_time(set / "happiness/edited.png"), time);
}

TEST_F(CliSinganimation, SeedsAndForce) {
  expand("a", {"--expressions", "fear"});
  expand("b", {"--expressions", "fear"});
  EXPECT_EQ(differences(contents(folder / "a"), contents(folder / "b"), {"config.json"}), Words{});
  // Started anew with another seed, nothing of the run before is taken over.
  expand("b", {"--expressions", "fear", "--seed", "1", "--force"});
  expand("c", {"--expressions", "fear", "--seed", "1"});
  EXPECT_NE(text_of(folder / "a" / manifest("a")[0].at("file")),
            text_of(folder / "b" / manifest("b")[0].at("file")));
  EXPECT_EQ(differences(contents(folder / "b"), contents(folder / "c"), {"config.json"}), Words{});
}

TEST_F(CliSinganimation, OwnPresetsAndTheFacesOwnUnits) {
  write_text(folder / "mine.txt", "smirk 12=.4 14=.3  # my own\n");
  expand("set",
         {"--presets", at("mine.txt"), "--expressions", "smirk", "--mode", "add", "--strength", "0.5"});
  ASSERT_EQ(manifest("set").size(), 1u);
  EXPECT_GE(std::stod(manifest("set")[0].at("AU12")), 0.2);  // at least what was added
}

TEST_F(CliSinganimation, InterruptedAndContinued) {
  const Words words = expanding({"--expressions", "anger,sadness"}, "30");
  ASSERT_EQ(run_tool("singanimation", words + Words{"--out", at("straight")}).code, 0);
  for (const int signal : {SIGINT, SIGKILL}) {
    const Outcome stopped = run_and_stop("singanimation", words, "stopped", signal, "sadness/photo.png");
    EXPECT_EQ(stopped.code, signal == SIGINT ? 130 : 1000 + SIGKILL) << stopped.err;
    EXPECT_FALSE(fs::exists(folder / "stopped/sadness/manifest.csv"));
    const auto finished = fs::last_write_time(folder / "stopped/anger/manifest.csv");
    // What a kill in the middle of a write leaves.
    write_text(folder / "stopped/anger/samples/.sga-tmp-1-1", "half a pict");
    write_text(folder / "stopped/sadness/.sga-tmp-1-2", "");
    const Outcome resumed = run_tool("singanimation", words + Words{"--resume", "--out", at("stopped")});
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(fs::last_write_time(folder / "stopped/anger/manifest.csv"), finished);
    expect_whole_files(folder / "stopped");
    EXPECT_EQ(differences(contents(folder / "straight"), contents(folder / "stopped"), {"config.json"}),
              Words{});
  }
}

TEST_F(CliSinganimation, ExpressionsThatAreNone) {
  const auto refused = [&](const Words& words, int code, const std::string& part) {
    expect_refused("singanimation", expanding(words + Words{"--out", at("bad")}), code, part);
  };
  refused({"--au", "12=nan"}, 1, "AU 12 must be in [0, 1.25], got nan");
  refused({"--au", "12=1.3"}, 1, "got 1.3");
  refused({"--au", "99=1"}, 1, "there is no AU 99");
  refused({"--expressions", "happiness,happyness"}, 1, "there is no expression 'happyness'");
  refused({"--expressions", "fear,fear"}, 2, "names fear twice");
  refused({"--expressions", "fear", "--strength", "nan"}, 1, "strength");
  refused({"--expressions", "fear", "--strength", "2"}, 2, "--strength");
  refused({"--expressions", "fear", "--inject", "N-3"}, 2, "N-3");
  refused({"--expressions", "fear", "--inject", "N-2"}, 1,
          "--inject N-2 needs 3 scales, and --size 32 has 2");
  refused({"--expressions", "fear", "--quality", "best"}, 2, "best");
  refused({}, 2, "nothing to do");
  write_text(folder / "presets.txt", "smirk 12=0.4\nSmirk 12=0.5\n");
  refused({"--presets", at("presets.txt"), "--expressions", "smirk"}, 1, "presets.txt");
}

TEST_F(CliSinganimation, PhotographsThatAreNone) {
  expect_bad_photographs_refused(
      "singanimation", {"expand", "--model", at("model.safetensors"), "--au", "12=1", "--out", at("bad")});
}

TEST_F(CliSinganimation, ModelsThatAreNone) {
  const std::string model = text_of(folder / "model.safetensors");
  write_text(folder / "cut.safetensors", model.substr(0, model.size() - 1));
  write_text(folder / "header.safetensors", std::string("\xff\xff\xff\xff\0\0\0\0", 8) + model.substr(8));
  Checkpoint other;
  other.metadata["model"] = "singan";
  save_checkpoint(folder / "other.safetensors", other);
  make_ganimation_model(folder / "blind.safetensors", false);

  const auto refused = [&](const std::string& file, const std::string& part) {
    expect_refused(
        "singanimation",
        {"expand", "--image", kPhotograph, "--model", at(file), "--au", "12=1", "--out", at("bad")}, 1, part);
  };
  refused("missing.safetensors", "missing.safetensors");
  refused("cut.safetensors", "cut.safetensors");
  refused("header.safetensors", "header of 4294967295 bytes");
  refused("other.safetensors", "other.safetensors is not a GANimation model");
  expect_refused("singanimation",
                 {"expand", "--image", kPhotograph, "--model", at("blind.safetensors"), "--mode", "add",
                  "--expressions", "fear", "--out", at("bad")},
                 1, "use --mode set");
}

TEST_F(CliSinganimation, FoldersThatCannotBe) {
  const Words words = expanding({"--expressions", "fear"});
  expect_bad_folders_refused("singanimation", words);
  expand("set", {"--expressions", "fear"});
  expect_refused("singanimation", words + Words{"--resume", "--force", "--out", at("set")}, 2, "--force");
  expect_refused("singanimation", words + Words{"--resume", "--inject", "N-2", "--out", at("set")}, 2,
                 "the run was started with --inject N-1, not N-2");
  expect_refused("singanimation", words + Words{"--resume", "--out", at("theirs")}, 1,
                 "holds files but no run");
}

TEST_F(CliSinganimation, FullDisk) {
  const Words words = expanding({"--expressions", "fear"});
  expect_full_disk_reported("singanimation", words, "full", {0, 1'000, 4'000, 100'000});
  expand("straight", {"--expressions", "fear"});
  EXPECT_EQ(run_tool("singanimation", words + Words{"--out", at("full")}, 100'000).code, 1);
  const Outcome resumed = run_tool("singanimation", words + Words{"--resume", "--out", at("full")});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(differences(contents(folder / "straight"), contents(folder / "full"), {"config.json"}), Words{});
}

TEST_F(CliSinganimation, ResumesWithTheFilesOfTheRun) {
  fs::copy_file(kPhotograph, folder / "me.png");
  write_text(folder / "mine.txt", "smirk 12=.4\n");
  const Words shared = {"expand", "--quiet", "--out", at("set")};
  const Outcome made =
      run_tool("singanimation", shared + Words{"--model", at("model.safetensors"), "--image", at("me.png"),
                                               "--presets", at("mine.txt"), "--expressions", "smirk",
                                               "--size", "32", "--samples", "1", "--iterations", "1"});
  ASSERT_EQ(made.code, 0) << made.err;
  const Words resuming = shared + Words{"--resume"};
  const Outcome resumed = run_tool("singanimation", resuming);
  EXPECT_EQ(resumed.code, 0) << resumed.err;

  const auto refused = [&](const std::string& file, const std::string& other, const std::string& option) {
    SCOPED_TRACE(option);
    const std::string whole = text_of(folder / file);
    write_text(folder / file, other);
    expect_refused("singanimation", resuming, 1, "was started with " + option + " of checksum");
    write_text(folder / file, whole);
  };
  save_png(folder / "other.png", test_picture(60, 60));
  refused("me.png", text_of(folder / "other.png"), "--image");
  refused("mine.txt", "smirk 12=.5\n", "--presets");
  make_ganimation_model(folder / "other.safetensors", false);
  refused("model.safetensors", text_of(folder / "other.safetensors"), "--model");
  EXPECT_EQ(run_tool("singanimation", resuming).code, 0);
}

// Wherever it is stopped it ends soon, keeps what is done, and goes on to the same bytes.
TEST_F(CliSinganimation, InterruptedAmongTheSamples) {
  const Words words = expanding({"--expressions", "anger,sadness"}, "1", "400");
  ASSERT_EQ(run_tool("singanimation", words + Words{"--out", at("straight")}).code, 0);
  const std::string first = "anger/samples/anger_000.png", last = "anger/samples/anger_399.png";
  const Outcome stopped = run_and_stop("singanimation", words, "stopped", SIGINT, first);
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_FALSE(fs::exists(folder / "stopped" / last));
  EXPECT_FALSE(fs::exists(folder / "stopped/anger/manifest.csv"));
  const auto trained = fs::last_write_time(folder / "stopped/anger/singan.safetensors");
  const Outcome resumed = run_tool("singanimation", words + Words{"--resume", "--out", at("stopped")});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(fs::last_write_time(folder / "stopped/anger/singan.safetensors"), trained);
  EXPECT_EQ(differences(contents(folder / "straight"), contents(folder / "stopped"), {"config.json"}),
            Words{});
}

// The trainings after the first start from its SinGAN.
TEST_F(CliSinganimation, ResumesWithoutTheFirstSingan) {
  const Words words = expanding({"--expressions", "fear,anger", "--out", at("set")});
  ASSERT_EQ(run_tool("singanimation", words).code, 0);
  const auto made = contents(folder / "set");
  for (const char* name : {"fear/singan.safetensors", "anger/singan.safetensors", "anger/manifest.csv"})
    fs::remove(folder / "set" / name);
  const Outcome resumed = run_tool("singanimation", words + Words{"--resume"});
  EXPECT_EQ(resumed.code, 1);
  expect_sentence(resumed, "singanimation", "which training anger starts from, was removed");
  expect_whole_files(folder / "set");
  // As it says:
  fs::remove(folder / "set/fear/manifest.csv");
  ASSERT_EQ(run_tool("singanimation", words + Words{"--resume"}).code, 0);
  EXPECT_EQ(differences(made, contents(folder / "set"), {"config.json"}), Words{});
}

TEST_F(CliSinganimation, AForcedRunThatIsStoppedForgetsTheOneBefore) {
  expand("set", {"--expressions", "fear,anger"});
  const Words other = expanding({"--expressions", "fear,anger", "--seed", "1", "--out", at("set")});
  ToolProcess process("singanimation", other + Words{"--force"});
  ASSERT_TRUE(
      process.wait_until([&] { return contains(text_of(folder / "set/config.json"), "\"seed\": \"1\""); }));
  process.send(SIGKILL);
  process.wait();
  ASSERT_EQ(run_tool("singanimation", other + Words{"--resume"}).code, 0);
  expand("fresh", {"--expressions", "fear,anger", "--seed", "1"});
  EXPECT_EQ(differences(contents(folder / "set"), contents(folder / "fresh"), {"config.json"}), Words{});
}

TEST_F(CliSinganimation, AnExpressionCalledLock) {
  write_text(folder / "mine.txt", "lock 12=.5\n");
  expect_refused("singanimation",
                 expanding({"--presets", at("mine.txt"), "--expressions", "lock", "--out", at("bad")}), 2,
                 "the expression lock cannot have a folder");
}

}  // namespace
}  // namespace sga
