// facedata prepare: photographs and labels become one file of cut, labelled, split faces.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "models/ganimation/csv.h"
#include "models/ganimation/face_set.h"
#include "models/ganimation/face_split.h"
#include "tools/face_detector.h"
#include "tools/face_labels.h"
#include "tools/face_layouts.h"
#include "tools/facedata.h"
#include "tools/gzip.h"
#include "tools/progress.h"

namespace sga {
namespace {

struct PrepareOptions {
  CommonOptions common;
  std::string images, layout = "plain", labels, landmarks, identity, crop, frames = "auto",
                      missing_aus = "refuse";
  int64_t size = 128, limit = 0;
  double confidence = 0.88, margin = 1.5;
  std::optional<double> split;
  int threads = 0;
};

constexpr double kDefaultSplit = 0.8;

/// Why pictures and rows were left out: a short kind to count by, and the details of each.
struct Rejects {
  struct Item {
    std::string image, kind, detail;
  };
  std::vector<Item> items;

  void add(std::string image, std::string kind, std::string detail = "") {
    items.push_back({std::move(image), std::move(kind), std::move(detail)});
  }
  void print() const {
    std::map<std::string, int> counts;
    for (const Item& item : items) ++counts[item.kind];
    for (const auto& [kind, count] : counts) std::printf("  rejected %6d  %s\n", count, kind.c_str());
  }
  void write(const fs::path& path) const {
    std::string text = "image,reason,detail\n";
    for (const Item& item : items)
      text += csv_cell(item.image) + "," + csv_cell(item.kind) + "," + csv_cell(item.detail) + "\n";
    write_file(path, text);
  }
};

/// A picture that is to be cut.
struct Job {
  size_t picture;
  FaceRecord record;
  std::optional<Landmarks> landmarks;
  std::optional<FaceAnchors> anchors;
};

/// What came of it: pixels, or why there are none.
struct Outcome {
  std::vector<uint8_t> rgb;
  std::string kind, detail;
};

/// Where the face is in its picture, or why it is not known.
FaceBox find_face(const Image& photo, const Job& job, const CropRecipe& recipe, FaceDetector* detector,
                  Outcome& outcome) {
  if (recipe.mode == "picture") return box_of_picture(photo, recipe);
  FaceBox box;
  if (job.landmarks) {
    box = box_from_landmarks(*job.landmarks, recipe);
  } else if (job.anchors) {
    box = box_from_anchors(*job.anchors, recipe.margin);
  } else {
    const std::vector<FaceRectangle> faces = detector->detect(photo);
    if (faces.empty()) {
      outcome.kind = "no face found";
      return box;
    }
    return box_from_detection(faces[0], recipe);
  }
  // Points of another picture, such as the video frame that this face was once cut from.
  const Point middle = to_photo(box, 0.5, 0.5);
  SGA_CHECK(middle.x >= 0 && middle.y >= 0 && middle.x <= static_cast<double>(photo.width) &&
                middle.y <= static_cast<double>(photo.height),
            "face crop: its landmarks lie around x ", middle.x, ", y ", middle.y, ", outside the picture of ",
            photo.width, "x", photo.height, " pixels");
  return box;
}

Outcome cut(const PictureSource& pictures, const Job& job, const CropRecipe& recipe, FaceDetector* detector) {
  Image photo;
  try {
    photo = convert_channels(decode_image(pictures.read(job.picture), pictures.name(job.picture)), 3);
  } catch (const Error& error) {
    return {{}, "cannot be decoded", error.what()};
  }  // what else is thrown, out of memory before all, reaches cut_all
  try {
    Outcome outcome;
    const FaceBox box = find_face(photo, job, recipe, detector, outcome);
    if (!outcome.kind.empty()) return outcome;
    const Image face = crop_face(photo, box, recipe.size);
    for (float v : face.pixels) outcome.rgb.push_back(static_cast<uint8_t>(std::lround(v * 255)));
    return outcome;
  } catch (const Error& error) {
    return {{},
            recipe.mode == "picture" ? "not of the recipe's shape" : "face lies outside the picture",
            error.what()};
  }
}

/// What lies beside the pictures, by picture_key.
struct Sources {
  FaceLayout layout;
  FaceLabels labels;
  std::unordered_map<std::string, Landmarks> landmarks;
  bool has_landmarks = false;
};

Sources read_sources(const PrepareOptions& options, FaceLayout layout, const PictureSource& pictures,
                     Rejects& rejects) {
  Sources s;
  s.layout = std::move(layout);
  s.labels =
      read_labels({options.labels.empty() ? s.layout.labels : fs::path(options.labels),
                   options.missing_aus == "zero" ? MissingAus::zero : MissingAus::refuse, options.frames},
                  pictures);
  if (!options.landmarks.empty()) {
    std::vector<RejectedRow> bad;
    const std::string name = fs::path(options.landmarks).filename().string();
    for (auto& [image, points] :
         parse_landmarks(gunzip_if_needed(read_file(options.landmarks), name), name, bad))
      s.landmarks.emplace(picture_key(image), points);
    for (const RejectedRow& row : bad)
      rejects.add(row.image, "bad landmarks", "line " + std::to_string(row.line));
    s.has_landmarks = true;
  } else if (s.labels.has_landmarks) {
    for (const auto& [key, label] : s.labels.by_key)
      if (label.row.landmarks) s.landmarks.emplace(key, *label.row.landmarks);
    s.has_landmarks = true;
  }
  if (!options.identity.empty()) {
    s.layout.people.clear();
    const std::string name = fs::path(options.identity).filename().string();
    for (auto& [image, person] : parse_identities(gunzip_if_needed(read_file(options.identity), name), name))
      s.layout.people.emplace(picture_key(image), person);
  }
  return s;
}

CropRecipe recipe_for(const PrepareOptions& options, const Sources& sources) {
  CropRecipe recipe{"", options.margin, options.size,
                    options.crop.empty() ? sources.layout.crop : options.crop};
  const bool anchors = recipe.crop == "eyes" && !sources.layout.anchors.empty();
  if (recipe.crop == "whole" || recipe.crop == "thesis")
    recipe.mode = "picture";
  else
    recipe.mode = sources.has_landmarks || anchors ? "landmarks" : "detector";
  return recipe;
}

/// Brings pictures, labels, landmarks and people together; what does not fit is rejected.
std::vector<Job> plan(const PrepareOptions& options, const PictureSource& pictures, const Sources& sources,
                      const CropRecipe& recipe, Rejects& rejects) {
  const FaceLabels& labels = sources.labels;
  const bool own_split = !options.split && !sources.layout.train.empty();
  std::set<std::string> bad_rows;
  for (const RejectedRow& row : labels.rejected) {
    rejects.add(row.image, "bad label",
                row.reason + (row.line ? " (line " + std::to_string(row.line) + ")" : ""));
    bad_rows.insert(picture_key(row.image));
  }

  std::vector<Job> jobs;
  std::set<std::string> seen;
  for (size_t i = 0; i < pictures.count(); ++i) {
    const std::string& name = pictures.name(i);
    const std::string key = picture_key(name);
    const auto label = labels.by_key.find(key);
    const auto points = sources.landmarks.find(key);
    const auto anchors = sources.layout.anchors.find(key);
    const bool known =
        sources.has_landmarks ? points != sources.landmarks.end() : anchors != sources.layout.anchors.end();
    if (!seen.insert(key).second) {
      rejects.add(name, "second picture of that name");
    } else if (label == labels.by_key.end()) {
      if (!bad_rows.contains(key)) rejects.add(name, "no label");
    } else if (label->second.row.confidence < options.confidence) {
      rejects.add(name, "low confidence", std::to_string(label->second.row.confidence));
    } else if (recipe.mode == "landmarks" && !known) {
      rejects.add(name, "no landmarks");
    } else if (recipe.mode != "landmarks" && label->second.faces > 1) {
      rejects.add(name, "several faces", "without landmarks nothing tells which of them the label is for");
    } else if (own_split && !sources.layout.train.contains(key)) {
      rejects.add(name, "on neither side of the data set's own split");
    } else if (options.limit == 0 || static_cast<int64_t>(jobs.size()) < options.limit) {
      Job job{i,
              {name, label->second.row.action_units(), static_cast<float>(label->second.row.confidence), -1,
               true},
              {},
              {}};
      if (const auto person = sources.layout.people.find(key); person != sources.layout.people.end())
        job.record.person = person->second;
      if (own_split) job.record.train = sources.layout.train.at(key);
      if (recipe.mode == "landmarks" && sources.has_landmarks)
        job.landmarks = points->second;
      else if (recipe.mode == "landmarks")
        job.anchors = anchors->second;
      jobs.push_back(std::move(job));
    }
  }
  size_t missing = 0;
  for (const std::string& key : labels.order)
    if (!seen.contains(key)) {
      ++missing;
      rejects.add(labels.by_key.at(key).row.image, "label of a missing picture");
    }
  if (2 * missing > labels.order.size())
    std::fprintf(stderr, "warning: %zu of %zu labels name pictures that are not in %s; do the names match?\n",
                 missing, labels.order.size(), options.images.c_str());
  if (!own_split) {
    std::vector<FaceRecord*> faces;
    for (Job& job : jobs) faces.push_back(&job.record);
    split_faces(faces, options.split.value_or(kDefaultSplit), SplitBy::person, options.common.seed);
  }
  return jobs;
}

/// Cuts all jobs with several threads, a block at a time, and adds the faces in order.
void cut_all(const PictureSource& pictures, const std::vector<Job>& jobs, const CropRecipe& recipe,
             int threads, bool quiet, FaceSetWriter& writer, Rejects& rejects) {
  std::vector<std::optional<FaceDetector>> detectors(static_cast<size_t>(threads));
  if (recipe.mode == "detector")
    for (auto& detector : detectors) detector.emplace();
  Progress progress(static_cast<int64_t>(jobs.size()), "cutting faces", quiet);
  constexpr size_t kBlock = 256;
  for (size_t begin = 0; begin < jobs.size(); begin += kBlock) {
    std::vector<Outcome> outcomes(std::min(kBlock, jobs.size() - begin));
    std::atomic<size_t> next = 0;
    std::vector<std::exception_ptr> failures(detectors.size());  // one a thread
    std::vector<std::jthread> workers;
    for (size_t t = 0; t < detectors.size(); ++t)
      workers.emplace_back([&, t] {
        try {
          for (size_t i; !interrupted() && (i = next++) < outcomes.size();)
            outcomes[i] = cut(pictures, jobs[begin + i], recipe, detectors[t] ? &*detectors[t] : nullptr);
        } catch (...) {
          failures[t] = std::current_exception();
        }
      });
    workers.clear();  // joins
    for (const std::exception_ptr& failure : failures)
      if (failure) std::rethrow_exception(failure);
    if (interrupted()) throw Interrupted("interrupted; no file was written");
    for (size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].kind.empty())
        writer.add(jobs[begin + i].record, outcomes[i].rgb);
      else
        rejects.add(jobs[begin + i].record.name, outcomes[i].kind, outcomes[i].detail);
    }
    progress.advance(static_cast<int64_t>(outcomes.size()));
  }
}

void prepare(const PrepareOptions& options) {
  const fs::path out = options.common.out;
  fs::path report = out;
  report.replace_extension(".rejected.csv");
  std::error_code ignored;
  SGA_CHECK(options.common.force || !fs::exists(out, ignored), out,
            " exists already; add --force to replace it");
  const FaceLayout layout = read_layout(options.layout, options.images);
  if (options.labels.empty() && layout.labels.empty())
    throw UsageError("--labels is required: only the layout ganimation brings its own");
  Rejects rejects;
  // Before any work: tells at once if nothing can be written there.
  { BigFileWriter probe(out); }
  const PictureSource pictures(layout.images);
  const Sources sources = read_sources(options, layout, pictures, rejects);
  const CropRecipe recipe = recipe_for(options, sources);
  FaceSetWriter writer(out, recipe);
  if (!sources.labels.matched.empty() && !options.common.quiet)
    std::fprintf(stderr, "frames and pictures are matched by %s\n",
                 sources.labels.matched == "order" ? "order" : "the number in the pictures' names");
  if (!sources.labels.missing_aus.empty()) {
    std::string text;
    for (const int au : sources.labels.missing_aus) text += " " + std::to_string(au);
    std::fprintf(stderr, "warning: the labels have no intensity of AU%s: taken as 0 in every face\n",
                 text.c_str());
  }
  const std::vector<Job> jobs = plan(options, pictures, sources, recipe, rejects);
  const int cores = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
  cut_all(pictures, jobs, recipe, options.threads > 0 ? options.threads : cores, options.common.quiet, writer,
          rejects);
  rejects.write(report);
  rejects.print();
  SGA_CHECK(writer.count() > 0, "no face could be used; ", report, " says why");
  writer.finish();

  const FaceSet set(out);
  std::printf("packed   %6lld  faces of %lld pictures (%lld to train, %lld to test) into %s\n",
              static_cast<long long>(set.count()), static_cast<long long>(pictures.count()),
              static_cast<long long>(set.indices(true).size()),
              static_cast<long long>(set.indices(false).size()), out.c_str());
}

}  // namespace

void declare_facedata_prepare(CLI::App& app) {
  auto options = std::make_shared<PrepareOptions>();
  PrepareOptions& p = *options;
  CLI::App* command =
      app.add_subcommand("prepare", "Cut, label and split the faces of a data set into one .sgd file");
  command
      ->add_option("--images", p.images,
                   "Folder or tar archive with JPEG, PNG or BMP pictures; or see --layout")
      ->required();
  command
      ->add_option("--layout", p.layout,
                   "What --images is: plain, or the folder of a data set as it is published")
      ->check(CLI::IsMember({"plain", "celeba", "raf-db", "ganimation"}))
      ->capture_default_str();
  command->add_option(
      "--labels", p.labels,
      "OpenFace CSV, a folder with one CSV a picture, aus_openface.pkl, aus_dataset.pkl, or lines of a "
      "picture and 17 intensities; not needed with --layout ganimation");
  command
      ->add_option(
          "--frames", p.frames,
          "How the frames of a FeatureExtraction CSV belong to the pictures: number (at the end of their "
          "names), order (of their names), or auto")
      ->check(CLI::IsMember({"auto", "number", "order"}))
      ->capture_default_str();
  command
      ->add_option("--missing-aus", p.missing_aus,
                   "Labels of another tool version without some action units: refuse, or take them as zero")
      ->check(CLI::IsMember({"refuse", "zero"}))
      ->capture_default_str();
  command->add_option("--out", p.common.out, "The .sgd file to write")->required();
  command->add_flag("--force", p.common.force, "Replace --out if it exists");
  command->add_option("--size", p.size, "Side of a cut face, pixels")
      ->check(CLI::Range(16, 1024))
      ->capture_default_str();
  command
      ->add_option(
          "--crop", p.crop,
          "box: upright square; eyes: turned and scaled by eyes and mouth; whole: square pictures as they "
          "are; thesis: CelebA's 178x218 resized as a whole. Empty: what the layout is for, mostly box")
      ->check(CLI::IsMember({"box", "eyes", "whole", "thesis"}));
  command->add_option(
      "--landmarks", p.landmarks,
      "CSV image,x_0..x_67,y_0..y_67 in pixels; without it those of the labels or the layout, or faces "
      "are searched for");
  command->add_option("--identity", p.identity, "CSV image,identity: nobody is both in training and test");
  command->add_option("--confidence", p.confidence, "Least confidence of a label")
      ->check(number_in(0, 1))
      ->capture_default_str();
  command->add_option("--margin", p.margin, "Side of the cut / larger side of the landmarks")
      ->check(number_in(1, 4))
      ->capture_default_str();
  command
      ->add_option("--split", p.split,
                   "Share of the pictures to train on (0.8; a layout with a split of its own: that one)")
      ->check(number_in(0, 1));
  command->add_option("--limit", p.limit, "Use only the first so many pictures; 0 means all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--threads", p.threads, "Threads; 0 means one a core")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  command->add_flag("--quiet", p.common.quiet, "No progress on stderr");
  add_seed_option(*command, p.common);
  command->callback([options] { prepare(*options); });
}

}  // namespace sga
