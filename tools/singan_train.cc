// singan train: learns one picture, level after level, or every picture of a folder.
#include <cstdio>
#include <memory>

#include "engine/memory.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"
#include "tools/singan_training.h"

namespace sga {
namespace {

void train(TrainOptions& options, CLI::App& app) {
  use_device(options.common);  // whose memory is asked for
  const std::unique_ptr<Training> training = open_training(options, app, available_memory());
  if (!training) return;
  {
    Progress progress(training->steps(), "train", options.common.quiet);
    progress.set(training->step());
    while (!training->finished()) {
      training->advance();
      progress.set(training->step(), training->note());
      if (interrupted()) {
        training->close();
        throw Interrupted();
      }
    }
    training->close();
  }
  std::printf("%s\n", training->summary().c_str());
}

}  // namespace

void declare_train(CLI::App& app) {
  auto o = std::make_shared<TrainOptions>();
  CLI::App* sub = app.add_subcommand("train", "Train on one picture, or on each of a folder");
  add_training_options(*sub, *o);
  sub->add_option("--images", o->images,
                  "Folder of pictures to train on, each in a folder of its own below --out")
      ->excludes(sub->get_option("--image"))
      ->excludes(sub->get_option("--forecast"));
  sub->add_option(
         "--together", o->together,
         "Of --images: trainings that take turns; 0: 8 on a GPU, where they run at the same time, 1 on "
         "a processor")
      ->check(CLI::Range(int64_t{0}, int64_t{64}));
  sub->callback([o, sub] {
    if (o->images.empty() && sub->count("--image") == 0 && o->common.resume)
      o->images = stored_option(o->common.out, "images");
    if (o->images.empty() && sub->count("--together") != 0)
      throw UsageError("--together is of the trainings of --images; leave it out");
    o->images.empty() ? train(*o, *sub) : train_many(*o, *sub);
  });
}

}  // namespace sga
