// singan train --images: a run for each picture of a folder, several taking turns, and a page of all.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <set>

#include "engine/device.h"
#include "engine/image.h"
#include "engine/memory.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"
#include "tools/singan_train_gpnn.h"
#include "tools/singan_training.h"

namespace sga {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPageEvery{10};
constexpr int64_t kTogetherOnGpu = 8;

std::vector<fs::path> pictures_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (has_picture_name(it->path()) && it->is_regular_file(ignored)) found.push_back(it->path());
  }
  SGA_CHECK(!error, "--images: cannot read the folder ", folder.string(), ": ", error.message(),
            "; give a folder of pictures");
  SGA_CHECK(!found.empty(), "--images: the folder ", folder.string(), " holds no PNG, JPEG or BMP picture");
  std::sort(found.begin(), found.end());
  return found;
}

struct Item {
  fs::path picture;
  std::string folder;  // below --out
  std::string state = "waiting";
  std::string failure;
  TrainOptions options;
  std::unique_ptr<CLI::App> app;
  std::unique_ptr<Training> training;
};

// a.png trains in a/, unless a.jpg is there too, or the name is that of a file of the whole run.
std::vector<Item> items_of(const std::vector<fs::path>& pictures) {
  std::map<std::string, int> stems;
  for (const char* reserved : {"lock", "config.json", "index.html", ".", ".."}) stems[reserved] = 2;
  for (const fs::path& p : pictures) ++stems[p.stem().string()];
  std::vector<Item> items(pictures.size());
  for (size_t i = 0; i < items.size(); ++i) {
    const fs::path& p = items[i].picture = pictures[i];
    items[i].folder = stems[p.stem().string()] == 1 ? p.stem().string() : p.filename().string();
  }
  // x.png, x.jpg and x.png.png would still meet.
  std::set<std::string> taken;
  for (Item& item : items)
    while (!taken.insert(item.folder).second) item.folder += "_";
  return items;
}

class TrainingOfMany {
 public:
  TrainingOfMany(const TrainOptions& options, const CLI::App& app, const RunFolder& run)
      : options_(options), app_(app), run_(run), items_(items_of(pictures_in(options.images))) {}

  void train() {
    const int64_t together = options_.together ? options_.together : on_gpu() ? kTogetherOnGpu : 1;
    std::deque<Item*> waiting;
    for (Item& item : items_) waiting.push_back(&item);
    std::vector<Item*> active;
    Progress progress(int64_t(items_.size()) * kParts, "train", options_.common.quiet);
    write_page();
    auto page_due = Clock::now() + kPageEvery;
    int64_t memory = 0;  // that was there while nothing trained
    bool full = false;   // no room for one more until another is done
    while (!active.empty() || !waiting.empty()) {
      while (!waiting.empty() && int64_t(active.size()) < together && !full) {
        Item* item = waiting.front();
        try {
          if (active.empty()) release_cached_memory(), memory = available_memory();
          open(*item, memory < 0 ? memory : std::max<int64_t>(0, memory - promised(active)));
        } catch (const DoesNotFit& error) {
          if (!active.empty()) {
            full = true;
            break;
          }
          give_up(*item, error);
        } catch (const UsageError&) {  // true of all pictures
          throw;
        } catch (const DeviceError&) {
          throw;
        } catch (const LostDevice&) {
          throw;
        } catch (const Interrupted&) {
          throw;
        } catch (const Error& error) {
          give_up(*item, error);
        }
        waiting.pop_front();
        if (!item->training) break;  // it is done, or has failed: say so before the next
        active.push_back(item);
      }
      for (Item*& item : active) {
        try {
          if (!item->training->finished()) item->training->advance();
          if (!item->training->finished()) continue;
          item->training->close();
          item->state = "done";
        } catch (const DeviceError&) {
          throw;
        } catch (const LostDevice&) {
          throw;
        } catch (const Error& error) {  // losses that are not finite
          give_up(*item, error);
        }
        item->training.reset();
        item = nullptr;
        full = false;
      }
      std::erase(active, nullptr);
      progress.set(done_parts(),
                   std::to_string(finished()) + "/" + std::to_string(items_.size()) + " pictures");
      if (interrupted()) {
        for (Item* item : active) item->training->close();
        write_page();
        throw Interrupted();
      }
      if (Clock::now() >= page_due) {
        write_page();
        page_due = Clock::now() + kPageEvery;
      }
    }
    write_page();
  }

  void tell() const {
    std::string names;
    int64_t failures = 0;
    for (const Item& item : items_) {
      if (item.failure.empty()) continue;
      names += (names.empty() ? "" : ", ") + item.picture.filename().string();
      ++failures;
    }
    SGA_CHECK(failures == 0, failures, " of ", items_.size(), " pictures could not be trained on: ", names,
              "; ", (run_ / "index.html").string(), " says why");
    std::printf("%s: %zu pictures; open %s\n", run_.path().c_str(), items_.size(),
                (run_ / "index.html").c_str());
  }

 private:
  static constexpr int64_t kParts = 1000;  // of a picture, for the progress: they differ in iterations

  // As if `singan train --image PICTURE --out FOLDER` had been called with the options of the whole.
  void open(Item& item, int64_t available) {
    item.app = std::make_unique<CLI::App>("", app_.get_parent()->get_name());
    item.app->option_defaults()->always_capture_default();
    CLI::App* sub = item.app->add_subcommand(app_.get_name(), "");
    add_training_options(*sub, item.options);
    std::vector<std::string> words;
    for (const OptionValue& option : option_values(app_))
      if (option.given && sub->get_option_no_throw("--" + option.name) &&
          !std::set<std::string>{"image", "out", "quiet", "forecast"}.contains(option.name))
        words.push_back("--" + option.name + "=" + option.value);
    for (const std::string& word : {"--image=" + item.picture.string(),
                                    "--out=" + (run_ / item.folder).string(), std::string("--quiet")})
      words.push_back(word);
    words.insert(words.begin(), sub->get_name());
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    item.app->parse(words);
    item.training = open_training(item.options, *sub, available, true);
    item.state = item.training ? "in training" : "done";
  }

  void give_up(Item& item, const Error& error) const {
    item.state = "failed";
    item.failure = error.what();
    std::fprintf(stderr, "%s: %s\n", item.picture.filename().c_str(), error.what());
  }

  // What they will come to need, before they have taken it.
  static int64_t promised(const std::vector<Item*>& active) {
    int64_t sum = 0;
    for (const Item* item : active) sum += item->training->bytes();
    return sum;
  }

  int64_t finished() const {
    return std::count_if(items_.begin(), items_.end(),
                         [](const Item& i) { return i.state == "done" || i.state == "failed"; });
  }
  int64_t done_parts() const {
    int64_t sum = finished() * kParts;
    for (const Item& i : items_)
      if (i.training) sum += i.training->step() * kParts / i.training->steps();
    return sum;
  }

  void write_page() const {
    Page page("Pictures of " + fs::path(options_.images).filename().string());
    if (finished() < int64_t(items_.size())) page.refresh_every(int(kPageEvery.count()));
    page.paragraph(std::to_string(finished()) + " of " + std::to_string(items_.size()) +
                   " pictures are done. A click leads to the page of a picture.");
    for (const Item& item : items_) {
      const std::string name = item.picture.filename().string(), link = item.folder + "/index.html";
      std::vector<Page::Picture> pictures;
      for (const char* file : {"training.png", "sample_000.png", "sample_001.png", "sample_002.png"}) {
        std::error_code ignored;
        if (!item.failure.empty() || !fs::exists(run_ / item.folder / file, ignored)) continue;
        const bool first = pictures.empty();
        pictures.push_back({item.folder + "/" + file, first ? "training picture" : "sample", link});
      }
      page.pictures(name + ": " + item.state, pictures);
      if (!item.failure.empty()) page.paragraph(item.failure);
    }
    page.write(run_ / "index.html");
  }

  const TrainOptions& options_;
  const CLI::App& app_;
  const RunFolder& run_;
  std::vector<Item> items_;
};

}  // namespace

void train_many(TrainOptions& options, CLI::App& app) {
  use_device(options.common);
  if (options.common.out.empty()) throw UsageError("--out is required");
  options.images = fs::absolute(options.images).lexically_normal().string();
  if (options.images.ends_with('/')) options.images.pop_back();
  refuse_options_of_others(options, app);
  if (!continues_run(options.common)) {  // bad input leaves no folder behind
    pictures_in(options.images);
  } else if (stored_option(options.common.out, "images").empty()) {
    throw UsageError("--images: " + options.common.out + " holds a run of one picture; choose another --out");
  }
  if (options.method == "gpnn" ||
      (options.common.resume && stored_option(options.common.out, "method") == "gpnn"))
    set_gpnn_defaults(app);
  RunFolder run(options.common.out, options.common.resume, options.common.force,
                {"singan train", {"index.html"}}, {model_file(options.warm_start)});
  run.configure(app, {"save-every", "together", "images"},
                {{"images", [](const fs::path&) { return "any content"; }}, warm_start_file()});
  use_device(options.common);  // the stored precision, if it was not given
  TrainingOfMany many(options, app, run);
  many.train();
  many.tell();
}

}  // namespace sga
