// singan train: learns one picture, level after level, in a run folder.
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "engine/image.h"
#include "models/singan/training.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"

namespace sga {
namespace {

constexpr std::chrono::seconds kSaveEvery{30};  // between checkpoints within a level
using Clock = std::chrono::steady_clock;
constexpr int kPageSamples = 6;

struct TrainOptions {
  CommonOptions common;
  std::string image, preset = "default", quality = "standard";
  int64_t iterations = 0, critic_steps = 0;
  bool noise_padding = false;
  singan::PyramidOptions pyramid;
};

singan::Config config_of(const TrainOptions& o) {
  singan::Config config = singan::preset(o.preset);
  const bool official = config.pyramid.official;
  config.pyramid = o.pyramid;
  config.pyramid.official = official;
  if (o.iterations)
    config.iterations = o.iterations;
  else
    singan::set_quality(config, o.quality);
  if (o.critic_steps) config.critic_updates = o.critic_steps;
  config.noise_padding = o.noise_padding;
  config.seed = o.common.seed;
  return config;
}

int64_t step_of(const singan::Trainer& t) {
  return t.model().finished() * t.model().config.iterations + (t.finished() ? 0 : t.iteration());
}

void save_checkpoint_of(const singan::Trainer& trainer, const RunFolder& run) {
  Checkpoint checkpoint;
  trainer.store(checkpoint);
  save_keeping_previous(run.checkpoint(), checkpoint);
}

// The model so far, its pictures and the page.
void publish(const singan::Model& model, const RunFolder& run, const TrainOptions& options) {
  const int finished = model.finished();
  save_png(run / "training.png", to_image(model.image));
  if (finished > 0) {
    singan::save_model(run / kModelFile, model);
    const std::string level = "level_" + std::to_string(finished - 1);
    save_png(run / (level + "_sample.png"), to_image(sample(model, {}, model.config.seed, 0)));
    save_png(run / (level + "_reconstruction.png"), to_image(singan::reconstruction(model)));
  }
  const bool done = finished == model.pyramid.count();

  Page page("SinGAN of " + fs::path(options.image).filename().string());
  auto rows = describe(model);
  rows.insert(rows.begin(), {{"picture", fs::path(options.image).filename().string()},
                             {"preset", options.preset}});  // the same page wherever the picture lies
  page.table(rows);
  page.pictures("Training picture", {{"training.png", text_of(model.pyramid.finest())}});
  if (done) {
    std::vector<Page::Picture> samples;
    for (int i = 0; i < kPageSamples; ++i) {
      const std::string file = numbered("sample", i);
      save_png(run / file, to_image(sample(model, {}, model.config.seed, i)));
      samples.push_back({file, "sample " + std::to_string(i)});
    }
    page.pictures("Random samples", samples);
  } else {
    page.refresh_every(10);
  }
  std::vector<Page::Picture> levels;
  for (int i = 0; i < finished; ++i) {
    const std::string level = "level_" + std::to_string(i), size = text_of(model.size(i));
    levels.push_back(
        {level + "_reconstruction.png", "level " + std::to_string(i) + ", " + size + ": reconstruction"});
    levels.push_back({level + "_sample.png", "level " + std::to_string(i) + ": sample"});
  }
  page.pictures("Level by level", levels);
  const fs::path metrics = run / "metrics.jsonl";
  page.curves("Reconstruction loss", read_metrics(metrics, "step", {"g_rec"}), "iteration over all levels");
  page.curves("Critic", read_metrics(metrics, "step", {"d_real", "d_fake", "penalty"}),
              "iteration over all levels");
  page.write(run / "index.html");
}

void train(const TrainOptions& options, CLI::App& app) {
  use_device(options.common);
  const bool goes_on = continues_run(options.common);
  if (app.count("--image") == 0 && !goes_on)
    throw UsageError("--image is required, unless --resume goes on with a run");
  Tensor picture;
  if (!goes_on) {  // refuse bad pictures before the folder is made
    picture = to_tensor(load_image(options.image));
    singan::make_pyramid(picture.dim(1), picture.dim(2), config_of(options).pyramid);
  }
  RunFolder run(options.common.out, options.common.resume, options.common.force,
                {"singan train",
                 {kModelFile, "training.png", "level_#_sample.png", "level_#_reconstruction.png",
                  "sample_#.png", "index.html"}});
  run.configure(app, {}, {{"image"}});
  use_device(options.common);  // the stored precision, if it was not given
  std::optional<singan::Trainer> trainer;
  if (run.resumed() && has_checkpoint(run.checkpoint()))
    trainer.emplace(load_newest(run.checkpoint()));
  else
    trainer.emplace(config_of(options), picture ? picture : to_tensor(load_image(options.image)));
  run.rewind_metrics("step", double(step_of(*trainer)));
  const singan::Model& model = trainer->model();
  const int64_t iterations = model.config.iterations;

  int published = model.finished();
  auto saved = Clock::now();
  if (published == 0) publish(model, run, options);
  {
    Progress progress(iterations * model.pyramid.count(), "train", options.common.quiet);
    progress.set(step_of(*trainer));
    const bool done = trainer->run([&](const singan::Progress& p) {
      const int64_t step = p.level * iterations + p.iteration;
      if (p.measured)
        run.metrics({{"step", double(step)},
                     {"level", double(p.level)},
                     {"d_real", p.losses.d_real},
                     {"d_fake", p.losses.d_fake},
                     {"penalty", p.losses.penalty},
                     {"g_adv", p.losses.g_adv},
                     {"g_rec", p.losses.g_rec}});
      char note[64];
      std::snprintf(note, sizeof note, "level %d/%d  rec %.4f", p.level + 1, p.levels, p.losses.g_rec);
      progress.set(step, note);
      if (model.finished() > published) publish(model, run, options), published = model.finished();
      if (interrupted()) return false;
      if (p.iteration == p.iterations || Clock::now() - saved >= kSaveEvery)
        save_checkpoint_of(*trainer, run), saved = Clock::now();
      return true;
    });
    save_checkpoint_of(*trainer, run);
    if (!done) throw Interrupted();
  }
  publish(model, run, options);
  std::printf("%s: %d levels up to %s; open %s\n", (run / kModelFile).c_str(), model.finished(),
              text_of(model.pyramid.finest()).c_str(), (run / "index.html").c_str());
}

}  // namespace

void declare_train(CLI::App& app) {
  auto o = std::make_shared<TrainOptions>();
  CLI::App* sub = app.add_subcommand("train", "Train on one picture");
  sub->add_option("--image", o->image, "Picture to train on (PNG, JPEG, BMP); --resume: that of the run");
  sub->add_option("--preset", o->preset,
                  "default: the recommended fixes; official: all quirks of the official code")
      ->check(CLI::IsMember({"default", "official"}));
  auto* quality = sub->add_option("--quality", o->quality,
                                  "Iterations per level: quick 150, standard 600, full 2000; with one critic "
                                  "step each, full and the "
                                  "official preset three")
                      ->check(CLI::IsMember({"quick", "standard", "full"}));
  sub->add_option(
         "--iterations", o->iterations,
         "Iterations per level, instead of --quality, with three critic steps each unless --critic-steps "
         "says otherwise; 0: by quality")
      ->check(CLI::Range(int64_t{0}, int64_t{10'000'000}))
      ->excludes(quality);
  sub->add_option("--critic-steps", o->critic_steps,
                  "Critic steps an iteration; 0: as --quality or --iterations says")
      ->check(CLI::Range(int64_t{0}, int64_t{100}));
  sub->add_option("--min-size", o->pyramid.min_size, "Short side of the coarsest level, pixels");
  sub->add_option("--max-size", o->pyramid.max_size, "Longest side of the finest level, pixels");
  sub->add_option("--scale-factor", o->pyramid.scale_factor, "Wanted ratio of neighbouring levels");
  sub->add_flag("--noise-padding", o->noise_padding,
                "Noise beyond the border too, so that in 'singan animate' the border moves like the middle");
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  add_run_options(*sub, o->common);
  sub->callback([o, sub] { train(*o, *sub); });
}

}  // namespace sga
