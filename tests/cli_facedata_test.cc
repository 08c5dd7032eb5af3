// facedata as a program: what facedata_test.cc does not cover, i.e. damaged archives and tables, a full disk,
// signals.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iterator>

#include "models/ganimation/face_set.h"
#include "models/ganimation/openface.h"
#include "tests/cli.h"

namespace sga {
namespace {

class CliFacedata : public CliTest {
 protected:
  static constexpr int kFaces = 6;

  void SetUp() override {
    fs::create_directory(folder / "images");
    std::string labels = openface_header(), landmarks = "image";
    for (const char* axis : {",x_", ",y_"})
      for (int i = 0; i < 68; ++i) landmarks.append(axis).append(std::to_string(i));
    for (int k = 0; k < kFaces; ++k) {
      const std::string name = "p" + std::to_string(k) + ".png";
      save_png(folder / "images" / name, test_picture(60, 64, k));
      ActionUnits aus{};
      aus[8] = 0.1f * float(k);
      labels += openface_line(name, 0.95, aus);
      landmarks += "\n" + name;
      for (int i = 0; i < 136; ++i) landmarks += "," + std::to_string(20 + i % 5 * 5);
    }
    write_text(folder / "labels.csv", labels);
    write_text(folder / "landmarks.csv", landmarks + "\n");
  }

  Words preparing(const Words& more, const std::string& images = "images",
                  const std::string& size = "32") const {
    return Words{"prepare",     "--images",          at(images), "--labels", at("labels.csv"),
                 "--landmarks", at("landmarks.csv"), "--size",   size,       "--quiet"} +
           more;
  }
  /// Writes `text` as `table` and expects that it is refused.
  void expect_refused_table(const std::string& table, const std::string& text,
                            const std::string& part) const {
    write_text(folder / table, text);
    const Words people = table == "people.csv" ? Words{"--identity", at(table)} : Words{};
    expect_refused("facedata", preparing(people + Words{"--out", at("bad.sgd")}), 1, part);
  }
};

TEST_F(CliFacedata, FromPicturesToOneFile) {
  const Outcome outcome = run_tool("facedata", preparing({"--out", at("a.sgd")}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_TRUE(contains(outcome.out, "6  faces of 6 pictures")) << outcome.out;
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), kFaces);
  const Outcome info = run_tool("facedata", {"info", at("a.sgd")});
  EXPECT_EQ(info.code, 0);
  EXPECT_TRUE(contains(info.out, "intact")) << info.out;

  // The same pictures from an archive.
  const std::string tar = "tar -C '" + at("images") + "' -cf '" + at("images.tar") + "' .";
  ASSERT_EQ(std::system(tar.c_str()), 0);
  ASSERT_EQ(run_tool("facedata", preparing({"--out", at("b.sgd")}, "images.tar")).code, 0);
  const FaceSet a(folder / "a.sgd"), b(folder / "b.sgd");
  for (int64_t i = 0; i < kFaces; ++i) EXPECT_TRUE(std::ranges::equal(a.pixels(i), b.pixels(i)));

  const std::string whole = text_of(folder / "images.tar");
  const auto refused = [&](const std::string& text, const std::string& part) {
    write_text(folder / "bad.tar", text);
    expect_refused("facedata", preparing({"--out", at("bad.sgd")}, "bad.tar"), 1, part);
  };
  refused("", "is empty");
  refused("no archive", "is no tar archive");
  refused(whole.substr(0, 700), "the archive is cut");
  std::string damaged = whole;
  damaged[3] ^= 1;
  refused(damaged, "is no tar archive");
}

TEST_F(CliFacedata, TablesThatAreNone) {
  const std::string labels = text_of(folder / "labels.csv");
  const std::string landmarks = text_of(folder / "landmarks.csv");
  const std::string unclosed = "a quote is opened and not closed";
  expect_refused_table("labels.csv", "image,confidence\np0.png,1\n", "columns are missing: AU01_r, AU02_r");
  expect_refused_table("labels.csv", labels + "\"p7.png,0.9", unclosed);
  expect_refused_table("labels.csv", labels + openface_line("elsewhere.png", 1, {}), "are not in");
  expect_refused_table("labels.csv", labels + std::string("p0.png,\0,1\n", 11), "line 8");
  write_text(folder / "labels.csv", labels);
  expect_refused_table("landmarks.csv", "image,x_0,y_0\np0.png,1,1\n", "columns are missing: x_1");
  expect_refused_table("landmarks.csv", landmarks + "\"p9.png,1", unclosed);
  expect_refused_table("landmarks.csv", "", "empty");
  write_text(folder / "landmarks.csv", landmarks);
  expect_refused_table("people.csv", "image,person\np0.png,1\n", "columns are missing: identity");
  expect_refused_table("people.csv", "image,identity\np0.png,nobody\n", "line 2");
  expect_refused_table("people.csv", "image,identity\n\"p0.png,1\n", unclosed);
  fs::remove(folder / "people.csv");
  expect_refused("facedata", preparing({"--identity", at("people.csv"), "--out", at("bad.sgd")}), 1,
                 "there is no such file");
}

TEST_F(CliFacedata, LabelsOutOfRangeAreLeftOutAndNamed) {
  std::string labels = text_of(folder / "labels.csv");
  const std::string zeros = "0.950,0.000";
  for (const char* value : {"nan", "inf", "5.01", "-0.1", "lots"}) {
    const size_t at_value = labels.find(zeros) + 6;
    labels.replace(at_value, 5, value);
  }
  write_text(folder / "labels.csv", labels);
  const Outcome outcome = run_tool("facedata", preparing({"--out", at("a.sgd")}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), 1);
  EXPECT_TRUE(contains(outcome.out, "rejected      5  bad label")) << outcome.out;
  const std::string report = text_of(folder / "a.rejected.csv");
  for (const char* part : {"p0.png,bad label", "p4.png,bad label", "(line 2)", "(line 6)"})
    EXPECT_TRUE(contains(report, part)) << report;
}

TEST_F(CliFacedata, PlacesThatCannotBe) {
  const auto refused = [&](const std::string& out, const std::string& part) {
    expect_refused("facedata", preparing({"--out", out}), 1, part);
  };
  write_text(folder / "mine.sgd", "a file of the user");
  refused(at("mine.sgd"), "exists already; add --force");
  refused(at("mine.sgd/a.sgd"), "cannot write");
  refused(at("missing/a.sgd"), "cannot write");
  refused("/proc/no-such-process/a.sgd", "cannot write");
  refused(at("images"), "images");
  expect_refused("facedata", preparing({"--force", "--out", at("images")}), 1, "a folder or a device");
  expect_refused("facedata", preparing({"--out", at("bad.sgd")}, "nowhere"), 1,
                 "there is no folder or tar archive");
}

TEST_F(CliFacedata, FullDisk) {
  for (const int64_t limit : {0, 1'000, 3'072, 18'432, 18'600}) {  // of 18,432 bytes of pixels and the tables
    SCOPED_TRACE(limit);
    const Outcome outcome = run_tool("facedata", preparing({"--out", at("a.sgd")}), limit);
    EXPECT_EQ(outcome.code, 1);
    expect_sentence(outcome, "facedata", "File too large");
    EXPECT_FALSE(fs::exists(folder / "a.sgd"));
    expect_whole_files(folder.path());
  }
  EXPECT_EQ(run_tool("facedata", preparing({"--out", at("a.sgd")})).code, 0);
  const std::string before = text_of(folder / "a.sgd");
  EXPECT_EQ(run_tool("facedata", preparing({"--limit", "3", "--force", "--out", at("a.sgd")}), 1'000).code,
            1);
  EXPECT_TRUE(text_of(folder / "a.sgd") == before);  // the file there was is as it was
}

TEST_F(CliFacedata, DamagedSetsAreTold) {
  ASSERT_EQ(run_tool("facedata", preparing({"--out", at("a.sgd")})).code, 0);
  const std::string whole = text_of(folder / "a.sgd");
  write_text(folder / "empty.sgd", "");
  write_text(folder / "cut.sgd", whole.substr(0, whole.size() - 1));
  std::string flipped = whole;
  flipped[flipped.size() - 100] ^= 1;  // in the table
  write_text(folder / "flipped.sgd", flipped);
  for (const char* name : {"empty.sgd", "cut.sgd", "flipped.sgd", "labels.csv", "missing.sgd"})
    expect_refused("facedata", {"info", at(name)}, 1, name);
  expect_refused("facedata", {"info", folder.path().string()}, 1, "is not a regular file");
}

TEST_F(CliFacedata, InterruptedWritesNothing) {
  for (int k = 0; k < 40; ++k)
    fs::copy_file(folder / "images/p0.png", folder / "images" / (std::to_string(k) + ".png"));
  std::string labels = openface_header(), landmarks = text_of(folder / "landmarks.csv");
  const std::string points = landmarks.substr(landmarks.find("\np0.png") + 7, 136 * 3);
  for (int k = 0; k < 40; ++k) {
    labels += openface_line(std::to_string(k) + ".png", 1, {});
    landmarks += std::to_string(k) + ".png" + points + "\n";
  }
  write_text(folder / "labels.csv", labels);
  write_text(folder / "landmarks.csv", landmarks);
  const auto before = contents(folder.path());
  for (const int signal : {SIGINT, SIGTERM}) {
    ToolProcess process("facedata", preparing({"--threads", "1", "--out", at("a.sgd")}, "images", "1024"));
    ASSERT_TRUE(process.wait_until([&] {  // its temporary file is there
      const fs::directory_iterator entries(folder.path());
      return std::distance(fs::begin(entries), fs::end(entries)) == 4;
    })) << process.wait().err;
    process.send(signal);
    const Outcome outcome = process.wait();
    EXPECT_EQ(outcome.code, 130) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "no file was written")) << outcome.err;
    EXPECT_EQ(differences(before, contents(folder.path())), Words{});
  }
}

TEST_F(CliFacedata, InfoTakesTheFileEitherWay) {
  ASSERT_EQ(run_tool("facedata", preparing({"--out", at("a.sgd")})).code, 0);
  const Outcome option = run_tool("facedata", {"info", "--data", at("a.sgd")});
  EXPECT_EQ(option.code, 0) << option.err;
  EXPECT_EQ(run_tool("facedata", {"info", at("a.sgd")}).out, option.out);
  expect_refused("facedata", {"info"}, 2, "required");
}

TEST_F(CliFacedata, RemovesWhatAKilledProcessLeft) {
  const pid_t killed = fork();
  if (killed == 0) ::_exit(0);
  ::waitpid(killed, nullptr, 0);
  const std::string dead = std::to_string(killed), alive = std::to_string(::getpid());
  const Words kept = {"a.sgd.sga-tmp-" + alive, "b.sgd.sga-tmp-" + dead,        "a.sgd.sga-tmp-",
                      "a.sgd.sga-tmp-0",        "a.sgd.sga-tmp-" + dead + "-1", "a.sgd.sga-tmp-old"};
  for (const std::string& name : kept) write_text(folder / name, "half a data set");
  write_text(folder / ("a.sgd.sga-tmp-" + dead), "half a data set");
  ASSERT_EQ(run_tool("facedata", preparing({"--out", at("a.sgd")})).code, 0);
  EXPECT_FALSE(fs::exists(folder / ("a.sgd.sga-tmp-" + dead)));
  for (const std::string& name : kept) EXPECT_TRUE(fs::exists(folder / name)) << name;
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), kFaces);
}

}  // namespace
}  // namespace sga
