// evaluate au-train and evaluate au as programs.
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/checkpoint.h"
#include "tests/cli.h"

namespace sga {
namespace {

class CliJudge : public CliTest {
 protected:
  void SetUp() override {
    make_face_set(folder / "faces.sgd");
    make_ganimation_model(folder / "model.safetensors");
  }
  // Options by name; an empty value leaves one out.
  static Words words_of(const std::string& command, std::map<std::string, std::string> options,
                        const std::map<std::string, std::string>& changes) {
    for (const auto& [name, value] : changes) options[name] = value;
    Words words{command, "--quiet"};
    for (const auto& [name, value] : options)
      if (!value.empty()) words.insert(words.end(), {"--" + name, value});
    return words;
  }
  Words training(const std::map<std::string, std::string>& changes = {}) const {
    return words_of(
        "au-train",
        {{"data", at("faces.sgd")}, {"size", "32"}, {"width", "4"}, {"batch", "4"}, {"iterations", "6"}},
        changes);
  }
  Words judging(const std::map<std::string, std::string>& changes = {}) const {
    return words_of("au",
                    {{"data", at("faces.sgd")},
                     {"model", at("model.safetensors")},
                     {"judge", at("run/judge.safetensors")},
                     {"faces", "2"}},
                    changes);
  }
  void train() const {
    const Outcome outcome = run_tool("evaluate", training({{"out", at("run")}}));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
};

TEST_F(CliJudge, TrainsStopsAndGoesOn) {
  write_file(folder / "about.txt", "squares, public domain");
  const Outcome trained = run_tool("evaluate", training({{"about", at("about.txt")}, {"out", at("run")}}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  for (const char* part : {"AU12", "Lip corner puller", "mean"}) EXPECT_TRUE(contains(trained.out, part));
  expect_whole_files(folder / "run");
  expect_local_page(folder / "run/index.html");
  const Checkpoint judge = load_checkpoint(folder / "run/judge.safetensors");
  EXPECT_EQ(judge.meta("about"), "squares, public domain");
  EXPECT_EQ(judge.meta("heldout.columns"), "Pearson ICC(3,1) MAE(0..5)");
  EXPECT_TRUE(contains(judge.meta("training"), "6 iterations of batch 4"));
  // Stopped by a shorter length, then the rest: as if it had not stopped.
  const std::string whole = text_of(folder / "run/judge.safetensors");
  const Outcome stopped =
      run_and_stop("evaluate", training({{"iterations", "100000"}, {"save-minutes", "0.0001"}}), "long",
                   SIGINT, at("long/judge.safetensors"));
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_TRUE(contains(stopped.err, "--resume"));
  EXPECT_EQ(run_tool("evaluate", training({{"about", at("about.txt")}, {"out", at("again")}})).code, 0);
  EXPECT_TRUE(text_of(folder / "again/judge.safetensors") == whole);
  EXPECT_EQ(run_tool("evaluate", {"au-train", "--resume", "--quiet", "--out", at("run")}).code, 0);
  EXPECT_TRUE(text_of(folder / "run/judge.safetensors") == whole);
  const Outcome longer =
      run_tool("evaluate", {"au-train", "--resume", "--iterations", "8", "--quiet", "--out", at("run")});
  EXPECT_EQ(longer.code, 0) << longer.err;
  EXPECT_TRUE(contains(load_checkpoint(folder / "run/judge.safetensors").meta("training"), "8 iterations"));
}

TEST_F(CliJudge, JudgesGeneratorsBesideACopyAndTheMeanFace) {
  train();
  const Outcome judged = run_tool("evaluate", judging({{"out", at("report")}}));
  ASSERT_EQ(judged.code, 0) << judged.err;
  expect_whole_files(folder / "report");
  expect_local_page(folder / "report/index.html");
  const auto report = nlohmann::json::parse(text_of(folder / "report/report.json"));
  EXPECT_EQ(report["faces"], 2);
  ASSERT_EQ(report["models"].size(), 3u);
  const auto& copy = report["models"]["copy of the photograph"];
  EXPECT_EQ(copy["units"]["AU12"]["rise"], 0);
  EXPECT_EQ(copy["attention"], 1);
  EXPECT_TRUE(copy["identity_psnr"].is_null());  // infinite
  const auto& model = report["models"][at("model.safetensors")];
  EXPECT_EQ(model["units"].size(), 17u);
  EXPECT_EQ(model["units"]["AU1"]["leakage"].size(), 17u);
  EXPECT_GT(model["attention"], 0.01);
  EXPECT_TRUE(model["units"]["AU9"]["other_half"].is_null());
  EXPECT_EQ(run_tool("evaluate", judging({{"out", at("same")}})).code, 0);
  EXPECT_EQ(text_of(folder / "same/report.json"), text_of(folder / "report/report.json"));
}

TEST_F(CliJudge, RefusesWhatCannotBe) {
  train();
  const auto refused = [&](const Words& words, int code, const std::string& part) {
    expect_refused("evaluate", words + Words{"--out", at("bad")}, code, part);
  };
  refused(training({{"size", "40"}}), 1, "multiple of 16");
  refused(training({{"width", "2"}}), 1, "width must be 4 to 128");
  refused(training({{"batch", "1"}}), 1, "batch must be 2 to 4096");
  refused(training({{"lr", "nan"}}), 1, "rate must lie between 0 and 1");
  refused({"au-train"}, 2, "--data is required");
  refused({"au-train", "--data", at("missing.sgd")}, 1, "missing.sgd");
  refused(judging({{"judge", at("model.safetensors")}}), 1, "no judge of action units");
  refused(judging({{"model", at("run/judge.safetensors")}}), 1, "not a GANimation model");
  refused(judging({{"faces", "1"}}), 2, "--faces");
  refused({"au"}, 2, "--data is required");
  expect_bad_folders_refused("evaluate", judging());
}

}  // namespace
}  // namespace sga
