// facedata split and doctor: a data set divided anew, and what is wrong with one.
#include <algorithm>
#include <functional>
#include <set>

#include "models/ganimation/face_set.h"
#include "models/ganimation/openface.h"
#include "tests/cli.h"

namespace sga {
namespace {

constexpr int64_t kSide = 32;

/// A face-like drawing: an oval with eyes and mouth, another tone for every k.
std::vector<uint8_t> face(int k) {
  std::vector<uint8_t> rgb;
  for (int64_t y = 0; y < kSide; ++y)
    for (int64_t x = 0; x < kSide; ++x) {
      const int64_t dx = x - 16, dy = y - 16;
      const bool oval = dx * dx * 3 + dy * dy * 2 < 380;
      const bool dark = (dy > -6 && dy < -2 && (dx == -5 || dx == -4 || dx == 4 || dx == 5)) ||
                        (dy > 5 && dy < 8 && dx > -5 + k % 3 && dx < 5);
      const int tone = dark ? 30 + k : oval ? 150 + 2 * k : 20 + (k * 37) % 90;
      for (int c = 0; c < 3; ++c) rgb.push_back(uint8_t(tone + 5 * c));
    }
  return rgb;
}

class CliFacedataDoctor : public CliTest {
 protected:
  /// `count` healthy faces, two a person, every person on one side.
  void write_set(int count,
                 const std::function<void(int, FaceRecord&, std::vector<uint8_t>&)>& change = {}) const {
    FaceSetWriter writer(folder / "a.sgd", {"landmarks", 1.5, kSide});
    for (int k = 0; k < count; ++k) {
      FaceRecord record{.name = "p" + std::to_string(k) + ".png", .person = k / 2, .train = k / 2 % 5 != 0};
      for (size_t au = 0; au < kActionUnitCount; ++au)
        record.labels[au] = float((size_t(k) + au) % 5) * 0.15f;
      std::vector<uint8_t> rgb = face(k);
      if (change) change(k, record, rgb);
      writer.add(record, rgb);
    }
    writer.finish();
  }
  Outcome doctor(const Words& words = {}) const {
    return run_tool("facedata",
                    Words{"doctor", at("a.sgd"), "--out", at("report"), "--force", "--quiet"} + words);
  }
  void expect_problem(const std::string& part, const std::string& sheet = "") const {
    const Outcome outcome = doctor();
    EXPECT_EQ(outcome.code, 1) << outcome.out;
    EXPECT_TRUE(contains(outcome.out, part)) << outcome.out;
    expect_sentence(outcome, "facedata", "problem");
    EXPECT_TRUE(sheet.empty() || fs::exists(folder / "report" / sheet)) << sheet;
    expect_local_page(folder / "report/index.html");
  }
};

TEST_F(CliFacedataDoctor, AHealthySet) {
  write_set(40);
  const Outcome outcome = doctor();
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_FALSE(contains(outcome.out, "PROBLEM")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "only 40 faces")) << outcome.out;
  for (const char* name : {"index.html", "mean.png", "faces.png", "strongest.png", "config.json"})
    EXPECT_TRUE(fs::exists(folder / "report" / name)) << name;
  expect_whole_files(folder / "report");
  expect_local_page(folder / "report/index.html");
  const std::string page = text_of(folder / "report/index.html");
  for (const char* part :
       {"Lip corner puller", "mode=landmarks margin=1.5 size=32", "<svg", "99th percentile"})
    EXPECT_TRUE(contains(page, part)) << part;
  EXPECT_EQ(load_image(folder / "report/mean.png").width, kSide);
}

TEST_F(CliFacedataDoctor, FindsWhatIsWrongWithFaces) {
  write_set(40, [](int k, FaceRecord&, std::vector<uint8_t>& rgb) {
    if (k == 7) rgb.assign(rgb.size(), 90);
  });
  expect_problem("1 empty picture", "flat.png");
  write_set(40, [](int k, FaceRecord&, std::vector<uint8_t>& rgb) {
    if (k == 9) std::reverse(rgb.begin(), rgb.end());  // upside down
    if (k == 11)
      for (uint8_t& v : rgb) v /= 12;
  });
  Outcome outcome = doctor();
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "1 face unlike the mean face")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "1 very dark or bright face")) << outcome.out;
  EXPECT_TRUE(fs::exists(folder / "report/odd.png"));
}

TEST_F(CliFacedataDoctor, FindsDuplicates) {
  const auto copy = [&](int from, int to, float other_label) {
    write_set(40, [=](int k, FaceRecord& record, std::vector<uint8_t>& rgb) {
      if (k != to) return;
      rgb = face(from);
      rgb[5] ^= 1;  // compressed once more
      for (size_t au = 0; au < kActionUnitCount; ++au)
        record.labels[au] = float((size_t(from) + au) % 5) * 0.15f;
      record.labels[3] += other_label;
    });
  };
  copy(2, 3, 0);
  const Outcome outcome = doctor();
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "note     1 duplicate: ")) << outcome.out;
  copy(2, 3, 0.3f);
  expect_problem("1 duplicate with contrary labels", "contrary.png");
  copy(2, 10, 0);  // person 5 is for tests
  expect_problem("1 duplicate on both sides of the split", "leaks.png");
}

TEST_F(CliFacedataDoctor, FindsWhatIsWrongWithTheTable) {
  write_set(40, [](int k, FaceRecord& record, std::vector<uint8_t>&) {
    if (k == 5) record.labels[2] = 1.4f;
  });
  expect_problem("1 face with labels out of range");
  write_set(40, [](int k, FaceRecord& record, std::vector<uint8_t>&) { record.train = k % 2 == 0; });
  expect_problem("20 people on both sides of the split");
  write_set(40, [](int, FaceRecord& record, std::vector<uint8_t>&) { record.train = false; });
  expect_problem("no training face");
  write_set(40, [](int, FaceRecord& record, std::vector<uint8_t>&) {
    record.person = 3;
    record.train = true;
    record.labels[16] = 0;
    record.confidence = 0.5f;
  });
  const Outcome outcome = doctor();
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  for (const char* part : {"one person only", "no test face", "1 action unit hardly ever shown: AU 45",
                           "40 labels of low confidence"})
    EXPECT_TRUE(contains(outcome.out, part)) << outcome.out;
}

TEST_F(CliFacedataDoctor, ADamagedFaceIsNamedAndTheOthersAreExamined) {
  write_set(40);
  std::string bytes = text_of(folder / "a.sgd");
  bytes[64 + 20 * kSide * kSide * 3 + 7] ^= 1;
  write_text(folder / "a.sgd", bytes);
  expect_problem("1 of 40 faces is damaged and left out: p20.png");
  const Outcome info = run_tool("facedata", {"info", at("a.sgd")});
  EXPECT_EQ(info.code, 1);
  EXPECT_TRUE(contains(info.err, "1 of 40 faces is damaged and left out: p20.png")) << info.err;
  const Outcome split = run_tool("facedata", {"split", at("a.sgd"), "--out", at("b.sgd")});
  EXPECT_EQ(split.code, 0) << split.err;
  EXPECT_TRUE(contains(split.err, "warning: ")) << split.err;
  EXPECT_EQ(FaceSet(folder / "b.sgd").count(), 39);
  EXPECT_TRUE(FaceSet(folder / "b.sgd").pixels_intact());
  // And a training goes on with the others.
  const Outcome train =
      run_tool("ganimation", {"train",    "--data",   at("a.sgd"),  "--out",   at("run"),
                              "--recipe", "small",    "--conv-dim", "4",       "--critic-dim",
                              "4",        "--blocks", "1",          "--batch", "2",
                              "--steps",  "2",        "--device",   "cpu",     "--quiet"});
  EXPECT_EQ(train.code, 0) << train.err;
  EXPECT_TRUE(contains(train.err, "1 of 40 faces is damaged and left out: p20.png")) << train.err;
}

TEST_F(CliFacedataDoctor, OneFaceOnly) {
  write_set(1, [](int, FaceRecord& record, std::vector<uint8_t>&) { record.train = true; });
  EXPECT_EQ(doctor().code, 0);
  const Outcome train =
      run_tool("ganimation", {"train",    "--data",   at("a.sgd"),  "--out",   at("run"),
                              "--recipe", "small",    "--conv-dim", "4",       "--critic-dim",
                              "4",        "--blocks", "1",          "--batch", "2",
                              "--steps",  "2",        "--device",   "cpu",     "--quiet"});
  EXPECT_EQ(train.code, 0) << train.err;
  const Outcome split = run_tool("facedata", {"split", at("a.sgd")});
  EXPECT_EQ(split.code, 0) << split.err;
  EXPECT_TRUE(contains(split.err, "no face is left to test with")) << split.err;
  EXPECT_TRUE(contains(split.out, "test        0 faces of 0 people")) << split.out;
}

TEST_F(CliFacedataDoctor, PicturesAndLabelsBeforeTheyArePacked) {
  fs::create_directory(folder / "photos");
  std::string labels = openface_header();
  for (int k = 0; k < 4; ++k) {
    save_png(folder / ("photos/p" + std::to_string(k) + ".png"), test_picture(70 + k / 2, 80, k));
    labels += openface_line("p" + std::to_string(k) + ".png", 0.95, {0.5f, 0.5f});
  }
  write_text(folder / "labels.csv", labels);
  const Words words = {"doctor", "--images",   at("photos"), "--labels", at("labels.csv"),
                       "--out",  at("report"), "--quiet",    "--force"};
  Outcome outcome = run_tool("facedata", words);
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_TRUE(contains(text_of(folder / "report/index.html"), "80x71"));

  save_png(folder / "photos/extra.png", test_picture(70, 80, 0));  // p0's bytes, no label
  write_text(folder / "photos/p2.png", "<html>");
  write_text(
      folder / "labels.csv", labels + openface_line("gone.png", 0.95, {}) + "p9.png,0.9" +
                                 std::string(",nan") +
                                 [] {
                                   std::string t;
                                   for (int i = 0; i < 33; ++i) t += ",1";
                                   return t;
                                 }() +
                                 "\n");
  outcome = run_tool("facedata", words);
  EXPECT_EQ(outcome.code, 1) << outcome.out;
  for (const char* part :
       {"1 picture that cannot be decoded: p2.png", "1 label that cannot be used: p9.png (AU01_r 'nan'",
        "1 label without a picture: gone.png", "1 picture without a label: extra.png",
        "1 picture with the bytes of another one"})
    EXPECT_TRUE(contains(outcome.out, part)) << part << "\n" << outcome.out;
  expect_sentence(outcome, "facedata", "has 3 problems");
  expect_local_page(folder / "report/index.html");
}

TEST_F(CliFacedataDoctor, RefusesWhatItCannotExamine) {
  write_set(3);
  expect_refused("facedata", {"doctor", "--out", at("report")}, 2, "give either --data");
  expect_refused("facedata", {"doctor", at("a.sgd"), "--images", at("x"), "--out", at("report")}, 2,
                 "give either --data");
  expect_refused("facedata", {"doctor", "--images", at(""), "--out", at("report")}, 2,
                 "--labels is required");
  expect_refused("facedata", {"doctor", at("none.sgd"), "--out", at("report")}, 1, "none.sgd");
  expect_bad_folders_refused("facedata", {"doctor", at("a.sgd")});
}

// ---- split

TEST_F(CliFacedataDoctor, SplitsByPersonAndByImage) {
  write_set(40);
  const auto train_of = [&](const Words& words) {
    const Outcome outcome =
        run_tool("facedata", Words{"split", at("a.sgd"), "--out", at("b.sgd"), "--force"} + words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return FaceSet(folder / "b.sgd").indices(true);
  };
  const std::vector<int64_t> people = train_of({"--seed", "3"});
  EXPECT_EQ(people.size(), 32u);
  for (size_t k = 0; k < people.size(); k += 2) EXPECT_EQ(people[k] / 2, people[k + 1] / 2);
  EXPECT_EQ(train_of({"--seed", "3"}), people);
  EXPECT_NE(train_of({"--seed", "4"}), people);
  const std::vector<int64_t> images = train_of({"--by", "image", "--share", "0.5"});
  EXPECT_EQ(images.size(), 20u);
  std::set<int64_t> halves;
  for (const int64_t i : images) halves.insert(i / 2);
  EXPECT_GT(halves.size(), 10u);  // some people are on both sides

  // In place: the pictures and all else stay.
  const FaceSet before(folder / "a.sgd");
  EXPECT_EQ(run_tool("facedata", {"split", "--data", at("a.sgd"), "--seed", "3"}).code, 0);
  const FaceSet after(folder / "a.sgd");
  EXPECT_EQ(after.indices(true), people);
  EXPECT_TRUE(after.pixels_intact());
  for (int64_t i = 0; i < 40; ++i) {
    EXPECT_TRUE(std::ranges::equal(after.pixels(i), before.pixels(i)));
    EXPECT_EQ(after.record(i).name, before.record(i).name);
    EXPECT_EQ(after.record(i).labels, before.record(i).labels);
    EXPECT_EQ(after.record(i).person, before.record(i).person);
  }
}

TEST_F(CliFacedataDoctor, SplitsIntoTwoFiles) {
  write_set(10);
  const Outcome outcome =
      run_tool("facedata", {"split", at("a.sgd"), "--train", at("x.sgd"), "--test", at("y.sgd")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "train       8 faces of 4 people")) << outcome.out;
  const FaceSet train(folder / "x.sgd"), test(folder / "y.sgd");
  EXPECT_EQ(train.count(), 8);
  EXPECT_EQ(train.indices(true).size(), 8u);
  EXPECT_EQ(test.count(), 2);
  EXPECT_EQ(test.indices(false).size(), 2u);
  EXPECT_EQ(train.recipe(), test.recipe());
}

TEST_F(CliFacedataDoctor, SplitsThatCannotBe) {
  write_set(4, [](int, FaceRecord& record, std::vector<uint8_t>&) { record.person = -1; });
  expect_refused("facedata", {"split", at("a.sgd")}, 1, "names no person; use --by image");
  expect_refused("facedata", {"split", at("a.sgd"), "--train", at("x.sgd")}, 2, "go together");
  expect_refused("facedata", {"split", at("a.sgd"), "--train", at("x.sgd"), "--test", at("x.sgd")}, 2,
                 "the same file");
  expect_refused(
      "facedata",
      {"split", at("a.sgd"), "--by", "image", "--share", "1", "--train", at("x.sgd"), "--test", at("y.sgd")},
      1, "no face is left to test with");
  expect_refused("facedata", {"split", at("a.sgd"), "--by", "image", "--out", at("a.sgd")}, 1,
                 "exists already");
  expect_refused("facedata", {"split", at("a.sgd"), "--share", "nan"}, 2, "--share");
  expect_refused("facedata", {"split", at("none.sgd")}, 1, "none.sgd");
  const std::string before = text_of(folder / "a.sgd");
  EXPECT_EQ(run_tool("facedata", {"split", at("a.sgd"), "--by", "image"}, 1000).code, 1);  // disk full
  EXPECT_EQ(text_of(folder / "a.sgd"), before);
  expect_whole_files(folder.path());
}

}  // namespace
}  // namespace sga
