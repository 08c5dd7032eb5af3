// facedata as a program: from drawn pictures to a packed set, and everything it must refuse.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iterator>
#include <set>

#include "models/ganimation/face_set.h"
#include "models/ganimation/openface.h"
#include "tests/cli.h"

namespace sga {
namespace {

constexpr int kFaces = 10;

class CliFacedata : public CliTest {
 protected:
  /// Ten pictures of a coloured disc that moves, with labels, landmarks around the disc, and five people.
  void SetUp() override {
    fs::create_directory(folder / "images");
    std::string labels = openface_header(), landmarks = "image", people = "image,identity\n";
    for (const char* axis : {",x_", ",y_"})
      for (int i = 0; i < 68; ++i) landmarks += axis + std::to_string(i);
    for (int k = 0; k < kFaces; ++k) {
      const std::string name = picture(k);
      save_png(folder / "images" / name, drawing(k));
      ActionUnits aus{};
      aus[8] = 0.1f * float(k);
      labels += openface_line(name, 0.95, aus);
      landmarks += "\n" + name;
      for (const int centre : {40 + 2 * k, 50})
        for (int i = 0; i < 68; ++i) landmarks += "," + std::to_string(centre + i % 5 * 10 - 20);
      people += name + "," + std::to_string(k / 2) + "\n";
    }
    write_text(folder / "labels.csv", labels);
    write_text(folder / "landmarks.csv", landmarks + "\n");
    write_text(folder / "people.csv", people);
  }

  static std::string picture(int k) { return "p" + std::to_string(k) + ".png"; }
  static Image drawing(int k) {
    Image image{100, 110, 3, {}};
    for (int y = 0; y < 100; ++y)
      for (int x = 0; x < 110; ++x) {
        const bool disc = (x - 40 - 2 * k) * (x - 40 - 2 * k) + (y - 50) * (y - 50) < 400;
        for (int c = 0; c < 3; ++c) image.pixels.push_back(disc ? 0.1f * float(c + k % 5) : 1.0f);
      }
    return image;
  }

  Words preparing(const Words& more, const std::string& images = "images",
                  const std::string& size = "32") const {
    return Words{"prepare",     "--images",          at(images), "--labels", at("labels.csv"),
                 "--landmarks", at("landmarks.csv"), "--size",   size,       "--quiet"} +
           more;
  }
  Outcome prepare(const std::string& out, const Words& more = {},
                  const std::string& images = "images") const {
    const Outcome outcome = run_tool("facedata", preparing(more + Words{"--out", at(out)}, images));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome;
  }
  /// Writes `text` as `table` and expects that it is refused.
  void expect_refused_table(const std::string& table, const std::string& text,
                            const std::string& part) const {
    write_text(folder / table, text);
    const Words people = table == "people.csv" ? Words{"--identity", at(table)} : Words{};
    expect_refused("facedata", preparing(people + Words{"--out", at("bad.sgd")}), 1, part);
  }
  /// No picture is left: the report says why, and there is no set.
  void expect_none_used(const Words& words, const std::string& reason) const {
    const Outcome outcome = run_tool("facedata", words + Words{"--out", at("none.sgd")});
    EXPECT_EQ(outcome.code, 1);
    expect_sentence(outcome, "facedata", "no face could be used");
    EXPECT_TRUE(contains(text_of(folder / "none.rejected.csv"), reason));
    EXPECT_FALSE(fs::exists(folder / "none.sgd"));
    expect_whole_files(folder.path());
  }
};

TEST_F(CliFacedata, FromPicturesToOneFile) {
  const Outcome outcome = prepare("a.sgd", {"--identity", at("people.csv")});
  EXPECT_TRUE(contains(outcome.out, "10  faces of 10 pictures (8 to train, 2 to test)")) << outcome.out;
  EXPECT_EQ(text_of(folder / "a.rejected.csv"), "image,reason,detail\n");

  const FaceSet set(folder / "a.sgd");
  ASSERT_EQ(set.count(), kFaces);
  EXPECT_EQ(to_text(set.recipe()), "mode=landmarks margin=1.5 size=32");
  std::set<int64_t> train, test;
  for (int k = 0; k < kFaces; ++k) {
    const FaceRecord& r = set.record(k);
    EXPECT_EQ(r.name, picture(k));
    EXPECT_NEAR(r.labels[8], k / 10.0, 1e-6);
    EXPECT_EQ(r.person, k / 2);
    (r.train ? train : test).insert(r.person);
    // The disc moves with its landmarks, so it stays in the same place of the crop: it covers the middle.
    const Image image = set.image(k);
    for (int c = 0; c < 3; ++c) EXPECT_NEAR(image.at(16, 16)[c], 0.1 * (c + k % 5), 0.01);
  }
  for (const int64_t person : train) EXPECT_FALSE(test.contains(person));

  const Outcome info = run_tool("facedata", {"info", at("a.sgd"), "--sheet", at("sheet.png")});
  EXPECT_EQ(info.code, 0) << info.err;
  for (const char* line :
       {"faces   10 (8 to train, 2 to test)", "people  5", "mode=landmarks", "intact", "Lip corner puller"})
    EXPECT_TRUE(contains(info.out, line)) << line << "\n" << info.out;
  EXPECT_GE(load_image(folder / "sheet.png").width, 320);
}

TEST_F(CliFacedata, PicturesOfAnArchive) {
  const std::string tar = "tar -C '" + at("images") + "' -cf '" + at("images.tar") + "' .";
  ASSERT_EQ(std::system(tar.c_str()), 0);
  prepare("a.sgd");
  prepare("b.sgd", {}, "images.tar");
  const FaceSet a(folder / "a.sgd"), b(folder / "b.sgd");
  ASSERT_EQ(a.count(), kFaces);
  ASSERT_EQ(b.count(), kFaces);
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

TEST_F(CliFacedata, SameSeedSameBytesWhateverTheThreads) {
  prepare("a.sgd", {"--threads", "1", "--seed", "7"});
  prepare("b.sgd", {"--threads", "3", "--seed", "7"});
  EXPECT_EQ(text_of(folder / "a.sgd"), text_of(folder / "b.sgd"));
  std::set<std::string> splits;
  for (int seed = 0; seed < 5; ++seed) {
    prepare("c.sgd", {"--force", "--seed", std::to_string(seed)});
    splits.insert(text_of(folder / "c.sgd"));
  }
  EXPECT_GT(splits.size(), 1u);
}

TEST_F(CliFacedata, OneTableAPictureAndTheDetector) {
  // The photograph that the project ships, and FaceLandmarkImg's layout: no image column, blanks before the
  // names.
  fs::create_directory(folder / "photos");
  fs::copy_file(kPhotograph, folder / "photos/astronaut.png");
  save_png(folder / "photos/nobody.png", drawing(0));
  fs::create_directory(folder / "tables");
  std::string table = "face, confidence";
  for (const int number : kActionUnitNumbers)
    table += (number < 10 ? ", AU0" : ", AU") + std::to_string(number) + "_r";
  table += "\n0, 0.98";
  for (int i = 0; i < kActionUnitCount; ++i) table += ", 1.000";
  write_text(folder / "tables/astronaut.csv", table + "\n");
  write_text(folder / "tables/nobody.csv", table + "\n");
  const Words words = {"prepare",    "--images", at("photos"), "--labels",
                       at("tables"), "--size",   "48",         "--quiet"};
  const Outcome outcome = run_tool("facedata", words + Words{"--out", at("a.sgd")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string report = text_of(folder / "a.rejected.csv");
  EXPECT_TRUE(contains(report, "nobody.png,no face found")) << report;
  const FaceSet set(folder / "a.sgd");
  ASSERT_EQ(set.count(), 1);
  EXPECT_EQ(set.recipe().mode, "detector");
  EXPECT_FLOAT_EQ(set.record(0).labels[3], 0.2f);

  // Two faces in the table and nothing that tells which is meant: better no label than a wrong one.
  write_text(folder / "tables/astronaut.csv", table + "\n1" + table.substr(table.find('\n') + 2) + "\n");
  expect_none_used(words, "several faces");
}

TEST_F(CliFacedata, SaysWhatItLeftOut) {
  const std::string whole = text_of(folder / "images/p0.png");
  write_text(folder / "images/unlabelled.png", whole);
  write_text(folder / "images/p3.png", whole.substr(0, 200));
  write_text(folder / "images/p4.png", "");
  write_text(folder / "images/p5.png", "<html>not found</html>");
  fs::create_directory(folder / "images/more");
  write_text(folder / "images/more/p0.jpg", whole);
  std::string labels = text_of(folder / "labels.csv");
  labels.replace(labels.find("p1.png,0.950"), 12, "p1.png,0.870");
  labels.replace(labels.find("p2.png,0.950,0.000"), 18, "p2.png,0.950,5.100");
  write_text(folder / "labels.csv", labels);
  std::string landmarks = text_of(folder / "landmarks.csv");
  landmarks.replace(landmarks.find("p6.png"), 6, "other.");
  write_text(folder / "landmarks.csv", landmarks);
  const Outcome outcome = prepare("a.sgd");
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), 4);
  const std::string report = text_of(folder / "a.rejected.csv");
  for (const char* line : {"unlabelled.png,no label", "p3.png,cannot be decoded", "p4.png,cannot be decoded",
                           "p5.png,cannot be decoded", "p1.png,low confidence", "p2.png,bad label",
                           "p6.png,no landmarks", "second picture of that name"})
    EXPECT_TRUE(contains(report, line)) << line << "\n" << report;
  EXPECT_TRUE(contains(outcome.out, "rejected      3  cannot be decoded")) << outcome.out;
}

TEST_F(CliFacedata, LimitAndConfidence) {
  prepare("a.sgd", {"--limit", "3"});
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), 3);
  expect_none_used(preparing({"--confidence", "0.99"}), "low confidence");
}

TEST_F(CliFacedata, LabelsOfMissingPicturesAreCountedAndListed) {
  fs::remove(folder / "images/p7.png");
  write_text(folder / "images/alone.png", text_of(folder / "images/p0.png"));
  const Outcome outcome = prepare("a.sgd");
  EXPECT_TRUE(contains(outcome.out, "rejected      1  label of a missing picture")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "rejected      1  no label")) << outcome.out;
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), kFaces - 1);
  EXPECT_TRUE(contains(text_of(folder / "a.rejected.csv"), "p7.png,label of a missing picture"));
  EXPECT_TRUE(contains(text_of(folder / "a.rejected.csv"), "alone.png,no label"));
  // When most are missing, the names are likely of another kind.
  for (int k = 0; k < 6; ++k) fs::remove(folder / "images" / picture(k));
  const Outcome most = run_tool("facedata", preparing({"--out", at("b.sgd")}));
  EXPECT_EQ(most.code, 0);
  EXPECT_TRUE(contains(most.err, "warning: 7 of 10 labels name pictures that are not in")) << most.err;
}

TEST_F(CliFacedata, OptionsThatCannotBe) {
  for (const Words& words : {Words{"--size", "7"},
                             {"--margin", "nan"},
                             {"--split", "1.5"},
                             {"--confidence", "nan"},
                             {"--colour", "red"}})
    expect_refused("facedata",
                   {"prepare", "--images", at("images"), "--labels", at("labels.csv"), "--out", at("bad.sgd"),
                    words[0], words[1]},
                   2, words[0]);
}

TEST_F(CliFacedata, TablesThatAreNone) {
  const std::string labels = text_of(folder / "labels.csv");
  const std::string landmarks = text_of(folder / "landmarks.csv");
  const std::string unclosed = "a quote is opened and not closed";
  expect_refused_table("labels.csv", "image,AU01_r\np0.png,1\n",
                       "labels.csv: these columns are missing: confidence, AU02_r");
  expect_refused_table("labels.csv", "image,confidence\np0.png,1\n", "columns are missing: AU01_r, AU02_r");
  expect_refused_table("labels.csv", openface_header() + "\"p0.png,0.9,1,1\n",
                       "labels.csv, line 2: " + unclosed);
  expect_refused_table("labels.csv", labels + "\"p10.png,0.9", unclosed);
  expect_refused_table("labels.csv", labels + std::string("p0.png,\0,1\n", 11), "line 12");
  expect_refused_table("labels.csv", "", "empty");
  expect_refused_table("labels.csv", text_of(folder / "images/p0.png"), "labels.csv");
  fs::remove(folder / "labels.csv");
  expect_refused("facedata", preparing({"--out", at("bad.sgd")}), 1, "there is no such file");
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
  const Outcome outcome = prepare("a.sgd");
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), kFaces - 5);
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
  fs::create_directory(folder / "nothing");
  expect_refused("facedata", preparing({"--out", at("bad.sgd")}, "nothing"), 1, "holds no JPEG, PNG or BMP");
  prepare("mine.sgd", {"--force"});
  EXPECT_EQ(FaceSet(folder / "mine.sgd").count(), kFaces);
}

TEST_F(CliFacedata, FullDisk) {
  for (const int64_t limit : {0, 1'000, 3'072, 30'720, 30'900}) {  // of 30,720 bytes of pixels and the tables
    SCOPED_TRACE(limit);
    const Outcome outcome = run_tool("facedata", preparing({"--out", at("a.sgd")}), limit);
    EXPECT_EQ(outcome.code, 1);
    expect_sentence(outcome, "facedata", "File too large");
    EXPECT_FALSE(fs::exists(folder / "a.sgd"));
    expect_whole_files(folder.path());
  }
  prepare("a.sgd");
  const std::string before = text_of(folder / "a.sgd");
  EXPECT_EQ(run_tool("facedata", preparing({"--limit", "3", "--force", "--out", at("a.sgd")}), 1'000).code,
            1);
  EXPECT_TRUE(text_of(folder / "a.sgd") == before);  // the file there was is as it was
}

TEST_F(CliFacedata, DamagedSetsAreTold) {
  prepare("a.sgd");
  const std::string whole = text_of(folder / "a.sgd");
  write_text(folder / "empty.sgd", "");
  write_text(folder / "cut.sgd", whole.substr(0, whole.size() - 1));
  write_text(folder / "half.sgd", whole.substr(0, whole.size() / 2));
  const auto flipped = [&](const std::string& name, size_t byte) {
    std::string bytes = whole;
    bytes[byte] ^= 1;
    write_text(folder / name, bytes);
  };
  flipped("pixel.sgd", 1000);
  flipped("table.sgd", whole.size() - 100);
  for (const char* name :
       {"empty.sgd", "cut.sgd", "half.sgd", "pixel.sgd", "table.sgd", "labels.csv", "missing.sgd"})
    expect_refused("facedata", {"info", at(name)}, 1, name);
  expect_refused("facedata", {"info", folder.path().string()}, 1, "is not a regular file");
}

TEST_F(CliFacedata, InterruptedWritesNothing) {
  const auto before = contents(folder.path());
  for (const int signal : {SIGINT, SIGTERM}) {
    Outcome outcome;
    for (int attempt = 0; attempt < 5;
         ++attempt) {  // on a busy machine the tool may be done before the signal
      for (const char* left : {"a.sgd", "a.rejected.csv"}) fs::remove(folder / left);
      ToolProcess process("facedata", preparing({"--threads", "1", "--out", at("a.sgd")}, "images", "1024"));
      process.wait_until([&] {  // its temporary file is there
        const fs::directory_iterator entries(folder.path());
        return std::distance(fs::begin(entries), fs::end(entries)) == 5;
      });
      process.send(signal);
      outcome = process.wait();
      if (outcome.code != 0) break;
    }
    EXPECT_EQ(outcome.code, 130) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "no file was written")) << outcome.err;
    EXPECT_EQ(differences(before, contents(folder.path())), Words{});
  }
}

TEST_F(CliFacedata, InfoTakesTheFileEitherWay) {
  prepare("a.sgd");
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
  prepare("a.sgd");
  EXPECT_FALSE(fs::exists(folder / ("a.sgd.sga-tmp-" + dead)));
  for (const std::string& name : kept) EXPECT_TRUE(fs::exists(folder / name)) << name;
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), kFaces);
}

}  // namespace
}  // namespace sga
