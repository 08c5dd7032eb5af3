// facedata synthesize as a program: drawn faces with exact labels, ready for training and for the importers.
#include <algorithm>
#include <csignal>
#include <map>
#include <set>

#include "models/ganimation/face_set.h"
#include "models/ganimation/openface.h"
#include "tests/cli.h"

namespace sga {
namespace {

class CliSynthesize : public CliTest {
 protected:
  Words words(const std::string& out, const Words& more = {}, int count = 80, int size = 32) const {
    return Words{"synthesize",         "--out",  at(out), "--count", std::to_string(count), "--size",
                 std::to_string(size), "--quiet"} +
           more;
  }
  Outcome synthesize(const std::string& out, const Words& more = {}, int count = 80, int size = 32) const {
    const Outcome outcome = run_tool("facedata", words(out, more, count, size));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome;
  }
};

TEST_F(CliSynthesize, ASetOfPeopleWhoShowEveryUnit) {
  const Outcome outcome = synthesize("faces.sgd");
  EXPECT_TRUE(contains(outcome.out, "80  faces of 10 people (64 to train, 16 to test)")) << outcome.out;
  const FaceSet set(folder / "faces.sgd");
  ASSERT_EQ(set.count(), 80);
  EXPECT_EQ(to_text(set.recipe()), "mode=landmarks margin=1.5 size=32");
  EXPECT_TRUE(set.pixels_intact());
  std::set<int64_t> train, test;
  std::map<int64_t, int> faces;
  ActionUnits largest{};
  std::set<std::string> pictures;
  for (int64_t i = 0; i < set.count(); ++i) {
    const FaceRecord& r = set.record(i);
    (r.train ? train : test).insert(r.person);
    ++faces[r.person];
    EXPECT_EQ(r.confidence, 1);
    for (size_t k = 0; k < largest.size(); ++k) largest[k] = std::max(largest[k], r.labels[k]);
    pictures.insert({reinterpret_cast<const char*>(set.pixels(i).data()), set.pixels(i).size()});
  }
  EXPECT_EQ(train.size(), 8u);
  EXPECT_EQ(test.size(), 2u);
  for (const int64_t person : test) EXPECT_FALSE(train.contains(person));
  for (const auto& [person, count] : faces) EXPECT_EQ(count, 8);
  for (const float v : largest) EXPECT_EQ(v, 1);
  EXPECT_EQ(pictures.size(), 80u);

  // What a newcomer does next.
  const Outcome training =
      run_tool("ganimation", ganimation_training() + Words{"--steps", "2", "--out", at("run")});
  EXPECT_EQ(training.code, 0) << training.err;
}

TEST_F(CliSynthesize, SameSeedSameBytesWhateverTheThreads) {
  synthesize("a.sgd", {"--threads", "1", "--seed", "7"});
  synthesize("b.sgd", {"--threads", "3", "--seed", "7"});
  synthesize("c.sgd", {"--threads", "1", "--seed", "8"});
  EXPECT_EQ(text_of(folder / "a.sgd"), text_of(folder / "b.sgd"));
  EXPECT_NE(text_of(folder / "a.sgd"), text_of(folder / "c.sgd"));
}

TEST_F(CliSynthesize, PicturesAndTablesForTheImporters) {
  synthesize("faces.sgd", {"--images", at("images"), "--people", "3"}, 20, 200);
  const FaceSet set(folder / "faces.sgd");
  const FaceTable table = parse_openface(text_of(folder / "images/openface.csv"), "openface.csv");
  EXPECT_TRUE(table.rejected.empty());
  ASSERT_EQ(table.rows.size(), 20u);
  const auto people = parse_identities(text_of(folder / "images/people.csv"), "people.csv");
  for (size_t i = 0; i < 20; ++i) {
    const FaceRow& row = table.rows[i];
    const FaceRecord& record = set.record(int64_t(i));
    EXPECT_EQ(row.image, record.name);
    EXPECT_EQ(people.at(row.image), record.person);
    EXPECT_LT(record.person, 3);
    for (size_t k = 0; k < kActionUnitCount; ++k)
      EXPECT_NEAR(row.action_units()[k], record.labels[k], 1e-3);  // the CSV has three digits
    EXPECT_EQ(load_image(folder / "images" / row.image).pixels, set.image(int64_t(i)).pixels);
  }
  expect_whole_files(folder / "images");
  // The detector finds nearly all of them.
  const Outcome prepared =
      run_tool("facedata", {"prepare", "--images", at("images"), "--labels", at("images/openface.csv"),
                            "--identity", at("images/people.csv"), "--size", "32", "--threads", "1",
                            "--quiet", "--out", at("again.sgd")});
  ASSERT_EQ(prepared.code, 0) << prepared.err;
  EXPECT_GE(FaceSet(folder / "again.sgd").count(), 16);
}

TEST_F(CliSynthesize, Splits) {
  const auto trained = [&](const Words& more) {
    synthesize("s.sgd", more + Words{"--force"}, 10);
    return FaceSet(folder / "s.sgd").indices(true).size();
  };
  EXPECT_EQ(trained({"--people", "1"}), 8u);
  EXPECT_EQ(trained({"--people", "2"}), 5u);  // one of two
  EXPECT_EQ(trained({"--people", "10", "--split", "1"}), 10u);
  EXPECT_EQ(trained({"--people", "5", "--split", "0"}), 0u);
}

TEST_F(CliSynthesize, BadOptions) {
  const auto refused = [&](const Words& more, const std::string& part, int code) {
    expect_refused("facedata", Words{"synthesize", "--quiet"} + more, code, part);
  };
  const Words out{"--out", at("x.sgd")};
  refused({"--count", "5"}, "--out", 2);
  refused(out, "--count", 2);
  refused(out + Words{"--count", "0"}, "--count", 2);
  refused(out + Words{"--count", "5", "--size", "8"}, "--size", 2);
  refused(out + Words{"--count", "5", "--size", "2048"}, "--size", 2);
  refused(out + Words{"--count", "5", "--split", "nan"}, "--split", 2);
  refused(out + Words{"--count", "5", "--threads", "-1"}, "--threads", 2);
  refused(out + Words{"--count", "5", "--people", "6"}, "every person needs a face", 2);
  refused({"--count", "5", "--out", at("none/x.sgd")}, "none", 1);

  synthesize("x.sgd", {}, 5);
  refused(out + Words{"--count", "5"}, "add --force to replace it", 1);
  write_text(folder / "file", "a");
  refused({"--out", at("y.sgd"), "--count", "5", "--images", at("file")}, "is no folder", 1);
  refused({"--out", at("y.sgd"), "--count", "5", "--images", folder.path().string()}, "holds files already",
          1);
  expect_full_disk_reported("facedata", {"synthesize", "--quiet", "--count", "5", "--size", "32"}, "full.sgd",
                            {0, 300, 5'000});
}

TEST_F(CliSynthesize, CtrlCLeavesNoFile) {
  const Outcome outcome = [&] {
    ToolProcess process("facedata", words("x.sgd", {"--threads", "1", "--images", at("images")}, 100'000));
    EXPECT_TRUE(process.wait_until([&] { return fs::exists(folder / "images/face0000003.png"); }));
    process.send(SIGINT);
    return process.wait();
  }();
  EXPECT_EQ(outcome.code, 130);
  EXPECT_TRUE(contains(outcome.err, "facedata: interrupted; no .sgd file was written")) << outcome.err;
  EXPECT_FALSE(fs::exists(folder / "x.sgd"));
  EXPECT_FALSE(fs::exists(folder / "images/openface.csv"));
  expect_whole_files(folder.path());
}

}  // namespace
}  // namespace sga
