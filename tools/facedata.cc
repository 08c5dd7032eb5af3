// facedata: turns photographs and OpenFace labels into one file of cut, labelled, split faces.
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
#include "tools/command.h"
#include "tools/face_detector.h"
#include "tools/face_sources.h"
#include "tools/facedata_synthesize.h"
#include "tools/gzip.h"
#include "tools/page.h"
#include "tools/progress.h"

namespace sga {
namespace {

struct PrepareOptions {
  CommonOptions common;
  std::string images, labels, landmarks, identity;
  int64_t size = 128, limit = 0;
  double confidence = 0.88, margin = 1.5, split = 0.8;
  bool skip_missing = false;
  int threads = 0;
};

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
};

/// What came of it: pixels, or why there are none.
struct Outcome {
  std::vector<uint8_t> rgb;
  std::string kind, detail;
};

Outcome cut(const PictureSource& pictures, const Job& job, const CropRecipe& recipe, FaceDetector* detector) {
  Image photo;
  try {
    photo = convert_channels(decode_image(pictures.read(job.picture), pictures.name(job.picture)), 3);
  } catch (const Error& error) {
    return {{}, "cannot be decoded", error.what()};
  }  // what else is thrown, out of memory before all, reaches cut_all
  try {
    FaceBox box;
    if (job.landmarks) {
      box = box_from_landmarks(*job.landmarks, recipe.margin);
    } else {
      const std::vector<FaceRectangle> faces = detector->detect(photo);
      if (faces.empty()) return {{}, "no face found", ""};
      box = box_from_detection(faces[0], recipe.margin);
    }
    const Image face = crop_face(photo, box, recipe.size);
    Outcome outcome;
    for (float v : face.pixels) outcome.rgb.push_back(static_cast<uint8_t>(std::lround(v * 255)));
    return outcome;
  } catch (const Error& error) {
    return {{}, "face lies outside the picture", error.what()};
  }
}

/// splitmix64 of the seed and every character: spreads people evenly, the same on every machine.
uint64_t scatter(uint64_t seed, const std::string& key) {
  uint64_t h = seed;
  for (unsigned char c : key + '\n') {
    h += c + 0x9e3779b97f4a7c15;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
    h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
    h ^= h >> 31;
  }
  return h;
}

/// Marks whole people (pictures where the person is unknown), in scattered order, as training faces until
/// `share` of the pictures is reached; the rest are for tests.
void split(std::vector<Job>& jobs, double share, uint64_t seed) {
  const auto group = [](const Job& job) {
    return job.record.person >= 0 ? "person " + std::to_string(job.record.person)
                                  : "picture " + job.record.name;
  };
  std::map<std::string, int64_t> sizes;
  for (const Job& job : jobs) ++sizes[group(job)];
  std::vector<std::pair<uint64_t, std::string>> order;
  for (const auto& [name, size] : sizes) order.emplace_back(scatter(seed, name), name);
  std::sort(order.begin(), order.end());
  std::set<std::string> train;
  double taken = 0;
  for (const auto& [hash, name] : order) {
    if (taken + 0.5 * static_cast<double>(sizes[name]) > share * static_cast<double>(jobs.size())) break;
    taken += static_cast<double>(sizes[name]);
    train.insert(name);
  }
  for (Job& job : jobs) job.record.train = train.contains(group(job));
}

/// Brings pictures, labels, landmarks and people together; what does not fit is rejected.
std::vector<Job> plan(const PrepareOptions& options, const PictureSource& pictures, Rejects& rejects) {
  FaceLabels labels = read_labels(options.labels);
  std::unordered_map<std::string, Landmarks> landmarks;
  std::unordered_map<std::string, int64_t> people;
  if (!options.landmarks.empty()) {
    std::vector<RejectedRow> bad;
    const std::string name = fs::path(options.landmarks).filename().string();
    for (auto& [image, points] :
         parse_landmarks(gunzip_if_needed(read_file(options.landmarks), name), name, bad))
      landmarks.emplace(picture_key(image), points);
    for (const RejectedRow& row : bad)
      rejects.add(row.image, "bad landmarks", "line " + std::to_string(row.line));
  }
  if (!options.identity.empty()) {
    const std::string name = fs::path(options.identity).filename().string();
    for (auto& [image, person] : parse_identities(gunzip_if_needed(read_file(options.identity), name), name))
      people.emplace(picture_key(image), person);
  }
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
    if (!seen.insert(key).second) {
      rejects.add(name, "second picture of that name");
    } else if (label == labels.by_key.end()) {
      if (!bad_rows.contains(key)) rejects.add(name, "no label");
    } else if (label->second.row.confidence < options.confidence) {
      rejects.add(name, "low confidence", std::to_string(label->second.row.confidence));
    } else if (!options.landmarks.empty() && !landmarks.contains(key)) {
      rejects.add(name, "no landmarks");
    } else if (options.landmarks.empty() && label->second.faces > 1) {
      rejects.add(name, "several faces", "without landmarks nothing tells which of them the label is for");
    } else if (options.limit == 0 || static_cast<int64_t>(jobs.size()) < options.limit) {
      Job job{i,
              {name, label->second.row.action_units(), static_cast<float>(label->second.row.confidence), -1,
               true},
              {}};
      if (const auto person = people.find(key); person != people.end()) job.record.person = person->second;
      if (const auto points = landmarks.find(key); points != landmarks.end()) job.landmarks = points->second;
      jobs.push_back(std::move(job));
    }
  }
  std::vector<std::string> missing;
  for (const std::string& key : labels.order)
    if (!seen.contains(key)) missing.push_back(labels.by_key.at(key).row.image);
  SGA_CHECK(missing.empty() || options.skip_missing, "labels: ", missing.size(), " of ", labels.order.size(),
            " name pictures that are not in ", options.images, ", the first is ",
            missing.empty() ? "" : missing[0], "; add --skip-missing to go on without them");
  for (const std::string& image : missing) rejects.add(image, "label of a missing picture");
  split(jobs, options.split, options.common.seed);
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
  const CropRecipe recipe{options.landmarks.empty() ? "detector" : "landmarks", options.margin, options.size};
  FaceSetWriter writer(out, recipe);  // before any work: tells at once if nothing can be written there

  const PictureSource pictures(options.images);
  Rejects rejects;
  const std::vector<Job> jobs = plan(options, pictures, rejects);
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

struct InfoOptions {
  std::string file, sheet;
  int64_t count = 40;
};

void info(const InfoOptions& options) {
  const FaceSet set(options.file);
  std::set<int64_t> people;
  for (int64_t i = 0; i < set.count(); ++i) people.insert(set.record(i).person);
  people.erase(-1);
  std::printf("faces   %lld (%lld to train, %lld to test)\npeople  %s\nrecipe  %s\npixels  %s\n\n",
              static_cast<long long>(set.count()), static_cast<long long>(set.indices(true).size()),
              static_cast<long long>(set.indices(false).size()),
              people.empty() ? "unknown" : std::to_string(people.size()).c_str(),
              to_text(set.recipe()).c_str(), set.pixels_intact() ? "intact" : "DAMAGED");
  std::printf("AU  mean   share>0.2  99th percentile\n");
  for (size_t a = 0; a < kActionUnitCount; ++a) {
    std::vector<float> values;
    double sum = 0, active = 0;
    for (int64_t i = 0; i < set.count(); ++i) {
      values.push_back(set.record(i).labels[a]);
      sum += values.back();
      active += values.back() > 0.2f;
    }
    const auto rank = static_cast<std::ptrdiff_t>(0.99 * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + rank, values.end());
    const auto n = static_cast<double>(set.count());
    std::printf("%-3d %.3f  %.3f      %.3f            %s\n", kActionUnitNumbers[a], sum / n, active / n,
                static_cast<double>(values[static_cast<size_t>(rank)]),
                action_unit_name(static_cast<int>(a)));
  }
  if (!options.sheet.empty()) {
    std::vector<Image> faces;
    std::vector<std::string> names;
    const int64_t n = std::min(options.count, set.count());
    for (int64_t k = 0; k < n; ++k) {  // spread over the whole set
      faces.push_back(set.image(k * set.count() / n));
      names.push_back(set.record(k * set.count() / n).name);
    }
    save_png(options.sheet, contact_sheet(faces, 10, names));
  }
  SGA_CHECK(set.pixels_intact(), "face set ", options.file, ": damaged, the checksum of its pixels is wrong");
}

/// CLI::Range lets NaN through.
CLI::Validator number_in(int low, int high) {
  const std::string range = std::to_string(low) + " to " + std::to_string(high);
  return {[=](std::string& text) {
            double v = 0;
            return parse_number(text, v) && v >= low && v <= high
                       ? ""
                       : "'" + text + "' is not a number from " + range;
          },
          range};
}

void declare(CLI::App& app) {
  auto prepare_options = std::make_shared<PrepareOptions>();
  PrepareOptions& p = *prepare_options;
  CLI::App* prepare_app =
      app.add_subcommand("prepare", "Cut, label and split the faces of a data set into one .sgd file");
  prepare_app->add_option("--images", p.images, "Folder or tar archive with JPEG, PNG or BMP pictures")
      ->required();
  prepare_app
      ->add_option("--labels", p.labels,
                   "OpenFace CSV with an image column, or a folder with one CSV a picture")
      ->required();
  prepare_app->add_option("--out", p.common.out, "The .sgd file to write")->required();
  prepare_app->add_flag("--force", p.common.force, "Replace --out if it exists");
  prepare_app->add_option("--size", p.size, "Side of a cut face, pixels")
      ->check(CLI::Range(16, 1024))
      ->capture_default_str();
  prepare_app->add_option("--landmarks", p.landmarks,
                          "CSV image,x_0..x_67,y_0..y_67 in pixels; without it faces are searched for");
  prepare_app->add_option("--identity", p.identity,
                          "CSV image,identity: nobody is both in training and test");
  prepare_app->add_option("--confidence", p.confidence, "Least confidence of a label")
      ->check(number_in(0, 1))
      ->capture_default_str();
  prepare_app->add_option("--margin", p.margin, "Side of the cut / larger side of the landmarks")
      ->check(number_in(1, 4))
      ->capture_default_str();
  prepare_app->add_option("--split", p.split, "Share of the pictures to train on")
      ->check(number_in(0, 1))
      ->capture_default_str();
  prepare_app->add_option("--limit", p.limit, "Use only the first so many pictures; 0 means all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  prepare_app->add_option("--threads", p.threads, "Threads; 0 means one a core")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  prepare_app->add_flag("--skip-missing", p.skip_missing, "Leave out labels whose picture is missing");
  prepare_app->add_flag("--quiet", p.common.quiet, "No progress on stderr");
  add_seed_option(*prepare_app, p.common);
  prepare_app->callback([prepare_options] { prepare(*prepare_options); });

  declare_facedata_synthesize(app);

  auto info_options = std::make_shared<InfoOptions>();
  CLI::App* info_app = app.add_subcommand("info", "Say what a .sgd file holds, and check it");
  info_app->add_option("data,--data", info_options->file, "The .sgd file")->required();
  info_app->add_option("--sheet", info_options->sheet, "Also write a PNG of some faces");
  info_app->add_option("--count", info_options->count, "Faces on it")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  info_app->callback([info_options] { info(*info_options); });
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  return sga::run_tool(argc, argv, {"facedata", "Makes face data sets for GANimation.", "--threads"},
                       sga::declare);
}
