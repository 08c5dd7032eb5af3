// One training of singan train, by any method, in the folder of its run.
#pragma once
#include <memory>
#include <string>

#include "models/consingan/config.h"
#include "models/gpnn/model.h"
#include "models/singan/config.h"
#include "tools/command.h"
#include "tools/run_folder.h"

namespace sga {

struct TrainOptions {
  CommonOptions common;
  std::string method = "singan", image, images, channels = "auto", bits = "auto", preset = "standard",
              warm_start;
  int64_t iterations = 0, critic_steps = 0, plateau = 0, save_every = 0, crop = 0, together = 0;
  bool forecast = false;
  bool noise_padding = false;
  singan::PyramidOptions pyramid;
  consingan::Config consingan;  ///< what only this method has
  gpnn::Config gpnn;            ///< what only this method has
};

class Training {
 public:
  virtual ~Training() = default;
  virtual bool finished() const = 0;
  /// One iteration. Writes its losses, and pictures, page, model and checkpoint where they are due.
  virtual void advance() = 0;
  /// Saves everything; to be called once, at the end or where it was interrupted.
  virtual void close() = 0;
  virtual int64_t step() const = 0;   ///< iterations done, over all levels
  virtual int64_t steps() const = 0;  ///< of how many
  virtual int64_t bytes() const = 0;  ///< that the process needs for what is left of it, about
  virtual std::string note() const = 0;
  virtual std::string summary() const = 0;  ///< one line for the end
};

/// Options of singan train in `sub`, but for --images.
void add_training_options(CLI::App& sub, TrainOptions& options);
/// UsageError naming an option that another method has: it would have no effect.
void refuse_options_of_others(const TrainOptions& options, const CLI::App& app);
/// The option --warm-start, for RunFolder::configure.
InputFile warm_start_file();
/// Makes or opens the run that `options`, filled from `app`, describe. Bad input is an Error before the
/// folder is made; DoesNotFit among it, if it takes more than `available` bytes (below 0: unknown). `beside`:
/// other trainings take turns with it. Empty if there is nothing to train: with --forecast, which is printed,
/// and with methods that need no training, whose files are written.
std::unique_ptr<Training> open_training(TrainOptions& options, CLI::App& app, int64_t available,
                                        bool beside = false);

/// All pictures of a folder, a run in a folder of its own for each.
void train_many(TrainOptions& options, CLI::App& app);

}  // namespace sga
