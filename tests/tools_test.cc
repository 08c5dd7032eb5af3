// What the tools share: command line, progress, run folders, pages.
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>

#include "engine/tensor.h"
#include "tests/cli.h"
#include "tests/error_text.h"
#include "tools/command.h"
#include "tools/font.h"
#include "tools/page.h"
#include "tools/png_writer.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/sheet.h"

namespace sga {
namespace {

using testing::internal::CaptureStderr;
using testing::internal::CaptureStdout;
using testing::internal::GetCapturedStderr;
using testing::internal::GetCapturedStdout;

// ---- command line

struct FakeOptions {
  CommonOptions common;
  std::string image;
  double rate = 5e-4;
  Words expressions = {"happiness", "sadness"};
};

using Work = std::function<void(FakeOptions&, CLI::App&)>;
const Work kNoWork = [](FakeOptions&, CLI::App&) {};

/// The exit code of a tool with the subcommands train and info; `work` is what train does.
int fake_tool(Words words, const Work& work) {
  words.insert(words.begin(), "fake");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return run_tool(
      static_cast<int>(words.size()), argv.data(), {"fake", "A tool for tests."}, [&](CLI::App& app) {
        auto options = std::make_shared<FakeOptions>();
        CLI::App* train = app.add_subcommand("train", "Train");
        train->add_option("--image", options->image, "Picture to train on");
        train->add_option("--learning-rate", options->rate, "Step of Adam");
        train->add_option("--expressions", options->expressions, "What to show")->delimiter(',');
        add_compute_options(*train, options->common);
        add_seed_option(*train, options->common);
        add_run_options(*train, options->common);
        train->callback([=] { work(*options, *train); });
        app.add_subcommand("info", "Describe")->add_option("--model", options->image, "File")->required();
      });
}

/// The tool in this process, so that a test can look into `work`.
Outcome run_fake(const Words& words, const Work& work = kNoWork) {
  CaptureStdout();
  CaptureStderr();
  const int code = fake_tool(words, work);
  Outcome outcome{code, GetCapturedStdout(), GetCapturedStderr()};
  if (testing::Test::HasFailure())
    std::cout << outcome.out;  // a failure inside `work` was reported to the captured stdout
  return outcome;
}

TEST(Command, DoneIsZeroAndSilent) {
  bool ran = false;
  const Outcome outcome =
      run_fake({"train", "--out", "x", "--seed", "18446744073709551615"}, [&](FakeOptions& o, CLI::App&) {
        ran = true;
        EXPECT_EQ(o.common.seed, std::numeric_limits<uint64_t>::max());
      });
  EXPECT_EQ(outcome.code, 0);
  EXPECT_TRUE(ran);
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST(Command, HelpPrintsDefaultsAndVersion) {
  const Outcome help = run_fake({"train", "--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* part :
       {"--device", "=auto", "--precision", "=auto", "--seed", "=0", "=0.0005", "--resume", "--force"})
    EXPECT_TRUE(contains(help.out, part)) << part << "\n" << help.out;
  EXPECT_TRUE(contains(run_fake({"--help"}).out, "train"));
  EXPECT_EQ(run_fake({"--version"}).out, std::string("fake ") + version() + "\n");
}

TEST(Command, WrongUsageIsTwoWithTheNearestName) {
  const auto expect = [](const Words& words, const std::string& part) {
    SCOPED_TRACE(part);
    const Outcome outcome = run_fake(words, [](FakeOptions&, CLI::App&) { ADD_FAILURE() << "must not run"; });
    EXPECT_EQ(outcome.code, 2);
    expect_sentence(outcome, "fake", part);
    EXPECT_TRUE(contains(outcome.err, "--help")) << outcome.err;
  };
  expect({"train", "--out", "x", "--imge", "a.png"}, "unknown option --imge, did you mean --image?");
  expect({"train", "--learnin-rate=3", "--out", "x"}, "did you mean --learning-rate?");
  expect({"info", "--modle", "m"},
         "did you mean --model? (see fake info --help)");  // before the missing --model
  expect({"tran"}, "unknown command tran, did you mean train?");
  expect({"train", "--out", "x", "--zzzzzz"}, "unknown option --zzzzzz (see");
  expect({"train", "--out", "x", "stray"}, "unexpected word stray");
  expect({}, "subcommand is required");
  expect({"train"}, "--out is required");
  expect({"train", "--out", "x", "--seed", "-1"}, "--seed");
  expect({"train", "--out", "x", "--seed", "twelve"}, "twelve");
  expect({"train", "--out", "x", "--device", "gpu"}, "gpu");
  expect({"train", "--out", "x", "--precision", "fp8"}, "fp8");
}

TEST(Command, ExitCodesOfWhatIsThrown) {
  const auto thrown = [](auto error) {
    return run_fake({"train", "--out", "x"}, [=](FakeOptions&, CLI::App&) { throw error; });
  };
  const Outcome failed = thrown(Error("photo.jpg: no face\n\033[31mred"));
  EXPECT_EQ(failed.code, 1);
  expect_sentence(failed, "fake", "photo.jpg: no face ?[31mred");
  EXPECT_EQ(thrown(std::runtime_error("other")).code, 1);
  const Outcome memory = thrown(std::bad_alloc());
  EXPECT_EQ(memory.code, 1);
  expect_sentence(memory, "fake", "ran out of memory; lower the size of the picture or the batch");
  const Outcome usage = thrown(UsageError("--a and --b exclude each other"));
  EXPECT_EQ(usage.code, 2);
  expect_sentence(usage, "fake", "--a and --b exclude each other (see fake train --help)");
  EXPECT_EQ(thrown(Interrupted()).code, 130);
}

TEST(Command, OutOfMemoryNamesTheBytesOfTensors) {
  const Outcome outcome = run_fake({"train", "--out", "x"}, [](FakeOptions&, CLI::App&) {
    static const Tensor held = zeros({1'000'000});
    throw std::bad_alloc();
  });
  expect_sentence(outcome, "fake", "ran out of memory with 4 MB in tensors; lower");
}

TEST(Command, MissingDeviceIsThree) {
  ::setenv("CUDA_VISIBLE_DEVICES", "", 1);  // hides the GPUs of a machine that has some
  const Outcome outcome = run_fake({"train", "--out", "x", "--device", "cuda"},
                                   [](FakeOptions& o, CLI::App&) { use_device(o.common); });
  EXPECT_EQ(outcome.code, 3);
  expect_sentence(outcome, "fake", "device: cuda cannot run here");
  for (const char* device : {"auto", "cpu"})
    EXPECT_EQ(run_fake({"train", "--out", "x", "--device", device},
                       [](FakeOptions& o, CLI::App&) { use_device(o.common); })
                  .code,
              0);
}

TEST(Command, SignalSetsTheFlagAndTheSecondLeaves) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const Outcome outcome = run_fake({"train", "--out", "x"}, [&](FakeOptions&, CLI::App&) {
      EXPECT_FALSE(interrupted());
      raise(signal);
      EXPECT_TRUE(interrupted());
      throw Interrupted();
    });
    EXPECT_EQ(outcome.code, 130);
    EXPECT_TRUE(contains(outcome.err, "--resume")) << outcome.err;
  }
  const Work twice = [](FakeOptions&, CLI::App&) {
    raise(SIGINT);
    raise(SIGINT);
  };
  EXPECT_EXIT(fake_tool({"train", "--out", "x"}, twice), testing::ExitedWithCode(130), "");
}

TEST(Command, OptionValuesAreTheEffectiveOnes) {
  run_fake({"train", "--out", "x", "--seed", "7", "--expressions", "anger,fear"},
           [](FakeOptions&, CLI::App& app) {
             std::map<std::string, std::string> values;
             for (const OptionValue& v : option_values(app)) {
               values[v.name] = v.value;
               EXPECT_EQ(v.given, v.name == "out" || v.name == "seed" || v.name == "expressions") << v.name;
             }
             EXPECT_EQ(values.at("seed"), "7");
             EXPECT_EQ(values.at("learning-rate"), "0.0005");
             EXPECT_EQ(values.at("expressions"), "anger,fear");
             EXPECT_EQ(values.at("resume"), "false");
             EXPECT_FALSE(values.contains("help"));
           });
}

TEST(Command, NearestName) {
  const Words names = {"--image", "--images", "--out"};
  EXPECT_EQ(nearest_name("--imges", names), "--images");
  EXPECT_EQ(nearest_name("--ot", names), "--out");
  EXPECT_EQ(nearest_name("--temperature", names), "");
  EXPECT_EQ(nearest_name("x", {}), "");
}

// ---- progress

TEST(Progress, TextShowsShareRateAndTimeLeft) {
  EXPECT_EQ(progress_text("scale 3", 50, 200, 0, 10, "loss 0.5", 0),
            "scale 3  50/200  25.0%  5.0/s  0:30 left  loss 0.5");
  EXPECT_EQ(progress_text("x", 150, 200, 100, 100, "", 4),
            "x  [###-]  150/200  75.0%  2.0 s each  1:40 left");
  EXPECT_EQ(progress_text("x", 2, 2, 0, 7300, "", 4), "x  [####]  2/2  100.0%  3650.0 s each  in 2:01:40");
  EXPECT_EQ(progress_text("x", 0, 0, 0, 0, "", 0), "x  0/0  0.0%");
}

TEST(Progress, PlainLinesAreRareAndQuietIsSilent) {
  CaptureStderr();
  for (int loop = 0; loop < 3; ++loop) {
    Progress progress(1000, "steps");
    for (int i = 0; i < 1000; ++i) progress.advance();
  }
  const std::string lines = GetCapturedStderr();
  EXPECT_LE(std::count(lines.begin(), lines.end(), '\n'), 1) << lines;
  EXPECT_FALSE(contains(lines, "\r"));
  CaptureStderr();
  {
    Progress progress(10, "steps", true);
    progress.advance(10);
  }
  EXPECT_EQ(GetCapturedStderr(), "");
}

// ---- run folder

TEST(RunFolder, RefusesWhatIsThereWithoutAWord) {
  const TempFolder temporary;
  const fs::path folder = temporary / "deep/run";
  { RunFolder fresh(folder, false, false); }  // makes it; the lock alone does not count as content
  write_file(folder / ".sga-tmp-1-2", "what a killed process leaves");
  { RunFolder again(folder, false, false); }
  EXPECT_FALSE(fs::exists(folder / ".sga-tmp-1-2"));
  write_file(folder / "holiday.txt", "mine");
  EXPECT_TRUE(contains(error_text([&] { RunFolder(folder, false, false); }), "is not empty"));
  EXPECT_TRUE(contains(error_text([&] { RunFolder(folder, true, false); }), "holds files but no run"));
  EXPECT_THROW(RunFolder(folder, true, true), UsageError);
  write_file(folder / "config.json", "{}");
  write_file(folder / "metrics.jsonl", "{}\n");
  { RunFolder forced(folder, false, true); }
  EXPECT_FALSE(fs::exists(folder / "metrics.jsonl"));
  EXPECT_FALSE(fs::exists(folder / "config.json"));
  EXPECT_EQ(read_text(folder / "holiday.txt"), "mine");
}

TEST(RunFolder, ForceKeepsWhatTheCommandReads) {
  const TempFolder temporary;
  const fs::path folder = temporary / "run";
  const OwnFiles own = {"fake train", {"sample_#.png", "model.safetensors"}};
  const auto forced = [&](const std::vector<fs::path>& inputs) {
    return error_text([&] { RunFolder(folder, false, true, own, inputs); });
  };
  const auto fill = [&](const std::string& tool) {
    make_folder(folder);
    write_file(folder / "config.json", "{\"tool\": \"" + tool + "\"}");
    for (const char* name : {"sample_01.png", "model.safetensors", "mine.png", "checkpoint.safetensors"})
      write_file(folder / name, name);
    for (const char* name : {"link", "folder"}) fs::remove(temporary / name);
    fs::create_symlink(folder / "sample_01.png", temporary / "link");
    fs::create_directory_symlink(folder, temporary / "folder");
  };
  fill("fake train");
  for (const fs::path& input : {folder / "sample_01.png", folder / ".." / "run" / "model.safetensors",
                                folder / "checkpoint.safetensors", folder / "config.json", temporary / "link",
                                temporary / "folder/sample_01.png"}) {
    const std::string text = forced({folder / "mine.png", "", input});
    EXPECT_TRUE(contains(text, "--force would remove " + input.string() + ", which this command reads"))
        << text;
    EXPECT_TRUE(contains(text, "another --out")) << text;
  }
  for (const char* name : {"sample_01.png", "model.safetensors", "config.json", "checkpoint.safetensors"})
    EXPECT_TRUE(fs::exists(folder / name)) << name;
  // What stays may be read: not of its own name, elsewhere, or of another tool's run.
  EXPECT_EQ(forced({folder / "mine.png", folder / "nowhere.png", temporary / "nowhere", ""}), "");
  EXPECT_FALSE(fs::exists(folder / "sample_01.png"));
  fill("fake sample");
  EXPECT_EQ(forced({folder / "sample_01.png", folder / "model.safetensors"}), "");
  EXPECT_TRUE(fs::exists(folder / "sample_01.png"));
}

TEST(RunFolder, RefusesAFileAndAPlaceItCannotWriteTo) {
  const TempFolder temporary;
  write_file(temporary / "file", "x");
  EXPECT_TRUE(contains(error_text([&] { RunFolder(temporary / "file", false, true); }), "is a file"));
  EXPECT_NE(error_text([&] { RunFolder(temporary / "file/run", false, false); }), "");
  if (geteuid() != 0) {  // nothing is read-only to root
    fs::create_directory(temporary / "locked");
    fs::permissions(temporary / "locked", fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_NE(error_text([&] { RunFolder(temporary / "locked", false, false); }), "");
    fs::permissions(temporary / "locked", fs::perms::owner_all);
  }
}

TEST(RunFolder, OneProcessAtATime) {
  const TempFolder temporary;
  RunFolder first(temporary / "run", false, false);
  const auto refused = [&](bool resume) {
    return contains(error_text([&] { RunFolder(temporary / "run", resume, false); }), "another process");
  };
  EXPECT_TRUE(refused(false));
  EXPECT_EXIT(_exit(refused(true) ? 0 : 1), testing::ExitedWithCode(0), "");
}

/// Runs `fake train --out FOLDER words...` with a run folder; returns what happened and the options seen
/// after it.
Outcome train_in(const fs::path& folder, const Words& words, FakeOptions* seen = nullptr) {
  return run_fake(Words{"train", "--out", folder.string()} + words, [&](FakeOptions& options, CLI::App& app) {
    RunFolder run(options.common.out, options.common.resume, options.common.force);
    run.configure(app, {"image"});
    if (seen) *seen = options;
  });
}

TEST(RunFolder, ConfigHoldsEffectiveOptionsAndResumeKeepsThem) {
  const TempFolder temporary;
  const fs::path folder = temporary / "run";
  ASSERT_EQ(train_in(folder, {"--seed", "7", "--learning-rate", "1e-3", "--expressions", "anger,fear"}).code,
            0);
  const auto config = nlohmann::json::parse(text_of(folder / "config.json"));
  EXPECT_EQ(config["tool"], "fake train");
  EXPECT_EQ(config["version"], version());
  EXPECT_FALSE(config["device"].get<std::string>().empty());
  EXPECT_EQ(config["options"]["seed"], "7");
  EXPECT_EQ(config["options"]["precision"], "auto");

  FakeOptions seen;
  const Outcome resumed =
      train_in(folder, {"--resume", "--learning-rate", "0.001", "--image", "new.png"}, &seen);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(seen.common.seed, 7u);
  EXPECT_EQ(seen.rate, 0.001);
  EXPECT_EQ(seen.expressions, (Words{"anger", "fear"}));
  EXPECT_EQ(seen.image, "new.png");
  EXPECT_EQ(nlohmann::json::parse(text_of(folder / "config.json"))["options"]["seed"], "7");

  const Outcome refused = train_in(folder, {"--resume", "--seed", "8"});
  EXPECT_EQ(refused.code, 2);
  expect_sentence(refused, "fake", "the run was started with --seed 7, not 8");
  EXPECT_EQ(train_in(folder, {}).code, 1);

  write_file(folder / "config.json", R"({"tool": "other train", "options": {}})");
  expect_sentence(train_in(folder, {"--resume"}), "fake", "holds a run of other train");
  write_file(folder / "config.json", "{\"tool\": ");
  expect_sentence(train_in(folder, {"--resume"}), "fake", "is not the config.json of a run");
}

TEST(RunFolder, MetricsAppendAndRewind) {
  const TempFolder temporary;
  RunFolder run(temporary / "run", false, false);
  for (int step = 1; step <= 4; ++step) run.metrics({{"step", step}, {"loss", 0.5 / step}});
  run.metrics({{"step", 5}, {"loss", std::numeric_limits<double>::quiet_NaN()}});
  const fs::path file = run / "metrics.jsonl";
  EXPECT_TRUE(text_of(file).starts_with("{\"step\":1,\"loss\":0.5}\n"));
  EXPECT_TRUE(contains(text_of(file), "{\"step\":5,\"loss\":null}\n"));
  std::ofstream(file, std::ios::app) << "{\"step\":6,\"lo";  // killed while writing
  EXPECT_EQ(read_metrics(file, "step", {"loss"})[0].x, (std::vector<double>{1, 2, 3, 4}));
  run.rewind_metrics("step", 2);
  EXPECT_EQ(read_metrics(file, "step", {"loss"})[0].y, (std::vector<double>{0.5, 0.25}));
  EXPECT_TRUE(read_metrics(run / "missing", "step", {"loss"})[0].x.empty());
}

TEST(RunFolder, CheckpointFallsBackToThePreviousOne) {
  const TempFolder temporary;
  const fs::path path = temporary / "a.safetensors";
  const auto with = [](float value) { return Checkpoint{{{"w", full({2}, value)}}, {{"kind", "test"}}}; };
  EXPECT_FALSE(has_checkpoint(path));
  save_keeping_previous(path, with(1));
  save_keeping_previous(path, with(2));
  EXPECT_EQ(to_host<float>(load_newest(path).get("w"))[0], 2);
  for (const auto& damage : {std::function<void()>([&] { fs::resize_file(path, fs::file_size(path) - 1); }),
                             std::function<void()>([&] { fs::remove(path); })}) {
    damage();
    EXPECT_TRUE(has_checkpoint(path));
    CaptureStderr();
    EXPECT_EQ(to_host<float>(load_newest(path).get("w"))[0], 1);
    EXPECT_TRUE(contains(GetCapturedStderr(), "a.previous.safetensors"));
  }
  fs::remove(temporary / "a.previous.safetensors");
  EXPECT_NE(error_text([&] { load_newest(path); }), "");
}

// Two faults: the newest checkpoint is damaged, and writing the next one fails at any of its calls.
TEST(RunFolder, ADamagedCheckpointNeverReplacesTheGoodOne) {
  const auto with = [](float value) { return Checkpoint{{{"w", full({2}, value)}}, {{"kind", "test"}}}; };
  for (int failing = 0;; ++failing) {
    SCOPED_TRACE(failing);
    const TempFolder temporary;
    const fs::path path = temporary / "a.safetensors";
    save_keeping_previous(path, with(1));
    save_keeping_previous(path, with(2));
    fs::resize_file(path, fs::file_size(path) - 1);
    CaptureStderr();
    EXPECT_EQ(to_host<float>(load_newest(path).get("w"))[0], 1);
    EXPECT_TRUE(contains(GetCapturedStderr(), "going on from"));
    EXPECT_TRUE(fs::exists(temporary / "a.damaged.safetensors"));

    int calls = 0;
    const auto fails = [&] { return calls++ == failing && (errno = EIO); };
    const FileCalls real = system_file_calls();
    FileCalls faulty = real;
    faulty.open = [&](const char* p, int flags, int mode) {
      return fails() ? -1 : real.open(p, flags, mode);
    };
    faulty.write = [&](int fd, const void* d, size_t n) { return fails() ? -1 : real.write(fd, d, n); };
    faulty.fsync = [&](int fd) { return fails() ? -1 : real.fsync(fd); };
    faulty.rename = [&](const char* a, const char* b) { return fails() ? -1 : real.rename(a, b); };
    const FileCalls before = set_file_calls(faulty);
    const std::string error = error_text([&] { save_keeping_previous(path, with(3)); });
    set_file_calls(before);
    CaptureStderr();
    const float got = to_host<float>(load_newest(path).get("w"))[0];
    GetCapturedStderr();
    EXPECT_TRUE(got == 3 || (got == 1 && !error.empty())) << got << " " << error;
    if (calls <= failing) {  // every call has had its turn
      EXPECT_EQ(error, "");
      EXPECT_EQ(got, 3);
      EXPECT_GE(failing, 5);
      break;
    }
  }
}

// The step that makes the newest checkpoint the previous one goes through the same calls as every write.
TEST(RunFolder, AFailedRenameKeepsBothCheckpoints) {
  const TempFolder temporary;
  const fs::path path = temporary / "a.safetensors";
  const auto with = [](float value) { return Checkpoint{{{"w", full({2}, value)}}, {{"kind", "test"}}}; };
  save_keeping_previous(path, with(1));
  save_keeping_previous(path, with(2));
  FileCalls faulty = system_file_calls();
  faulty.rename = [](const char*, const char*) { return errno = EIO, -1; };
  const FileCalls before = set_file_calls(faulty);
  const std::string error = error_text([&] { save_keeping_previous(path, with(3)); });
  set_file_calls(before);
  EXPECT_TRUE(contains(error, "cannot rename") && contains(error, "a.previous.safetensors")) << error;
  EXPECT_EQ(to_host<float>(load_newest(path).get("w"))[0], 2);
  EXPECT_EQ(to_host<float>(load_checkpoint(temporary / "a.previous.safetensors").get("w"))[0], 1);
}

// ---- page

TEST(Page, EscapesEverything) {
  const std::string evil = "<script>alert('\"&')</script>";
  Page page(evil);
  page.paragraph(evil);
  page.table({{evil, evil}});
  page.table({evil}, {{evil}});
  page.pictures(evil, {{"a b/" + evil + "#?.png", evil}, {"javascript:alert(1)", ""}});
  page.curves(evil, {{evil, {1, 2}, {3, 4}}}, evil);
  const std::string html = page.html();
  EXPECT_FALSE(contains(html, "<script"));
  EXPECT_FALSE(contains(html, "javascript:"));
  EXPECT_FALSE(contains(html, "http-equiv"));
  EXPECT_TRUE(contains(html, "src=\"a%20b/%3Cscript%3E"));
  EXPECT_TRUE(contains(html, "%23%3F.png\""));
  for (const char* remote : {"http://", "https://", "src=\"/", "@import", "url("})
    EXPECT_FALSE(contains(html, remote));
  page.refresh_every(5);
  EXPECT_TRUE(contains(page.html(), "<meta http-equiv=\"refresh\" content=\"5\">"));
}

TEST(Page, CurvesLeaveOutNonFiniteAndKeepSpikes) {
  Series series{"loss", {}, {}};
  for (int i = 0; i < 100'000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i == 41'234 ? 1000 : 0.5);
  }
  series.y[7] = std::numeric_limits<double>::infinity();
  Page page("x");
  page.curves("Loss", {series, {"none", {}, {}}}, "step");
  const std::string html = page.html();
  EXPECT_FALSE(contains(html, "inf"));
  EXPECT_FALSE(contains(html, "nan"));
  EXPECT_LT(html.size(), 30'000u);
  EXPECT_TRUE(contains(html, ">1000</text>"));  // the axis reaches the spike
  EXPECT_TRUE(contains(html, "last 0.5"));

  Page constant("x");  // a single point and a constant still have axes
  constant.curves("One", {{"a", {3}, {2}}}, "step");
  constant.curves("Zero", {{"b", {0, 1}, {0, 0}}}, "step");
  EXPECT_FALSE(contains(constant.html(), "nan"));
  EXPECT_EQ(std::string::npos, constant.html().find("inf"));
  Page empty_page("x");
  empty_page.curves("None", {{"a", {}, {}}}, "step");
  EXPECT_TRUE(contains(empty_page.html(), "No numbers yet."));
}

TEST(Page, ChartsWithLogarithmicAxes) {
  const auto labels = [](std::vector<double> values) {
    std::vector<double> x;
    for (size_t i = 0; i < values.size(); ++i) x.push_back(100.0 * double(i));
    Page page("x");
    page.charts("Losses", {{"level <0>", {{"loss", x, values}}, true}}, "iteration");
    EXPECT_TRUE(contains(page.html(), "level &lt;0&gt;"));
    EXPECT_FALSE(contains(page.html(), "nan"));
    return page.html();
  };
  const std::string narrow = labels({0.03, 0.004, 0.0035});
  for (const char* tick : {">0.002<", ">0.005<", ">0.01<", ">0.02<", ">0.05<"})
    EXPECT_TRUE(contains(narrow, tick)) << tick << narrow;
  EXPECT_FALSE(contains(narrow, ">0.001<") || contains(narrow, ">0.1<"));
  const std::string wide = labels({1000, 3, 0.02});
  for (const char* tick : {">0.01<", ">0.1<", ">1<", ">1000<"}) EXPECT_TRUE(contains(wide, tick)) << tick;
  EXPECT_FALSE(contains(wide, ">0.05<") || contains(wide, ">500<"));
  EXPECT_TRUE(contains(labels({0.5}), "polyline"));
  EXPECT_TRUE(contains(labels({1, 1}), "polyline"));
  EXPECT_TRUE(contains(labels({0, -1}), "No numbers yet."));
  EXPECT_EQ(std::string::npos, labels({1, 0, 2}).find("inf"));
}

TEST(Page, ContactSheetPlacesPicturesAndLabels) {
  Image red{10, 20, 3, std::vector<float>(600, 0.0f)};
  for (int64_t i = 0; i < 200; ++i) red.pixels[static_cast<size_t>(3 * i)] = 1;
  const Image grey{8, 8, 1, std::vector<float>(64, 0.25f)};
  const Image sheet = contact_sheet({red, grey, grey}, 2, {"A", "", "a very long label \xc3\xa9"});
  EXPECT_EQ(sheet.width, 6 + 2 * 26);
  EXPECT_EQ(sheet.height, 6 + 2 * (10 + 11 + 6));
  EXPECT_EQ(sheet.at(6, 6)[0], 1);
  EXPECT_EQ(sheet.at(6, 6)[1], 0);
  EXPECT_EQ(sheet.at(6, 32)[2], 0.25f);
  EXPECT_EQ(sheet.at(0, 0)[0], 1);                  // white border
  EXPECT_LT(sheet.at(6 + 10 + 4 + 3, 6)[0], 0.5f);  // left stroke of the A
  EXPECT_EQ(text_width("\xc3\xa9"), 5);
  EXPECT_THROW(contact_sheet({}, 2), Error);
  EXPECT_THROW(contact_sheet({red}, 0), Error);
  EXPECT_THROW(contact_sheet({red}, 1, {"a", "b"}), Error);
}

// Whatever is asked for becomes a picture that encode_png takes.
TEST(Page, ContactSheetsThatAreTooLargeShrink) {
  const Image wide{4, 30'000, 3, std::vector<float>(4 * 30'000 * 3, 0.5f)},
      small{2, 60, 1, std::vector<float>(120)};
  const Image sheet = contact_sheet({wide, small, wide}, 3, {"a", "b", "c"});
  EXPECT_LE(sheet.width, kMaxSide);
  EXPECT_GT(sheet.width, kMaxSide - 10);
  EXPECT_NEAR(sheet.at(7, 100)[0], 0.5f, 1e-3f);
  EXPECT_GT(image_info(encode_png(sheet), "sheet").width, 65'000);
  const int64_t second = 6 + (sheet.width - 6) / 3;  // as much smaller as the others
  EXPECT_LT(sheet.at(6, second + 5)[0], 0.1f);
  EXPECT_EQ(sheet.at(6, second + 60)[0], 1);

  const SheetCells tall = sheet_cells(70, 1000, 14, 1, true);
  EXPECT_LE(6 + 70 * (tall.height + 11 + 6), kMaxSide);
  EXPECT_GT(6 + 70 * (tall.height + 1 + 11 + 6), kMaxSide);
  const SheetCells many = sheet_cells(9, 4096, 4096, 9, false);
  EXPECT_LE((12 + many.height) * (6 + 9 * (6 + many.width)), kMaxSheetPixels);
  EXPECT_GT(many.height, 1600);
  EXPECT_EQ(many.height, many.width);
  EXPECT_EQ(sheet_cells(9, 200, 100, 9, true).shrunk, 1);
  EXPECT_GE(sheet_cells(1000, 1, 60'000, 8, true).height, 1);
  EXPECT_TRUE(contains(error_text([] { sheet_cells(10'000, 9, 9, 1, true); }), "have no room"));
}

TEST(Font, DrawsAndClips) {
  Image image{7, 5, 1, std::vector<float>(35, 1.0f)};
  draw_text(image, 0, 0, "T");
  for (int64_t x = 0; x < 5; ++x) EXPECT_EQ(*image.at(0, x), 0);
  for (int64_t y = 1; y < 7; ++y) EXPECT_EQ(*image.at(y, 2), 0);
  EXPECT_EQ(*image.at(6, 0), 1);
  draw_text(image, -3, -100, "clipped on every side", 0, 9);
  draw_text(image, 6, 4, "W", 0, 3);
}

// ---- PNG row by row

Image pattern(int64_t height, int64_t width, int64_t channels) {
  Image image{height, width, channels, {}};
  for (int64_t i = 0; i < height * width * channels; ++i)
    image.pixels.push_back(static_cast<float>((i * i * 7 + i / 5) % 256) / 255.0f);
  return image;
}

Image rows_of(const Image& image, int64_t top, int64_t count) {
  return {count, image.width, image.channels,
          std::vector<float>(image.at(top, 0), image.at(top, 0) + count * image.width * image.channels)};
}

TEST(PngWriter, ReadsBackAsWritten) {
  const TempFolder folder;
  const fs::path file = folder / "picture.png";
  for (const int64_t channels : {1, 2, 3, 4})
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1}, {7, 13}, {700, 900}}) {
      const Image image = pattern(height, width, channels);
      PngWriter writer(file, height, width, channels);
      for (int64_t top = 0; top < height; top += 3)
        writer.write(rows_of(image, top, std::min<int64_t>(3, height - top)));
      writer.commit();
      const Image read = decode_image(read_file(file), "picture.png");
      EXPECT_EQ(read.channels, channels);
      EXPECT_EQ(read.width, width);
      EXPECT_EQ(read.pixels, image.pixels);
    }
}

TEST(PngWriter, SixteenBitsAsSavePngRounds) {
  const TempFolder folder;
  Image image = pattern(9, 11, 3);
  for (float& v : image.pixels) v = v * 0.73f + 0.0001f;
  PngWriter writer(folder / "ours.png", 9, 11, 3, 16);
  writer.write(rows_of(image, 0, 4));
  writer.write(rows_of(image, 4, 5));
  writer.commit();
  save_png(folder / "theirs.png", image, 16);
  EXPECT_EQ(load_image(folder / "ours.png").pixels, load_image(folder / "theirs.png").pixels);
  EXPECT_EQ(image_info(read_file(folder / "ours.png"), "ours.png").bits, 16);
}

TEST(PngWriter, ClampsAndRounds) {
  const TempFolder folder;
  PngWriter writer(folder / "p.png", 1, 5, 1);
  writer.write({1, 5, 1, {-1.0f, 2.0f, std::numeric_limits<float>::quiet_NaN(), 0.499f / 255, 0.501f / 255}});
  writer.commit();
  EXPECT_EQ(load_image(folder / "p.png", 1).pixels, (std::vector<float>{0, 1, 0, 0, 1.0f / 255}));
}

TEST(PngWriter, AllOrNothing) {
  const TempFolder folder;
  const fs::path file = folder / "p.png";
  write_file(file, "before");
  const Image image = pattern(4, 5, 3);
  {
    PngWriter writer(file, 4, 5, 3);
    writer.write(rows_of(image, 0, 2));
    EXPECT_THROW(writer.commit(), Error) << "two rows are missing";
    EXPECT_THROW(writer.write(rows_of(image, 0, 3)), Error) << "a row too many";
    EXPECT_THROW(writer.write(pattern(1, 4, 3)), Error) << "another width";
  }
  EXPECT_EQ(read_text(file), "before");
  EXPECT_EQ(contents(folder.path()).size(), 1u) << "no temporary file is left";
  EXPECT_THROW(PngWriter(file, 70'000, 1, 3), Error);
  EXPECT_THROW(PngWriter(file, 1, 1, 5), Error);
}

TEST(PngWriter, PiecesDoNotDependOnHowRowsCome) {
  const TempFolder folder;
  const Image image = pattern(3000, 700, 3);  // three pieces
  write_png(folder / "once.png", image);
  PngWriter writer(folder / "rows.png", image.height, image.width, 3);
  for (int64_t top = 0; top < image.height; top += 7)
    writer.write(rows_of(image, top, std::min<int64_t>(7, image.height - top)));
  writer.commit();
  EXPECT_EQ(read_file(folder / "once.png"), read_file(folder / "rows.png"));
  EXPECT_EQ(load_image(folder / "once.png").pixels, image.pixels);
}

TEST(LabelledSheet, PicturesStandUnderTheirColumns) {
  const Image red{20, 30, 3, [] {
                    std::vector<float> v;
                    for (int i = 0; i < 600; ++i) v.insert(v.end(), {1, 0, 0});
                    return v;
                  }()};
  const Image grey{10, 10, 1, std::vector<float>(100, 0.5f)};
  const Image sheet = labelled_sheet({{red, grey}, {grey, red}}, {"one", "two words and more"}, {"a", "b"});
  int64_t reds = 0, greys = 0, ink = 0;
  for (int64_t i = 0; i < sheet.height * sheet.width; ++i) {
    const float* p = sheet.pixels.data() + 3 * i;
    reds += p[0] == 1 && p[1] == 0;
    greys += p[0] == 0.5f;
    ink += p[0] == 0.1f;
  }
  EXPECT_EQ(reds, 2 * 600);
  EXPECT_EQ(greys, 2 * 100);
  EXPECT_GT(ink, 50);
  const Image gap = labelled_sheet({{red, {}}}, {"one"}, {"a", "b"});
  int64_t framed = 0;
  for (int64_t i = 0; i < gap.height * gap.width; ++i) framed += gap.pixels[size_t(3 * i)] == 0.8f;
  EXPECT_EQ(framed, 2 * (red.height + red.width) + 4) << "a frame around the only picture";
  EXPECT_NE(error_text([&] { labelled_sheet({{red}}, {"one"}, {"a", "b"}); }), "");
  EXPECT_NE(error_text([&] { labelled_sheet({}, {}, {"a"}); }), "");
}

}  // namespace
}  // namespace sga
