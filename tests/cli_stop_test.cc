// Trainings that are interrupted, terminated and killed: what is on the disk is whole at any moment, and a
// run that was continued ends in the same bytes as one that never stopped.
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "engine/checkpoint.h"
#include "tests/cli.h"

namespace sga {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr int kKills = 10;

class CliStop : public CliTest {
 protected:
  void SetUp() override {
    save_png(folder / "picture.png", test_picture(18, 20));
    make_face_set(folder / "faces.sgd");
  }

  // Five levels of 24 iterations, a checkpoint after each and after every tenth iteration of all.
  Words singan() const {
    return {"train",
            "--image",
            at("picture.png"),
            "--min-size",
            "12",
            "--scale-factor",
            "0.9",
            "--iterations",
            "24",
            "--seed",
            "3",
            "--save-every",
            "10",
            "--quiet"};
  }
  // Four levels; at the last the first stage stands still.
  Words consingan() const {
    return {"train",    "--method", "consingan",    "--image", at("picture.png"), "--min-size", "12",
            "--stages", "4",        "--iterations", "8",       "--critic-steps",  "1",          "--seed",
            "3",        "--quiet"};
  }
  // 150 iterations, a checkpoint about every 20 ms.
  Words ganimation() const {
    return ganimation_training() +
           Words{"--epochs", "30", "--critic-steps", "2", "--save-minutes", "0.0003", "--seed", "3"};
  }

  /// Weights, optimisers, random state: everything but the seconds spent.
  static void expect_same_checkpoint(const fs::path& a, const fs::path& b) {
    Checkpoint x = load_checkpoint(a / "checkpoint.safetensors"),
               y = load_checkpoint(b / "checkpoint.safetensors");
    x.metadata.erase("seconds");
    y.metadata.erase("seconds");
    EXPECT_EQ(encode_checkpoint(x), encode_checkpoint(y));
  }
  /// `run` is what "straight" is.
  void expect_same_run(const std::string& tool, const std::string& run) const {
    const auto expect_same = [&](const std::string& name) {
      EXPECT_TRUE(text_of(folder / "straight" / name) == text_of(folder / run / name)) << name;
    };
    expect_same("model.safetensors");
    if (tool == "singan") expect_same("metrics.jsonl");  // those of ganimation hold seconds
    expect_same_checkpoint(folder / "straight", folder / run);
    expect_whole_files(folder / run);
    expect_local_page(folder / run / "index.html");
  }

  /// Stops a run by each signal and continues it.
  void expect_stops_and_goes_on(const std::string& tool, const Words& words, const std::string& when) const {
    ASSERT_EQ(run_tool(tool, words + Words{"--out", at("straight")}).code, 0);
    for (const int signal : {SIGINT, SIGTERM}) {
      const Outcome stopped = run_and_stop(tool, words, "stopped", signal, when);
      EXPECT_EQ(stopped.code, 130) << stopped.err;
      EXPECT_TRUE(contains(stopped.err, "interrupted; the state is saved")) << stopped.err;
      EXPECT_NO_THROW(load_checkpoint(folder / "stopped/checkpoint.safetensors"));
      expect_whole_files(folder / "stopped");
      expect_local_page(folder / "stopped/index.html");
      const Outcome resumed = run_tool(tool, words + Words{"--resume", "--out", at("stopped")});
      EXPECT_EQ(resumed.code, 0) << resumed.err;
      expect_same_run(tool, "stopped");
    }
  }

  /// Kills a run and the runs that continue it at random moments. What was begun and not finished is a
  /// temporary file, which the next run removes; everything else is whole.
  void expect_survives_kills(const std::string& tool, const Words& words) const {
    const auto start = Clock::now();
    ASSERT_EQ(run_tool(tool, words + Words{"--out", at("straight")}).code, 0);
    const double whole_run = Seconds(Clock::now() - start).count();
    std::mt19937 random(1);
    std::uniform_real_distribution<double> share(0, 0.35);
    const Words continued = words + Words{"--resume", "--out", at("killed")};
    int kills = 0, saved = 0;
    bool had_one = false;
    for (int run = 0; kills < kKills && run < 4 * kKills; ++run) {
      ToolProcess process(tool, continued);
      std::this_thread::sleep_for(Seconds(share(random) * whole_run));
      process.send(SIGKILL);
      const Outcome outcome = process.wait();
      if (outcome.code == 0) {  // done before the signal came
        expect_same_run(tool, "killed");
        fs::remove_all(folder / "killed");
        had_one = false;
        continue;
      }
      ASSERT_EQ(outcome.code, 1000 + SIGKILL) << outcome.err;
      ++kills;
      std::error_code ignored;
      for (const fs::directory_entry& entry : fs::directory_iterator(folder / "killed", ignored))
        if (entry.path().filename().string().starts_with(".sga-tmp-")) fs::remove(entry.path());
      if (!fs::exists(folder / "killed")) continue;
      expect_whole_files(folder / "killed");
      const bool has_one = fs::exists(folder / "killed/checkpoint.safetensors") ||
                           fs::exists(folder / "killed/checkpoint.previous.safetensors");
      EXPECT_TRUE(has_one || !had_one);  // what was saved once does not get lost
      had_one = has_one;
      saved += has_one;
    }
    EXPECT_EQ(kills, kKills);
    EXPECT_GT(saved, 0);
    const Outcome last = run_tool(tool, continued);
    EXPECT_EQ(last.code, 0) << last.err;
    expect_same_run(tool, "killed");
  }
};

TEST_F(CliStop, SinganStopsAndGoesOn) { expect_stops_and_goes_on("singan", singan(), "metrics.jsonl"); }
TEST_F(CliStop, ConsinganStopsAndGoesOn) {
  expect_stops_and_goes_on("singan", consingan(), "model.safetensors");
}
TEST_F(CliStop, GanimationStopsAndGoesOn) {
  expect_stops_and_goes_on("ganimation", ganimation(), "checkpoint.safetensors");
}
TEST_F(CliStop, SinganSurvivesKills) { expect_survives_kills("singan", singan()); }
TEST_F(CliStop, GanimationSurvivesKills) { expect_survives_kills("ganimation", ganimation()); }

// A kill within a level loses what was done after the checkpoint within it, no more; the page shows where the
// run stood.
TEST_F(CliStop, SinganGoesOnWithinALevel) {
  const Words words = {"train",      "--image", at("picture.png"), "--min-size", "12",
                       "--max-size", "13",      "--iterations",    "147",        "--save-every",
                       "7",          "--quiet"};
  ASSERT_EQ(run_tool("singan", words + Words{"--out", at("straight")}).code, 0);
  const auto iteration_of = [&](const char* run) {
    const fs::path file = folder / run / "checkpoint.safetensors";
    return fs::exists(file) ? std::stoi(load_checkpoint(file).meta("train.iteration")) : 0;
  };
  ToolProcess process("singan", words + Words{"--out", at("killed")});
  ASSERT_TRUE(
      process.wait_until([&] { return fs::exists(folder / "killed/checkpoint.previous.safetensors"); }));
  process.send(SIGKILL);
  EXPECT_EQ(process.wait().code, 1000 + SIGKILL);
  EXPECT_EQ(iteration_of("killed") % 7, 0);
  const Outcome stopped = run_and_stop("singan", words, "stopped", SIGINT, "checkpoint.previous.safetensors");
  EXPECT_EQ(stopped.code, 130);
  const std::string page = text_of(folder / "stopped/index.html");
  EXPECT_TRUE(contains(page, "iteration " + std::to_string(iteration_of("stopped")) + " of 147"));
  EXPECT_TRUE(contains(page, "http-equiv=\"refresh\"") && contains(page, "polyline"));
  expect_local_page(folder / "stopped/index.html");
  for (const char* run : {"killed", "stopped"}) {
    EXPECT_EQ(run_tool("singan", words + Words{"--resume", "--out", at(run)}).code, 0);
    expect_same_run("singan", run);
    EXPECT_EQ(text_of(folder / run / "index.html"), text_of(folder / "straight/index.html"));
  }
}

// The second signal leaves at once: the state is the one saved last, and it is whole.
TEST_F(CliStop, TheSecondSignalLeavesAtOnce) {
  ToolProcess process("ganimation", ganimation() + Words{"--out", at("run")});
  ASSERT_TRUE(process.wait_until([&] { return fs::exists(folder / "run/checkpoint.safetensors"); }));
  process.send(SIGINT);
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().code, 130);
  const Outcome resumed = run_tool("ganimation", ganimation() + Words{"--resume", "--out", at("run")});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  ASSERT_EQ(run_tool("ganimation", ganimation() + Words{"--out", at("straight")}).code, 0);
  expect_same_run("ganimation", "run");
}

}  // namespace
}  // namespace sga
