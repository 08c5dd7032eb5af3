// A model's level trained again for painting: to start from pictures in few colours.
#include <chrono>
#include <optional>

#include "engine/image.h"
#include "models/singan/palette.h"
#include "models/singan/training.h"
#include "tools/kmeans.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"

namespace sga {
namespace {

constexpr std::chrono::seconds kSaveEvery{30};
using Clock = std::chrono::steady_clock;

// Colours of the training image at this level, (K,C); or runs of it, see palette.h.
Tensor palette_of(const singan::Model& model, int level, int64_t colours) {
  const Tensor& real = model.reals[size_t(level)];
  const bool official = model.config.resize == singan::ResizeStyle::official;
  const Tensor points =
      official ? singan::runs_of(real) : real.view({real.dim(1) * real.dim(2), real.dim(3)});
  const std::vector<float> centres = kmeans(to_host<float>(points), points.dim(1), colours);
  return from_host<float>({colours, points.dim(1)}, centres);
}

}  // namespace

singan::Model quantized_level(const singan::Model& model, int level, int64_t colours, const RunFolder& run,
                              bool quiet) {
  const fs::path file = run / ("quantized_" + std::to_string(level) + ".safetensors");
  std::optional<singan::Trainer> trainer;
  if (has_checkpoint(file))
    trainer.emplace(load_newest(file));
  else
    trainer.emplace(model, level, palette_of(model, level, colours));
  const auto save = [&] {
    Checkpoint checkpoint;
    trainer->store(checkpoint);
    save_keeping_previous(file, checkpoint);
  };
  if (!trainer->finished()) {
    auto saved = Clock::now();
    Progress progress(model.config.iterations, "train scale " + std::to_string(level), quiet);
    progress.set(trainer->iteration());
    const bool done = trainer->run([&](const singan::Progress& p) {
      progress.set(p.iteration);
      if (interrupted()) return false;
      if (Clock::now() - saved >= kSaveEvery) save(), saved = Clock::now();
      return true;
    });
    save();
    if (!done) throw Interrupted();
  }
  singan::Model painted = trainer->model();
  const Tensor& real = painted.reals[size_t(level)];
  const Tensor& palette = painted.levels.back().palette;
  save_png(run / numbered("colours", level), to_image(painted.config.resize == singan::ResizeStyle::official
                                                          ? singan::to_palette_of_runs(real, palette)
                                                          : singan::to_palette(real, palette)));
  painted.levels.insert(painted.levels.end(), model.levels.begin() + level + 1, model.levels.end());
  return painted;
}

}  // namespace sga
