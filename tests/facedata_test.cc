// The tool facedata, run as a user runs it, on pictures drawn here.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <set>

#include "models/ganimation/face_set.h"
#include "tests/temp_folder.h"

namespace sga {
namespace {

constexpr int kFaces = 10;

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

class FaceData : public testing::Test {
 protected:
  /// Ten pictures of a coloured disc that moves, with labels, landmarks around the disc, and five people.
  void SetUp() override {
    fs::create_directory(folder / "images");
    std::string labels = openface_header(), landmarks = "image", people = "image,identity\n";
    for (const char* axis : {",x_", ",y_"})
      for (int i = 0; i < 68; ++i) landmarks.append(axis).append(std::to_string(i));
    for (int k = 0; k < kFaces; ++k) {
      const std::string name = picture(k);
      save_png(folder / "images" / name, drawing(k));
      ActionUnits aus{};
      aus[8] = static_cast<float>(k) / 10;
      labels += openface_line(name, 0.95, aus);
      landmarks.append("\n").append(name);
      for (int axis = 0; axis < 2; ++axis)
        for (int i = 0; i < 68; ++i)
          landmarks.append(",").append(std::to_string((axis ? 50 : 40 + 2 * k) + i % 5 * 10 - 20));
      people.append(name).append(",").append(std::to_string(k / 2)).append("\n");
    }
    write("labels.csv", labels);
    write("landmarks.csv", landmarks);
    write("people.csv", people);
  }

  static std::string picture(int k) { return std::string("p").append(std::to_string(k)).append(".png"); }

  static Image drawing(int k) {
    Image image{100, 110, 3, {}};
    for (int y = 0; y < 100; ++y)
      for (int x = 0; x < 110; ++x) {
        const bool disc = (x - 40 - 2 * k) * (x - 40 - 2 * k) + (y - 50) * (y - 50) < 400;
        for (int c = 0; c < 3; ++c)
          image.pixels.push_back(disc ? 0.1f * static_cast<float>(c + k % 5) : 1.0f);
      }
    return image;
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder / name, std::ios::binary) << text;
  }
  std::string path(const std::string& name) {
    return std::string("'").append((folder / name).string()).append("'");
  }

  Outcome run(const std::string& words) {
    const std::string command =
        "'" SGA_BINARY_DIR "/tools/facedata' " + words + " > " + path("stdout") + " 2> " + path("stderr");
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(folder / "stdout"),
            text_of(folder / "stderr")};
  }
  /// prepare with everything it needs into `out`, and `more`.
  Outcome prepare(const std::string& out, const std::string& more = "") {
    return run("prepare --images " + path("images") + " --labels " + path("labels.csv") + " --landmarks " +
               path("landmarks.csv") + " --size 32 --quiet --out " + path(out) + " " + more);
  }
  /// Exit code 1, one line on stderr that holds `part`, and no file.
  void expect_refused(const Outcome& outcome, const std::string& part, const std::string& out = "a.sgd") {
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, part)) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_FALSE(fs::exists(folder / out));
    for (const auto& entry : fs::directory_iterator(folder.path()))
      EXPECT_FALSE(contains(entry.path().filename().string(), "tmp")) << entry.path();
  }

  TempFolder folder;
};

TEST_F(FaceData, PacksWhatItIsGiven) {
  const Outcome outcome = prepare("a.sgd", "--identity " + path("people.csv"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "10  faces of 10 pictures (8 to train, 2 to test)")) << outcome.out;
  EXPECT_EQ(outcome.err, "");
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
    const std::vector<float>& pixels = set.image(k).pixels;
    for (size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(pixels[(16 * 32 + 16) * 3 + c], 0.1 * static_cast<double>(c + static_cast<size_t>(k) % 5),
                  0.01);
  }
  std::vector<int64_t> both;
  std::ranges::set_intersection(train, test, std::back_inserter(both));
  EXPECT_TRUE(both.empty());
}

TEST_F(FaceData, SameSeedSameBytesWhateverTheThreads) {
  ASSERT_EQ(prepare("a.sgd", "--threads 1 --seed 7").code, 0);
  ASSERT_EQ(prepare("b.sgd", "--threads 3 --seed 7").code, 0);
  EXPECT_EQ(text_of(folder / "a.sgd"), text_of(folder / "b.sgd"));
  std::set<std::string> splits;
  for (int seed = 0; seed < 5; ++seed) {
    ASSERT_EQ(prepare("c.sgd", "--force --seed " + std::to_string(seed)).code, 0);
    splits.insert(text_of(folder / "c.sgd"));
  }
  EXPECT_GT(splits.size(), 1u);
}

TEST_F(FaceData, ReadsATarLikeAFolder) {
  ASSERT_EQ(std::system(("tar -cf " + path("images.tar") + " -C " + path("images") + " .").c_str()), 0);
  ASSERT_EQ(prepare("a.sgd").code, 0);
  const Outcome outcome =
      run("prepare --images " + path("images.tar") + " --labels " + path("labels.csv") + " --landmarks " +
          path("landmarks.csv") + " --size 32 --quiet --out " + path("b.sgd"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const FaceSet a(folder / "a.sgd"), b(folder / "b.sgd");
  ASSERT_EQ(a.count(), b.count());
  for (int64_t i = 0; i < a.count(); ++i) EXPECT_TRUE(std::ranges::equal(a.pixels(i), b.pixels(i)));
}

TEST_F(FaceData, OneTableAPictureAndTheDetector) {
  // The photograph that the project ships, and FaceLandmarkImg's layout: no image column, blanks before the
  // names.
  fs::create_directory(folder / "photos");
  fs::copy_file(fs::path(SGA_SOURCE_DIR) / "data/astronaut.png", folder / "photos/astronaut.png");
  save_png(folder / "photos/nobody.png", drawing(0));
  fs::create_directory(folder / "tables");
  std::string table = "face, confidence";
  for (int number : kActionUnitNumbers)
    table.append(number < 10 ? ", AU0" : ", AU").append(std::to_string(number)).append("_r");
  table += "\n0, 0.98";
  for (int i = 0; i < kActionUnitCount; ++i) table += ", 1.000";
  write("tables/astronaut.csv", table + "\n");
  write("tables/nobody.csv", table + "\n");
  const std::string words =
      "prepare --images " + path("photos") + " --labels " + path("tables") + " --size 48 --quiet --out ";
  const Outcome outcome = run(words + path("a.sgd"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(text_of(folder / "a.rejected.csv"), "nobody.png,no face found"))
      << text_of(folder / "a.rejected.csv");
  const FaceSet set(folder / "a.sgd");
  ASSERT_EQ(set.count(), 1);
  EXPECT_EQ(set.recipe().mode, "detector");
  EXPECT_FLOAT_EQ(set.record(0).labels[3], 0.2f);

  // Two faces in the table and nothing that tells which is meant: better no label than a wrong one.
  write("tables/astronaut.csv", table + "\n1" + table.substr(table.find('\n') + 2) + "\n");
  expect_refused(run(words + path("b.sgd")), "no face could be used", "b.sgd");
  EXPECT_TRUE(contains(text_of(folder / "b.rejected.csv"), "several faces"));
}

TEST_F(FaceData, SaysWhatItLeftOut) {
  write("images/unlabelled.png", text_of(folder / "images/p0.png"));
  write("images/p3.png", text_of(folder / "images/p3.png").substr(0, 200));
  write("images/p4.png", "");
  write("images/p5.png", "<html>not found</html>");
  fs::create_directory(folder / "images/more");
  fs::copy_file(folder / "images/p0.png", folder / "images/more/p0.jpg");
  std::string labels = text_of(folder / "labels.csv");
  labels.replace(labels.find("p1.png,0.950"), 12, "p1.png,0.870");
  labels.replace(labels.find("p2.png,0.950,0.000"), 18, "p2.png,0.950,5.100");
  write("labels.csv", labels);
  std::string landmarks = text_of(folder / "landmarks.csv");
  landmarks.replace(landmarks.find("p6.png"), 6, "other.");
  write("landmarks.csv", landmarks);
  const Outcome outcome = prepare("a.sgd");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), 4);
  const std::string report = text_of(folder / "a.rejected.csv");
  for (const char* line : {"unlabelled.png,no label", "p3.png,cannot be decoded", "p4.png,cannot be decoded",
                           "p5.png,cannot be decoded", "p1.png,low confidence", "p2.png,bad label",
                           "p6.png,no landmarks", "second picture of that name"})
    EXPECT_TRUE(contains(report, line)) << line << "\n" << report;
  EXPECT_TRUE(contains(outcome.out, "rejected      3  cannot be decoded")) << outcome.out;
}

TEST_F(FaceData, LimitAndConfidence) {
  ASSERT_EQ(prepare("a.sgd", "--limit 3").code, 0);
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), 3);
  expect_refused(prepare("b.sgd", "--confidence 0.99"), "no face could be used", "b.sgd");
}

TEST_F(FaceData, RefusesBadTables) {
  write("labels.csv", "image,AU01_r\np0.png,1\n");
  expect_refused(prepare("a.sgd"), "labels.csv: these columns are missing: confidence, AU02_r");
  write("labels.csv", openface_header() + "\"p0.png,0.9,1,1\n");
  expect_refused(prepare("a.sgd"), "labels.csv, line 2: a quote is opened and not closed");
  write("labels.csv", "");
  expect_refused(prepare("a.sgd"), "empty");
  write("labels.csv", text_of(folder / "images/p0.png"));
  expect_refused(prepare("a.sgd"), "labels.csv");
  fs::remove(folder / "labels.csv");
  expect_refused(prepare("a.sgd"), "there is no such file");
}

TEST_F(FaceData, RefusesLabelsOfMissingPicturesUnlessAsked) {
  fs::remove(folder / "images/p7.png");
  expect_refused(prepare("a.sgd"), "1 of 10 name pictures that are not in");
  ASSERT_EQ(prepare("a.sgd", "--skip-missing").code, 0);
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), kFaces - 1);
  EXPECT_TRUE(contains(text_of(folder / "a.rejected.csv"), "p7.png,label of a missing picture"));
}

TEST_F(FaceData, RefusesBadPlaces) {
  const std::string rest = " --labels " + path("labels.csv") + " --out " + path("a.sgd");
  expect_refused(run("prepare --images " + path("nowhere") + rest), "there is no folder or tar archive");
  expect_refused(run("prepare --images " + path("people.csv") + rest), "is no tar archive");
  fs::create_directory(folder / "nothing");
  expect_refused(run("prepare --images " + path("nothing") + rest), "holds no JPEG, PNG or BMP");
  expect_refused(prepare("no/such/folder/a.sgd"), "cannot write");
  ASSERT_EQ(prepare("a.sgd").code, 0);
  const std::string before = text_of(folder / "a.sgd");
  const Outcome again = prepare("a.sgd", "--limit 2");
  EXPECT_EQ(again.code, 1);
  EXPECT_TRUE(contains(again.err, "exists already; add --force")) << again.err;
  EXPECT_EQ(text_of(folder / "a.sgd"), before);
  EXPECT_EQ(prepare("a.sgd", "--limit 2 --force").code, 0);
  EXPECT_EQ(FaceSet(folder / "a.sgd").count(), 2);
}

TEST_F(FaceData, Usage) {
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("prepare").code, 2);
  EXPECT_EQ(prepare("a.sgd", "--size 7").code, 2);
  EXPECT_EQ(prepare("a.sgd", "--margin nan").code, 2);
  EXPECT_EQ(prepare("a.sgd", "--split 1.5").code, 2);
  EXPECT_EQ(prepare("a.sgd", "--confidence nan").code, 2);
  EXPECT_EQ(prepare("a.sgd", "--colour red").code, 2);
  const Outcome help = run("prepare --help");
  EXPECT_EQ(help.code, 0);
  for (const char* word : {"--images", "--labels", "--landmarks", "--identity", "--confidence", "0.88",
                           "--split", "0.8", "--seed"})
    EXPECT_TRUE(contains(help.out, word)) << word;
}

TEST_F(FaceData, Info) {
  ASSERT_EQ(prepare("a.sgd", "--identity " + path("people.csv")).code, 0);
  const Outcome outcome = run("info " + path("a.sgd") + " --sheet " + path("sheet.png"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* line :
       {"faces   10 (8 to train, 2 to test)", "people  5", "mode=landmarks", "intact", "Lip corner puller"})
    EXPECT_TRUE(contains(outcome.out, line)) << line;
  EXPECT_GE(load_image(folder / "sheet.png").width, 320);

  std::string bytes = text_of(folder / "a.sgd");
  write("cut.sgd", bytes.substr(0, bytes.size() / 2));
  bytes[1000] ^= 1;
  write("flipped.sgd", bytes);
  for (const char* name : {"cut.sgd", "flipped.sgd", "labels.csv", "nowhere.sgd"})
    EXPECT_EQ(run("info " + path(name)).code, 1) << name;
}

}  // namespace
}  // namespace sga
