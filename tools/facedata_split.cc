// facedata split: a packed data set divided anew into training and test faces, in one file or two.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>

#include "models/ganimation/face_set.h"
#include "models/ganimation/face_split.h"
#include "tools/facedata.h"

namespace sga {
namespace {

struct SplitOptions {
  CommonOptions common;
  std::string data, by = "person", train, test;
  double share = 0.8;
};

/// Faces and known people of one side.
struct Side {
  int64_t faces = 0;
  std::set<int64_t> people;
};

void check_free(const std::string& path, bool force) {
  std::error_code ignored;
  SGA_CHECK(force || !fs::exists(path, ignored), path, " exists already; add --force to replace it");
}

void split(const SplitOptions& o) {
  if (o.train.empty() != o.test.empty())
    throw UsageError("--train and --test go together: one file for each side");
  if (!o.train.empty() && !o.common.out.empty())
    throw UsageError("give either --out, one file with both sides, or --train and --test");
  if (!o.train.empty() && o.train == o.test) throw UsageError("--train and --test are the same file");
  for (const std::string& path : {o.common.out, o.train, o.test})
    if (!path.empty()) check_free(path, o.common.force);

  const FaceSet set(o.data);
  const std::string damage = set.damage();
  if (!damage.empty()) std::fprintf(stderr, "warning: %s: %s\n", o.data.c_str(), damage.c_str());
  SGA_CHECK(!damage.empty() || set.pixels_intact(), "face set ", o.data,
            ": damaged, the checksum of its pixels is wrong");
  std::vector<int64_t> chosen;
  std::vector<FaceRecord> records;
  for (int64_t i = 0; i < set.count(); ++i)
    if (std::find(set.damaged().begin(), set.damaged().end(), i) == set.damaged().end()) {
      chosen.push_back(i);
      records.push_back(set.record(i));
    }
  SGA_CHECK(o.by == "image" || std::any_of(records.begin(), records.end(),
                                           [](const FaceRecord& r) { return r.person >= 0; }),
            o.data, " names no person; use --by image");
  std::vector<FaceRecord*> faces;
  for (FaceRecord& r : records) faces.push_back(&r);
  split_faces(faces, o.share, o.by == "person" ? SplitBy::person : SplitBy::image, o.common.seed);

  Side sides[2];
  for (const FaceRecord& r : records) {
    ++sides[r.train].faces;
    if (r.person >= 0) sides[r.train].people.insert(r.person);
  }
  if (o.train.empty()) {
    FaceSetWriter writer(o.common.out.empty() ? o.data : o.common.out, set.recipe());
    for (size_t k = 0; k < chosen.size(); ++k) {
      stop_if_interrupted();
      writer.add(records[k], set.pixels(chosen[k]));
    }
    writer.finish();
  } else {
    for (const bool train : {true, false})
      SGA_CHECK(sides[train].faces > 0, "no face is left ", train ? "to train on" : "to test with", "; of ",
                records.size(), " faces --share ", o.share, " cannot make two files");
    FaceSetWriter train(o.train, set.recipe()), test(o.test, set.recipe());
    for (size_t k = 0; k < chosen.size(); ++k) {
      stop_if_interrupted();
      (records[k].train ? train : test).add(records[k], set.pixels(chosen[k]));
    }
    train.finish();
    test.finish();
  }
  for (const bool train : {true, false}) {
    if (sides[train].faces == 0)
      std::fprintf(stderr, "warning: no face is left %s\n", train ? "to train on" : "to test with");
    std::printf("%-6s %6lld faces of %s people\n", train ? "train" : "test",
                static_cast<long long>(sides[train].faces),
                sides[train].people.empty() && sides[train].faces > 0
                    ? "unknown"
                    : std::to_string(sides[train].people.size()).c_str());
  }
}

}  // namespace

void declare_facedata_split(CLI::App& app) {
  auto o = std::make_shared<SplitOptions>();
  CLI::App* command = app.add_subcommand("split", "Divide a .sgd file anew into training and test faces");
  command->add_option("data,--data", o->data, "The .sgd file; rewritten unless --out or --train is given")
      ->required();
  command->add_option("--share", o->share, "Share of the faces to train on")
      ->check(number_in(0, 1))
      ->capture_default_str();
  command->add_option("--by", o->by, "person: nobody is on both sides; image: faces alone")
      ->check(CLI::IsMember({"person", "image"}))
      ->capture_default_str();
  command->add_option("--out", o->common.out, "Write the file with its new split here instead");
  command->add_option("--train", o->train, "With --test: write the training faces here");
  command->add_option("--test", o->test, "With --train: write the test faces here");
  command->add_flag("--force", o->common.force, "Replace files that exist");
  add_seed_option(*command, o->common);
  command->callback([o] { split(*o); });
}

}  // namespace sga
