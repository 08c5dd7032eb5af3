#include "tools/facedata.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <numeric>
#include <thread>

#include "engine/random.h"
#include "models/ganimation/csv.h"
#include "models/ganimation/face_set.h"
#include "models/ganimation/openface.h"
#include "models/ganimation/random_faces.h"
#include "tools/progress.h"

namespace sga {
namespace {

struct SynthesizeOptions {
  CommonOptions common;
  std::string images;
  int64_t count = 0, size = 128, people = 0;
  double split = 0.8;
  int threads = 0;
};

constexpr const char *kLabelFile = "openface.csv", *kPeopleFile = "people.csv";
constexpr int64_t kFacesOfOne = 8;  // of a person, unless --people says otherwise

/// Who shows what in which picture.
struct Plan {
  std::vector<FaceRecord> records;
  std::vector<uint64_t> people, scenes;  // seeds
};

Plan plan(const SynthesizeOptions& o) {
  const int64_t people =
      o.people > 0 ? o.people : std::max<int64_t>(1, (o.count + kFacesOfOne / 2) / kFacesOfOne);
  // The last people are for tests: nobody is on both sides, unless there is but one.
  const auto first_of_test = [&](int64_t n) {
    const auto test = static_cast<int64_t>(std::llround((1 - o.split) * static_cast<double>(n)));
    return o.split < 1 && o.split > 0 && n > 1 ? std::clamp<int64_t>(n - test, 1, n - 1) : n - test;
  };
  const int64_t test_person = first_of_test(people), test_face = first_of_test(o.count);
  // What is shown follows a schedule (random_action_units); shuffled, it has nothing to do with who shows it.
  const Rng root(o.common.seed);
  const auto shuffled = [&](uint64_t label) {
    Rng rng = root.fork(label);
    std::vector<int64_t> order(static_cast<size_t>(o.count));
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = order.size(); i-- > 1;) std::swap(order[i], order[rng.below(i + 1)]);
    return order;
  };
  const std::vector<int64_t> positions = shuffled(0), turns = shuffled(1);
  Rng person_seeds = root.fork(2), scene_seeds = root.fork(3);

  Plan plan;
  std::vector<uint64_t> seeds(static_cast<size_t>(people));
  for (uint64_t& seed : seeds) seed = person_seeds.below(uint64_t{1} << 62);
  for (int64_t i = 0; i < o.count; ++i) {
    FaceRecord record;
    char name[64];
    std::snprintf(name, sizeof name, "face%07lld.png", static_cast<long long>(i));
    record.name = name;
    record.person = turns[static_cast<size_t>(i)] % people;
    record.labels = random_action_units(o.common.seed, positions[static_cast<size_t>(i)]);
    record.train = people > 1 ? record.person < test_person : i < test_face;
    plan.people.push_back(seeds[static_cast<size_t>(record.person)]);
    plan.scenes.push_back(scene_seeds.below(uint64_t{1} << 62));
    plan.records.push_back(std::move(record));
  }
  return plan;
}

void save_face(const fs::path& file, const std::vector<uint8_t>& rgb, int64_t size) {
  Image image{size, size, 3, std::vector<float>(rgb.size())};
  std::transform(rgb.begin(), rgb.end(), image.pixels.begin(),
                 [](uint8_t v) { return static_cast<float>(v) / 255; });
  save_png(file, image);
}

/// Draws all faces with several threads, a block at a time, and adds them in order.
void draw_all(const Plan& plan, const SynthesizeOptions& o, FaceSetWriter& writer) {
  const unsigned cores = std::clamp(std::thread::hardware_concurrency(), 1u, 16u);
  const size_t threads = o.threads > 0 ? static_cast<size_t>(o.threads) : cores;
  Progress progress(o.count, "drawing faces", o.common.quiet);
  const size_t block = 8 * threads;
  for (size_t begin = 0; begin < plan.records.size(); begin += block) {
    std::vector<std::vector<uint8_t>> faces(std::min(block, plan.records.size() - begin));
    std::atomic<size_t> next = 0;
    std::vector<std::exception_ptr> failures(threads);  // one a thread
    std::vector<std::jthread> workers;
    for (size_t t = 0; t < threads; ++t)
      workers.emplace_back([&, t] {
        try {
          for (size_t k; !interrupted() && (k = next++) < faces.size();) {
            const size_t i = begin + k;
            faces[k] = render_face(random_identity(plan.people[i]), random_scene(plan.scenes[i]),
                                   plan.records[i].labels, o.size);
            if (!o.images.empty()) save_face(fs::path(o.images) / plan.records[i].name, faces[k], o.size);
          }
        } catch (...) {
          failures[t] = std::current_exception();
        }
      });
    workers.clear();  // joins
    for (const std::exception_ptr& failure : failures)
      if (failure) std::rethrow_exception(failure);
    if (interrupted()) throw Interrupted("interrupted; no .sgd file was written");
    for (size_t k = 0; k < faces.size(); ++k) writer.add(plan.records[begin + k], faces[k]);
    progress.advance(static_cast<int64_t>(faces.size()));
  }
}

void write_tables(const Plan& plan, const fs::path& folder) {
  std::string labels = openface_header(), people = "image,identity\n";
  for (const FaceRecord& record : plan.records) {
    labels += openface_line(record.name, record.confidence, record.labels);
    people += record.name + "," + std::to_string(record.person) + "\n";
  }
  write_file(folder / kLabelFile, labels);
  write_file(folder / kPeopleFile, people);
}

void synthesize(const SynthesizeOptions& o) {
  const fs::path out = o.common.out, images = o.images;
  if (o.people > o.count)
    throw UsageError("--people " + std::to_string(o.people) + " is more than --count " +
                     std::to_string(o.count) + "; every person needs a face");
  std::error_code ignored;
  SGA_CHECK(o.common.force || !fs::exists(out, ignored), out, " exists already; add --force to replace it");
  SGA_CHECK(o.images.empty() || !fs::exists(images, ignored) || fs::is_directory(images, ignored), images,
            " is no folder; give --images a new or an empty one");
  SGA_CHECK(
      o.images.empty() || o.common.force || !fs::exists(images, ignored) || fs::is_empty(images, ignored),
      images, " holds files already; give --images a new or an empty folder, or add --force");
  FaceSetWriter writer(out, {"landmarks", CropRecipe{}.margin, o.size});
  if (!o.images.empty()) make_folder(images);
  const Plan faces = plan(o);
  draw_all(faces, o, writer);
  if (!o.images.empty()) write_tables(faces, images);
  writer.finish();

  const int64_t train = std::ranges::count_if(faces.records, &FaceRecord::train);
  std::printf("drawn    %6lld  faces of %lld people (%lld to train, %lld to test) into %s\n",
              static_cast<long long>(o.count),
              static_cast<long long>(std::ranges::max(faces.records, {}, &FaceRecord::person).person + 1),
              static_cast<long long>(train), static_cast<long long>(o.count - train), out.c_str());
}

}  // namespace

void declare_facedata_synthesize(CLI::App& app) {
  auto o = std::make_shared<SynthesizeOptions>();
  CLI::App* sub = app.add_subcommand("synthesize", "Draw faces whose action units are known exactly");
  sub->add_option("--out", o->common.out, "The .sgd file to write")->required();
  sub->add_flag("--force", o->common.force, "Replace --out, and files of --images, if they exist");
  sub->add_option("--count", o->count, "Faces")->required()->check(CLI::Range(1, 10'000'000));
  sub->add_option("--size", o->size, "Side of a face, pixels")
      ->check(CLI::Range(16, 1024))
      ->capture_default_str();
  sub->add_option("--people", o->people, "People who show them; 0: one for every 8 faces")
      ->check(CLI::Range(0, 10'000'000))
      ->capture_default_str();
  sub->add_option("--split", o->split, "Share of the people to train on")
      ->check([](const std::string& text) {
        double v = 0;
        return parse_number(text, v) && v >= 0 && v <= 1 ? "" : "'" + text + "' is not a number from 0 to 1";
      })
      ->capture_default_str();
  sub->add_option("--images", o->images,
                  "Folder to write the faces to as well, as PNG with openface.csv and people.csv");
  sub->add_option("--threads", o->threads, "Threads; 0 means one a core")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  sub->add_flag("--quiet", o->common.quiet, "No progress on stderr");
  add_seed_option(*sub, o->common);
  sub->callback([o] { synthesize(*o); });
}

}  // namespace sga
