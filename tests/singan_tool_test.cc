// The tool singan, run as a user runs it, on a picture drawn here.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/checkpoint.h"
#include "engine/image.h"
#include "tests/temp_folder.h"

namespace sga {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string text_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

struct Outcome {
  int code;
  std::string out, err;
};

using Words = std::vector<std::string>;

class SinganTool : public testing::Test {
 protected:
  void SetUp() override {
    Image image{18, 20, 3, {}};
    for (int y = 0; y < 18; ++y)
      for (int x = 0; x < 20; ++x)
        for (int c = 0; c < 3; ++c)
          image.pixels.push_back(float(0.5 + 0.4 * std::sin(0.6 * x + c) * std::cos(0.5 * y)));
    save_png(folder / "picture.png", image);
  }

  pid_t start(Words words) {
    words.insert(words.begin(), std::string(SGA_BINARY_DIR).append("/tools/singan"));
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      const auto redirect = [&](const char* name, int to) {
        const int fd = open((folder / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
        dup2(fd, to);
      };
      redirect("stdout.txt", STDOUT_FILENO);
      redirect("stderr.txt", STDERR_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    return pid;
  }

  Outcome finish(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), text_of(folder / "stdout.txt"),
            text_of(folder / "stderr.txt")};
  }

  Outcome run(const Words& words) { return finish(start(words)); }

  std::string at(const std::string& name) { return (folder / name).string(); }

  Words training(const std::string& out, const Words& more = {}, const std::string& iterations = "12") {
    Words words = {"train",      "--image", at("picture.png"), "--out",   at(out),
                   "--min-size", "12",      "--iterations",    iterations};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  // One sentence on stderr, the expected exit code, and no folder that was not there.
  void expect_refused(const Words& words, int code, const std::string& part) {
    const Outcome o = run(words);
    EXPECT_EQ(o.code, code) << o.err;
    EXPECT_TRUE(contains(o.err, part)) << o.err;
    EXPECT_EQ(std::count(o.err.begin(), o.err.end(), '\n'), 1) << o.err;
    EXPECT_FALSE(fs::exists(folder / "bad"));
  }

  TempFolder folder;
};

TEST_F(SinganTool, HelpNamesEveryOption) {
  EXPECT_EQ(run({"--help"}).code, 0);
  const Outcome o = run({"train", "--help"});
  EXPECT_EQ(o.code, 0);
  for (const char* name :
       {"--image", "--out", "--preset", "--quality", "--iterations", "--min-size", "--max-size",
        "--scale-factor", "--seed", "--device", "--precision", "--resume", "--force"})
    EXPECT_TRUE(contains(o.out, name)) << name;
  EXPECT_TRUE(contains(run({"sample", "--help"}).out, "--start-scale"));
}

TEST_F(SinganTool, TrainsSamplesAndTells) {
  const Outcome trained = run(training("run"));
  ASSERT_EQ(trained.code, 0) << trained.err;
  for (const char* name :
       {"model.safetensors", "config.json", "metrics.jsonl", "index.html", "sample_000.png",
        "level_0_reconstruction.png", "level_1_sample.png", "checkpoint.safetensors"})
    EXPECT_TRUE(fs::exists(folder / "run" / name)) << name;
  const std::string metrics = text_of(folder / "run" / "metrics.jsonl");
  const nlohmann::json row = nlohmann::json::parse(metrics.substr(0, metrics.find('\n')));
  EXPECT_GT(row.at("g_rec").get<double>(), 0);

  const Outcome info = run({"info", "--model", at("run")});
  EXPECT_EQ(info.code, 0);
  EXPECT_TRUE(contains(info.out, "20x18") && contains(info.out, "2 of 2")) << info.out;

  ASSERT_EQ(run({"sample", "--model", at("run"), "--out", at("a"), "--count", "3", "--scale-h", "1.5"}).code,
            0);
  EXPECT_EQ(load_image(folder / "a" / "sample_002.png").width, 30);
  EXPECT_EQ(load_image(folder / "a" / "sample_002.png").height, 18);
  // Picture i depends on the seed alone, not on the count or on how the model is named.
  ASSERT_EQ(run({"sample", "--model", at("run/model.safetensors"), "--out", at("b"), "--count", "1",
                 "--scale-h", "1.5"})
                .code,
            0);
  EXPECT_EQ(text_of(folder / "a" / "sample_000.png"), text_of(folder / "b" / "sample_000.png"));
  ASSERT_EQ(run({"sample", "--model", at("run"), "--out", at("c"), "--count", "1", "--seed", "1", "--scale-h",
                 "1.5"})
                .code,
            0);
  EXPECT_NE(text_of(folder / "a" / "sample_000.png"), text_of(folder / "c" / "sample_000.png"));

  const Outcome again = run(training("run"));
  EXPECT_EQ(again.code, 1);
  EXPECT_TRUE(contains(again.err, "--resume")) << again.err;
  EXPECT_EQ(run(training("run", {"--resume"})).code, 0);  // finished: nothing to do, no error
}

TEST_F(SinganTool, StoppedRunsEndInTheSameBytes) {
  ASSERT_EQ(run(training("straight", {"--seed", "3"}, "60")).code, 0);
  for (const int signal : {SIGINT, SIGKILL}) {
    const std::string out = std::string("stopped").append(std::to_string(signal));
    const pid_t pid = start(training(out, {"--seed", "3"}, "60"));
    const fs::path wait_for = folder / out / (signal == SIGINT ? "metrics.jsonl" : "checkpoint.safetensors");
    for (int i = 0; i < 20000 && !fs::exists(wait_for); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    kill(pid, signal);
    const Outcome stopped = finish(pid);
    EXPECT_EQ(stopped.code, signal == SIGINT ? 130 : 1000 + SIGKILL) << stopped.err;
    const Outcome resumed = run(training(out, {"--seed", "3", "--resume"}, "60"));
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_TRUE(text_of(folder / out / "model.safetensors") ==
                text_of(folder / "straight" / "model.safetensors"));
    EXPECT_EQ(text_of(folder / out / "metrics.jsonl"), text_of(folder / "straight" / "metrics.jsonl"));
  }
}

TEST_F(SinganTool, BadInputIsOneSentence) {
  const auto train_on = [&](const std::string& image) {
    return Words{"train", "--image", image, "--out", at("bad")};
  };
  expect_refused(train_on(at("missing.png")), 1, "missing.png");
  std::ofstream(folder / "empty.png").close();
  expect_refused(train_on(at("empty.png")), 1, "empty");
  std::ofstream(folder / "text.png") << "this is not a picture";
  expect_refused(train_on(at("text.png")), 1, "text.png");
  const std::string whole = text_of(folder / "picture.png");
  std::ofstream(folder / "cut.png") << whole.substr(0, whole.size() / 2);
  expect_refused(train_on(at("cut.png")), 1, "cut.png");
  expect_refused(train_on(at("picture.png")), 1, "20x18");  // below 25 pixels

  expect_refused({"train", "--out", at("bad")}, 2, "--image");
  expect_refused(training("bad", {"--quality", "full"}), 2, "--quality");  // contradicts --iterations
  expect_refused(training("bad", {"--preset", "oficial"}), 2, "--preset");
  expect_refused(training("bad", {"--resume", "--force"}), 2, "--resume");
  expect_refused(training("bad", {"--sed", "1"}), 2, "--seed");
  expect_refused(training("bad", {"--scale-factor", "nan"}), 1, "--scale-factor");
  expect_refused({"train", "--image", at("picture.png"), "--out", at("bad"), "--min-size", "3"}, 1,
                 "--min-size");
  expect_refused(training("bad", {"--device", "cuda"}), 3, "cuda");

  const auto sample_of = [&](const std::string& model) {
    return Words{"sample", "--model", model, "--out", at("bad")};
  };
  expect_refused(sample_of(at("missing")), 1, "missing");
  expect_refused(sample_of(folder.path().string()), 1, "model.safetensors");
  expect_refused(sample_of(at("picture.png")), 1, "picture.png");
  Checkpoint other;
  other.metadata["model"] = "ganimation";
  save_checkpoint(folder / "other.safetensors", other);
  expect_refused(sample_of(at("other.safetensors")), 1, "ganimation");
}

TEST_F(SinganTool, BadRequestsOfAGoodModel) {
  ASSERT_EQ(run(training("run", {}, "1")).code, 0);
  const auto sample_with = [&](const std::string& option, const std::string& value) {
    return Words{"sample", "--model", at("run"), "--out", at("bad"), option, value};
  };
  expect_refused(sample_with("--start-scale", "2"), 1, "start");
  expect_refused(sample_with("--start-scale", "-1"), 1, "start");
  expect_refused(sample_with("--scale-h", "0"), 1, "0.1");
  expect_refused(sample_with("--scale-v", "nan"), 1, "0.1");
  expect_refused(sample_with("--count", "0"), 2, "--count");
  // A cut model file is named and refused.
  const std::string whole = text_of(folder / "run" / "model.safetensors");
  std::ofstream(folder / "cut.safetensors", std::ios::binary) << whole.substr(0, whole.size() - 7);
  expect_refused({"sample", "--model", at("cut.safetensors"), "--out", at("bad")}, 1, "cut.safetensors");
  // Changing an option on resume is refused with the value the run has.
  const Outcome o = run(training("run", {"--resume"}, "2"));
  EXPECT_EQ(o.code, 2);
  EXPECT_TRUE(contains(o.err, "--iterations 1")) << o.err;
}

}  // namespace
}  // namespace sga
