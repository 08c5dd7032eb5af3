// singan train: learns one picture, level after level, in a run folder.
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "engine/image.h"
#include "models/consingan/training.h"
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
  std::string method = "singan", image, preset = "default", quality = "standard";
  int64_t iterations = 0, critic_steps = 0;
  singan::PyramidOptions pyramid;
  consingan::Config consingan;  // what only this method has
};

template <class Config>
void set_length(Config& config, const TrainOptions& o) {
  if (o.iterations)
    config.iterations = o.iterations;
  else
    set_quality(config, o.quality);
  if (o.critic_steps) config.critic_updates = o.critic_steps;
  config.seed = o.common.seed;
}

singan::Config singan_config(const TrainOptions& o) {
  singan::Config config = singan::preset(o.preset);
  const bool official = config.pyramid.official;
  config.pyramid = o.pyramid;
  config.pyramid.official = official;
  set_length(config, o);
  return config;
}

consingan::Config consingan_config(const TrainOptions& o) {
  consingan::Config config = o.consingan;
  config.min_size = o.pyramid.min_size;
  config.max_size = o.pyramid.max_size;
  set_length(config, o);
  return config;
}

bool is_consingan(const TrainOptions& o) { return o.method == "consingan"; }

// Options of another method would have no effect.
void refuse_options_of_others(const TrainOptions& o, const CLI::App& app) {
  const auto only_with = [&](const char* method, const std::vector<const char*>& names) {
    for (const char* name : names)
      if (o.method != method && app.count(name))
        throw UsageError(std::string(name) + " is an option of --method " + method + ", not of " + o.method +
                         "; leave it out");
  };
  only_with("singan", {"--preset", "--scale-factor"});
  only_with("consingan", {"--stages", "--lr-scale"});
}

template <class Trainer>
int64_t step_of(const Trainer& t) {
  return t.model().finished() * t.model().config.iterations + (t.finished() ? 0 : t.iteration());
}

template <class Trainer>
void save_checkpoint_of(const Trainer& trainer, const RunFolder& run) {
  Checkpoint checkpoint;
  trainer.store(checkpoint);
  save_keeping_previous(run.checkpoint(), checkpoint);
}

// The model so far, its pictures and the page.
template <class Model>
void publish(const Model& model, const RunFolder& run, const TrainOptions& options) {
  const int finished = model.finished();
  save_png(run / "training.png", to_image(model.image));
  if (finished > 0) {
    save_model(run / kModelFile, model);
    const std::string level = "level_" + std::to_string(finished - 1);
    save_png(run / (level + "_sample.png"), to_image(sample(model, {}, model.config.seed, 0)));
    save_png(run / (level + "_reconstruction.png"), to_image(reconstruction(model)));
  }
  const bool done = finished == model.pyramid.count();

  Page page((is_consingan(options) ? "ConSinGAN of " : "SinGAN of ") +
            fs::path(options.image).filename().string());
  auto rows = describe(model);
  if (!is_consingan(options)) rows.insert(rows.begin(), {"preset", options.preset});
  rows.insert(rows.begin(), {"picture", fs::path(options.image).filename().string()});  // wherever it lies
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

// Trains all levels, or those that are left, and writes everything into the run's folder.
template <class Trainer, class Config>
void train_in(RunFolder& run, const TrainOptions& options, const Config& config, const Tensor& picture) {
  std::optional<Trainer> trainer;
  if (run.resumed() && has_checkpoint(run.checkpoint()))
    trainer.emplace(load_newest(run.checkpoint()));
  else
    trainer.emplace(config, picture ? picture : to_tensor(load_image(options.image)));
  run.rewind_metrics("step", double(step_of(*trainer)));
  const auto& model = trainer->model();
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

void train(const TrainOptions& options, CLI::App& app) {
  use_device(options.common);
  const bool goes_on = continues_run(options.common);
  if (app.count("--image") == 0 && !goes_on)
    throw UsageError("--image is required, unless --resume goes on with a run");
  Tensor picture;
  if (!goes_on) {  // refuse bad pictures before the folder is made
    refuse_options_of_others(options, app);
    picture = to_tensor(load_image(options.image));
    if (is_consingan(options)) {
      consingan::check(consingan_config(options));
      consingan::make_pyramid(picture.dim(1), picture.dim(2), consingan_config(options));
    } else {
      singan::make_pyramid(picture.dim(1), picture.dim(2), singan_config(options).pyramid);
    }
  }
  RunFolder run(options.common.out, options.common.resume, options.common.force,
                {"singan train",
                 {kModelFile, "training.png", "level_#_sample.png", "level_#_reconstruction.png",
                  "sample_#.png", "index.html"}});
  run.configure(app, {}, {{"image"}});
  use_device(options.common);  // the stored precision, if it was not given
  if (is_consingan(options))
    train_in<consingan::Trainer>(run, options, consingan_config(options), picture);
  else
    train_in<singan::Trainer>(run, options, singan_config(options), picture);
}

}  // namespace

void declare_train(CLI::App& app) {
  auto o = std::make_shared<TrainOptions>();
  CLI::App* sub = app.add_subcommand("train", "Train on one picture");
  sub->add_option("--image", o->image, "Picture to train on (PNG, JPEG, BMP); --resume: that of the run");
  sub->add_option("--method", o->method,
                  "singan; consingan: one generator that grows by a stage a level and passes features on")
      ->check(CLI::IsMember({"singan", "consingan"}));
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
  sub->add_option("--stages", o->consingan.stages,
                  "consingan: levels of the pyramid; more keep the layout of the picture better")
      ->check(CLI::Range(int64_t{2}, int64_t{16}));
  sub->add_option("--lr-scale", o->consingan.lr_scale,
                  "consingan: rate of a stage as a part of that of the next; more follows the picture more "
                  "closely and varies it less")
      ->check(CLI::Range(0.0, 1.0));
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  add_run_options(*sub, o->common);
  sub->callback([o, sub] { train(*o, *sub); });
}

}  // namespace sga
