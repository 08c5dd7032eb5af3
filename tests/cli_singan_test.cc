// singan as a program: one run from a picture to samples, and everything it must refuse.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/checkpoint.h"
#include "engine/memory.h"
#include "engine/ops.h"
#include "tests/cli.h"
#include "tests/picture_bytes.h"

namespace sga {
namespace {

class CliSingan : public CliTest {
 protected:
  void SetUp() override { save_png(folder / "picture.png", test_picture(32, 40)); }

  Words training(const Words& more = {}, const std::string& iterations = "2") const {
    return Words{"train", "--image",      at("picture.png"), "--preset",
                 "full",  "--iterations", iterations,        "--quiet"} +
           more;
  }
  void train(const std::string& out) const {
    const Outcome outcome = run_tool("singan", training({"--out", at(out)}));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
};

TEST_F(CliSingan, FromAPictureToSamples) {
  train("run");
  const std::map<std::string, std::string> trained = contents(folder / "run");
  for (const char* name : {"model.safetensors", "checkpoint.safetensors", "config.json", "metrics.jsonl",
                           "index.html", "training.png", "level_0_reconstruction.png", "level_1_sample.png",
                           "sample_000.png", "sample_005.png"})
    EXPECT_TRUE(trained.contains(name)) << name;
  expect_whole_files(folder / "run");
  expect_local_page(folder / "run/index.html");
  EXPECT_EQ(load_image(folder / "run/sample_000.png").width, 40);
  const std::string& metrics = trained.at("metrics.jsonl");
  EXPECT_GT(nlohmann::json::parse(metrics.substr(0, metrics.find('\n'))).at("g_rec").get<double>(), 0);

  const Outcome sampled = run_tool("singan", {"sample", "--model", at("run"), "--count", "2", "--start-scale",
                                              "1", "--quiet", "--out", at("samples")});
  ASSERT_EQ(sampled.code, 0) << sampled.err;
  EXPECT_EQ(sampled.err, "");
  EXPECT_EQ(load_image(folder / "samples/sample_001.png").height, 32);
  expect_local_page(folder / "samples/index.html");

  const Outcome info = run_tool("singan", {"info", "--model", at("run/model.safetensors")});
  EXPECT_EQ(info.code, 0);
  EXPECT_TRUE(contains(info.out, "31x25, 40x32") && contains(info.out, "2 of 2")) << info.out;

  // There is nothing left to do, and nothing may change.
  const Outcome resumed = run_tool("singan", training({"--resume", "--out", at("run")}));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(
      differences(trained, contents(folder / "run"), {"config.json", "checkpoint.previous.safetensors"}),
      Words{});
  expect_refused("singan", training({"--out", at("run")}), 1, "--resume");
  // The same seed gives the same bytes, --quiet or not; the page names no time and no folder.
  const Words aloud = {"train",        "--image", at("picture.png"), "--preset", "full",
                       "--iterations", "2",       "--out",           at("again")};
  EXPECT_EQ(run_tool("singan", aloud).code, 0);
  EXPECT_EQ(differences(trained, contents(folder / "again"), {"config.json"}), Words{});
}

TEST_F(CliSingan, SamplesOfAModel) {
  train("run");
  const auto sample = [&](const std::string& model, const std::string& out, const Words& more) {
    const Words words = {"sample", "--model", at(model), "--scale-h", "1.5", "--out", at(out)};
    EXPECT_EQ(run_tool("singan", words + more).code, 0);
    return text_of(folder / out / "sample_000.png");
  };
  const std::string first = sample("run", "a", {"--count", "3"});
  EXPECT_EQ(load_image(folder / "a/sample_002.png").width, 60);
  EXPECT_EQ(load_image(folder / "a/sample_002.png").height, 32);
  // Picture i depends on the seed alone, not on the count or on how the model is named.
  EXPECT_EQ(sample("run/model.safetensors", "b", {"--count", "1"}), first);
  EXPECT_NE(sample("run", "c", {"--count", "1", "--seed", "1"}), first);

  for (const auto& [words, part] : {std::pair{Words{"--start-scale", "2"}, "start"},
                                    {{"--start-scale", "-1"}, "start"},
                                    {{"--scale-h", "0"}, "0.1"},
                                    {{"--scale-v", "nan"}, "0.1"}})
    expect_refused("singan", Words{"sample", "--model", at("run"), "--out", at("bad")} + words, 1, part);
}

TEST_F(CliSingan, PicturesThatAreNone) {
  const std::string whole = text_of(folder / "picture.png");
  write_text(folder / "empty.png", "");
  write_text(folder / "text.png", "this is not a picture");
  write_text(folder / "cut.png", whole.substr(0, whole.size() - 100));
  write_text(folder / "head.png", whole.substr(0, 20));
  std::string damaged = whole;
  damaged[whole.size() / 2] ^= 1;
  write_text(folder / "damaged.png", damaged);
  save_png(folder / "small.png", test_picture(24, 60));
  write_file(folder / "huge.png", png_header(12000, 9000, 8, 2));
  ASSERT_EQ(::mkfifo((folder / "pipe.png").c_str(), 0600), 0);  // nobody will ever write into it

  const auto refused = [&](const std::string& image, const std::string& part) {
    SCOPED_TRACE(image);
    const Outcome outcome = run_tool("singan", {"train", "--image", image, "--out", at("bad")});
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    expect_sentence(outcome, "singan", part);
    EXPECT_FALSE(fs::exists(folder / "bad"));
  };
  refused(at("missing.png"), "missing.png\": there is no such file");
  refused(at("empty.png"), "empty.png\": the file is empty");
  refused(at("text.png"), "text.png");
  refused(at("cut.png"), "cut.png\": the PNG file is cut");
  refused(at("head.png"), "the PNG file is cut");
  refused(at("damaged.png"), "checksum");
  refused(at("small.png"), "60x24");
  refused(at("huge.png"), "108 Mpx, the limit is 100 Mpx");
  refused(folder.path().string(), "it is a folder");
  refused(at("pipe.png"), "a regular file is needed");
  refused("", "");
}

TEST_F(CliSingan, ModelsThatAreNone) {
  train("run");
  const std::string whole = text_of(folder / "run/model.safetensors");
  write_text(folder / "empty.safetensors", "");
  for (const size_t size : {size_t{5}, size_t{8}, size_t{200}, whole.size() - 1})
    write_text(at("cut" + std::to_string(size) + ".safetensors"), whole.substr(0, size));
  write_text(folder / "longer.safetensors", whole + "x");
  // Headers of 17 MiB and of 2^63 bytes are refused by their length alone.
  write_text(folder / "header.safetensors", std::string("\0\0\x10\1\0\0\0\0", 8) + "{}");
  write_text(folder / "endless.safetensors", std::string("\0\0\0\0\0\0\0\x80", 8) + "{}");
  write_text(folder / "json.safetensors", std::string("\4\0\0\0\0\0\0\0{[}]", 12));
  Checkpoint other;
  other.metadata["model"] = "ganimation";
  other.tensors["w"] = zeros({2, 2});
  save_checkpoint(folder / "other.safetensors", other);
  Checkpoint hollow = load_checkpoint(folder / "run/model.safetensors");
  hollow.tensors.erase(hollow.tensors.begin());
  save_checkpoint(folder / "hollow.safetensors", hollow);

  Words files = {at("missing.safetensors"), at("picture.png"), folder.path().string()};
  for (const fs::directory_entry& entry : fs::directory_iterator(folder.path()))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  ASSERT_EQ(files.size(), 14u);
  for (const std::string& file : files) {
    expect_refused("singan", {"info", "--model", file}, 1, file);
    expect_refused("singan", {"sample", "--model", file, "--out", at("bad")}, 1, file);
  }
  expect_refused("singan", {"sample", "--model", at(""), "--out", at("bad")}, 1, "model.safetensors");
  expect_refused("singan", {"sample", "--model", at("other.safetensors"), "--out", at("bad")}, 1,
                 "ganimation");
}

TEST_F(CliSingan, FoldersThatCannotBe) {
  train("run");
  expect_bad_folders_refused("singan", training());
  expect_bad_folders_refused("singan", {"sample", "--count", "1", "--quiet", "--model", at("run")});

  expect_refused("singan", training({"--resume", "--force", "--out", at("run")}), 2, "--force");
  expect_refused("singan", training({"--resume", "--out", at("theirs")}), 1, "holds files but no run");
  expect_refused("singan", training({"--resume", "--seed", "5", "--out", at("run")}), 2,
                 "the run was started with --seed 0, not 5");
  expect_refused("singan", Words{"train", "--resume", "--preset", "official", "--out", at("run")}, 2,
                 "--preset full, not official");
  expect_refused("singan", training({"--resume", "--out", at("run")}, "3"), 2, "--iterations 2");
  write_text(folder / "run/config.json", "{\"tool\": ");
  expect_refused("singan", training({"--resume", "--out", at("run")}), 1, "is not the config.json of a run");
}

TEST_F(CliSingan, OneProcessAFolder) {
  train("run");
  const int lock = ::open(at("run/lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(lock, LOCK_EX | LOCK_NB), 0);
  expect_refused("singan", training({"--resume", "--out", at("run")}), 1, "another process is working");
  expect_refused("singan", training({"--force", "--out", at("run")}), 1, "another process is working");
  ::close(lock);
}

TEST_F(CliSingan, FullDisk) {
  train("straight");
  expect_full_disk_reported("singan", training(), "full", {0, 300, 2'000, 50'000, 300'000});
  expect_full_disk_reported("singan", {"sample", "--quiet", "--model", at("straight")}, "full",
                            {0, 300, 500});

  // Once there is room again the run goes on from its last checkpoint and ends in the same bytes.
  const Words words = training({"--out", at("full")});
  EXPECT_EQ(run_tool("singan", words, 600'000).code, 1);
  EXPECT_EQ(run_tool("singan", words + Words{"--resume"}, 600'000).code, 1);
  const Outcome resumed = run_tool("singan", words + Words{"--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(text_of(folder / "full/model.safetensors"), text_of(folder / "straight/model.safetensors"));
}

TEST_F(CliSingan, OptionsThatCannotBe) {
  const auto refused = [&](const Words& words, const std::string& part, int code = 2) {
    expect_refused("singan", words + Words{"--out", at("bad")}, code, part);
  };
  refused({"train"}, "--image");
  refused({"train", "--image", at("picture.png"), "--preset", "oficial"}, "--preset: oficial");
  refused(training({"--channels", "2"}), "--channels: 2");
  refused(training({"--bits", "12"}), "--bits: 12");
  refused(training({"--plateau", "10"}), "at least 50", 1);
  refused(training({"--save-every", "-1"}), "--save-every");
  refused(training({"--resume", "--force"}), "--resume");
  refused(training({"--scale-factor", "nan"}), "--scale-factor", 1);
  refused(training({"--min-size", "3"}), "--min-size", 1);
  refused(training({"--iterations", "many"}), "--iterations");
  refused(training({"--seed", "-1"}), "--seed");
  refused(training({"--itertions", "3"}), "did you mean --iterations?");
  refused(training({"--sed", "1"}), "did you mean --seed?");
  refused({"sample", "--model", at("run"), "--count", "0"}, "--count");
  refused({"sample", "--model", at("run"), "--resume"}, "unknown option --resume");
}

/// Works in another folder as long as it lives.
class WorkingFolder {
 public:
  explicit WorkingFolder(const fs::path& path) : before_(fs::current_path()) { fs::current_path(path); }
  ~WorkingFolder() { fs::current_path(before_); }

 private:
  fs::path before_;
};

TEST_F(CliSingan, ResumesWithThePictureOfTheRun) {
  {
    const WorkingFolder here(folder.path());
    ASSERT_EQ(
        run_tool("singan", {"train", "--image", "picture.png", "--iterations", "2", "--out", "run"}).code, 0);
  }
  const std::string model = text_of(folder / "run/model.safetensors");
  EXPECT_TRUE(contains(text_of(folder / "run/config.json"), "\"image\": \"" + at("picture.png") + "\""));
  // Without a checkpoint the picture is read again, from wherever the tool is called.
  fs::remove(folder / "run/checkpoint.safetensors");
  fs::remove(folder / "run/checkpoint.previous.safetensors");
  const Outcome resumed = run_tool("singan", {"train", "--resume", "--quiet", "--out", at("run")});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(text_of(folder / "run/model.safetensors") == model);
  expect_refused("singan", {"train", "--resume", "--out", at("new")}, 2, "--image is required");
}

TEST_F(CliSingan, ResumesWithNoOtherPicture) {
  train("run");
  const std::string before = file_checksum(folder / "picture.png");
  fs::rename(folder / "picture.png", folder / "moved.png");
  const Words resuming = {"train", "--resume", "--out", at("run"), "--quiet"};
  expect_refused("singan", resuming, 1, "picture.png is not there any more; give its new place with --image");
  const Outcome moved = run_tool("singan", resuming + Words{"--image", at("moved.png")});
  EXPECT_EQ(moved.code, 0) << moved.err;
  save_png(folder / "picture.png", test_picture(32, 40, 1));
  const std::string now = file_checksum(folder / "picture.png");
  expect_refused("singan", resuming + Words{"--image", at("picture.png")}, 1,
                 "was started with --image of checksum \"" + before + "\", but " + at("picture.png") +
                     " has \"" + now + "\"");
  fs::rename(folder / "picture.png", folder / "moved.png");  // at the path that config.json holds by now
  expect_refused("singan", resuming, 1, now);
}

TEST_F(CliSingan, InfoTakesTheFileEitherWay) {
  train("run");
  const Outcome option = run_tool("singan", {"info", "--model", at("run")});
  EXPECT_EQ(option.code, 0) << option.err;
  EXPECT_EQ(run_tool("singan", {"info", at("run")}).out, option.out);
  expect_refused("singan", {"info", at("missing")}, 1, "missing");
  expect_refused("singan", {"info"}, 2, "required");
}

TEST_F(CliSingan, ForceRemovesWhatTheRunBeforeLeft) {
  const Words smaller = training({"--max-size", "32", "--force", "--out", at("run")});
  train("run");
  const Words user = {"level_2.png", "level_x_sample.png", "sample_1.txt", "holiday.png"};
  for (const std::string& name : user) write_text(folder / "run" / name, "mine");
  EXPECT_EQ(run_tool("singan", smaller, 0).code, 1);  // the disk is full: nothing new is written
  const auto left = contents(folder / "run");
  EXPECT_EQ(left.size(), user.size() + 1) << "the lock alone";
  for (const std::string& name : user) EXPECT_EQ(left.at(name), "mine");

  // A folder that holds no run of this tool keeps its files, whatever they are called.
  fs::create_directory(folder / "theirs");
  write_text(folder / "theirs/sample_007.png", "mine");
  write_text(folder / "theirs/config.json", "{\"tool\": \"another\"}");
  EXPECT_EQ(run_tool("singan", training({"--force", "--out", at("theirs")})).code, 0);
  EXPECT_EQ(text_of(folder / "theirs/sample_007.png"), "mine");

  // Fewer samples than before: no old one is left among them.
  const Words sampling = {"sample", "--model", at("theirs"), "--quiet", "--out", at("samples")};
  ASSERT_EQ(run_tool("singan", sampling + Words{"--count", "3"}).code, 0);
  ASSERT_EQ(run_tool("singan", sampling + Words{"--count", "1", "--force"}).code, 0);
  EXPECT_FALSE(fs::exists(folder / "samples/sample_001.png"));
}

TEST_F(CliSingan, CriticStepsAsAsked) {
  const auto steps_of = [&](const Words& words) {
    fs::remove_all(folder / "run");
    const Outcome outcome = run_tool("singan", Words{"train", "--image", at("picture.png"), "--iterations",
                                                     "1", "--quiet", "--out", at("run")} +
                                                   words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return load_checkpoint(folder / "run/model.safetensors").meta("config.critic_updates");
  };
  EXPECT_EQ(steps_of({"--preset", "full"}), "3");
  EXPECT_EQ(steps_of({"--preset", "official"}), "3");
  EXPECT_EQ(steps_of({"--preset", "quick"}), "1");
  EXPECT_EQ(steps_of({"--preset", "full", "--critic-steps", "2"}), "2");
  EXPECT_EQ(steps_of({}), "1");  // standard
  EXPECT_TRUE(contains(run_tool("singan", {"info", at("run")}).out, "1 an iteration"));
  expect_refused("singan", training({"--critic-steps", "-1", "--out", at("bad")}), 2, "--critic-steps");
}

TEST_F(CliSingan, GreyTransparentAndDeepPictures) {
  const Image colour = test_picture(26, 32);
  save_png(folder / "grey.png", convert_channels(colour, 1), 16);
  Image soft = convert_channels(colour, 4);
  for (int64_t y = 0; y < 26; ++y)
    for (int64_t x = 0; x < 32; ++x) soft.at(y, x)[3] = x < 8 ? 0.0f : 1.0f;
  save_png(folder / "soft.png", soft);
  const auto expect_pictures = [&](const Words& words, int64_t channels, int64_t bits) {
    fs::remove_all(folder / "run");
    const Outcome outcome =
        run_tool("singan", Words{"train", "--iterations", "1", "--quiet", "--out", at("run")} + words);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    for (const char* name :
         {"training.png", "level_0_reconstruction.png", "level_0_sample.png", "sample_000.png"}) {
      const ImageInfo info = image_info(read_file(folder / "run" / name), name);
      EXPECT_EQ(info.channels, channels) << name;
      EXPECT_EQ(info.bits, bits) << name;
    }
    expect_whole_files(folder / "run");
    const std::string said = std::to_string(channels) + " of " + std::to_string(bits) + " bits";
    EXPECT_TRUE(contains(run_tool("singan", {"info", at("run")}).out, said));
    const Words sampling = {"sample",  "--model", at("run"), "--count",    "1",
                            "--force", "--quiet", "--out",   at("samples")};
    EXPECT_EQ(run_tool("singan", sampling).code, 0);
    const ImageInfo info = image_info(read_file(folder / "samples/sample_000.png"), "sample");
    EXPECT_EQ(info.channels, channels);
    EXPECT_EQ(info.bits, bits);
  };
  expect_pictures({"--image", at("grey.png")}, 1, 16);
  expect_pictures({"--image", at("grey.png"), "--bits", "8", "--channels", "3"}, 3, 8);
  expect_pictures({"--image", at("soft.png"), "--preset", "official"}, 4, 8);
  expect_pictures({"--image", at("soft.png"), "--channels", "1", "--bits", "16"}, 1, 16);
}

TEST_F(CliSingan, ForecastBeforeTheWork) {
  const Outcome alone = run_tool("singan", {"train", "--image", at("picture.png"), "--forecast"});
  EXPECT_EQ(alone.code, 0) << alone.err;
  EXPECT_TRUE(contains(alone.out, "forecast: 2 levels up to 40x32, 600 iterations each, in about "))
      << alone.out;
  EXPECT_TRUE(contains(alone.out, "of memory")) << alone.out;
  const Words words = {"train", "--image", at("picture.png"), "--iterations", "2", "--out", at("run")};
  EXPECT_EQ(run_tool("singan", words + Words{"--forecast"}).code, 0);
  EXPECT_FALSE(fs::exists(folder / "run"));
  EXPECT_TRUE(contains(run_tool("singan", words).out, "2 iterations each, in about 1 s"));
  expect_refused("singan", {"train", "--image", at("picture.png")}, 2, "--out is required");
  expect_refused("singan", words + Words{"--forecast", "--resume"}, 2, "--forecast");
}

TEST_F(CliSingan, TrainingsThatDoNotFitAreRefused) {
  constexpr int64_t kSide = 4000;  // takes about 600 GB
  if (available_host_memory("/") > 500'000'000'000) GTEST_SKIP() << "this machine has the memory";
  save_png(folder / "large.png", {kSide, kSide, 1, std::vector<float>(kSide * kSide, 0.5f)});
  const Words words = {"train", "--image", at("large.png"), "--device", "cpu", "--max-size", "4000"};
  for (const Words& more : {Words{"--forecast"}, {"--out", at("bad")}})
    expect_refused("singan", words + more, 1, "are available; give --max-size ");
  const std::string said = run_tool("singan", words + Words{"--forecast"}).err;
  const size_t at_number = said.find("--max-size ") + 11;
  const std::string fits = said.substr(at_number, said.find(' ', at_number) - at_number);
  EXPECT_LT(std::stoi(fits), 4000) << said;
}

// As if the run came from a machine with more memory.
TEST_F(CliSingan, TrainingsThatDoNotFitAreNotResumed) {
  if (available_host_memory("/") > 60'000'000'000) GTEST_SKIP() << "this machine has the memory";
  for (const std::string command : {"train", "super-resolve"}) {
    SCOPED_TRACE(command);
    ASSERT_EQ(run_tool("singan", {command, "--image", at("picture.png"), "--iterations", "2", "--quiet",
                                  "--out", at(command)})
                  .code,
              0);
    const fs::path file = folder / command / "checkpoint.safetensors";
    Checkpoint checkpoint = load_checkpoint(file);
    checkpoint.tensors["image"] = zeros({1, 4000, 4000, 3});
    checkpoint.metadata["config.max_size"] = "4000";
    std::string& levels = checkpoint.metadata["pyramid.levels"];
    levels += " 4000x4000";
    checkpoint.metadata["train.levels"] = std::to_string(std::count(levels.begin(), levels.end(), 'x'));
    save_checkpoint(file, checkpoint);
    fs::remove(folder / command / "checkpoint.previous.safetensors");
    const Outcome outcome =
        run_tool("singan", {command, "--resume", "--device", "cpu", "--out", at(command)});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_TRUE(contains(outcome.err, "to go on with this training takes about ")) << outcome.err;
  }
}

}  // namespace
}  // namespace sga
