// singan train: learns one picture, level after level, in a run folder.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include "engine/image.h"
#include "engine/memory.h"
#include "models/singan/training.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"
#include "tools/singan_train_gpnn.h"

namespace sga {
namespace {

using singan::Size;

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kSaveEvery{30};  // between checkpoints within a level
constexpr std::chrono::seconds kPageEvery{10};  // between pages within a level, if they cost no more than ...
constexpr int kPageShare = 50;                  // ... one part in so many of the time
constexpr int kPageSamples = 6, kPageSamplesInTraining = 3;

struct TrainOptions {
  CommonOptions common;
  std::string method = "singan", image, channels = "auto", bits = "auto", preset = "standard";
  int64_t iterations = 0, critic_steps = 0, plateau = 0, save_every = 0;
  bool forecast = false;
  bool noise_padding = false;
  singan::PyramidOptions pyramid;
  gpnn::Config gpnn;  // what only this method has
};

Image load_picture(const TrainOptions& o) {
  return load_image(o.image, o.channels == "auto" ? 0 : singan::parse_int(o.channels, "--channels"));
}

int64_t bits_of_file(const fs::path& path) {
  return image_info(read_file(path, int64_t{1} << 30), path.string()).bits;
}

int64_t bits_of(const TrainOptions& o) {
  return o.bits == "16" || (o.bits == "auto" && bits_of_file(o.image) == 16) ? 16 : 8;
}

singan::Config config_of(const TrainOptions& o) {
  const bool official = o.preset == "official";
  singan::Config config = singan::preset(official ? "official" : "default");
  if (!official) singan::set_quality(config, o.preset);
  config.pyramid = o.pyramid;
  config.pyramid.official = official;
  if (o.iterations) config.iterations = o.iterations;
  if (o.critic_steps) config.critic_updates = o.critic_steps;
  config.plateau = o.plateau;
  config.bits = bits_of(o);
  config.noise_padding = o.noise_padding;
  config.seed = o.common.seed;
  return config;
}

gpnn::Config gpnn_config(const TrainOptions& o) {
  gpnn::Config config = o.gpnn;
  config.pyramid = o.pyramid;
  config.bits = bits_of(o);
  config.seed = o.common.seed;
  return config;
}

// Options of another method would have no effect.
void refuse_options_of_others(const TrainOptions& o, const CLI::App& app) {
  const auto only_with = [&](const std::string& method, const std::vector<const char*>& names) {
    for (const char* name : names)
      if (o.method != method && app.count(name))
        throw UsageError(std::string(name) + " is an option of --method " + method + ", not of " + o.method +
                         "; leave it out");
  };
  only_with("singan", {"--preset", "--iterations", "--critic-steps", "--plateau", "--save-every",
                       "--noise-padding", "--forecast"});
  only_with("gpnn", {"--noise", "--completeness"});
}

// ---- what it leaves

int64_t step_of(const singan::Trainer& t) {
  return t.model().finished() * t.model().config.iterations + (t.finished() ? 0 : t.iteration());
}

void save_checkpoint_of(const singan::Trainer& trainer, const RunFolder& run) {
  Checkpoint checkpoint;
  trainer.store(checkpoint);
  save_keeping_previous(run.checkpoint(), checkpoint);
}

/// Reconstruction loss and critic of each level in a diagram of their own: they live on different scales.
std::vector<Page::Chart> charts_of(const fs::path& metrics, const singan::Model& model) {
  const std::vector<Series> all = read_metrics(metrics, "step", {"g_rec", "d_real", "d_fake", "penalty"});
  std::vector<Page::Chart> charts;
  for (int level = 0; level < model.pyramid.count(); ++level) {
    const std::string title = "level " + std::to_string(level) + ", " + text_of(model.size(level));
    Page::Chart loss{title + ": reconstruction loss", {{"g_rec", {}, {}}}, true},
        critic{title + ": critic", {{"d_real - d_fake", {}, {}}, {"penalty", {}, {}}}};
    const auto before = double(level * model.config.iterations),
               end = before + double(model.config.iterations);
    for (size_t i = 0; i < all[0].x.size(); ++i) {
      const double step = all[0].x[i];
      if (step <= before || step > end) continue;
      const double values[] = {all[0].y[i], all[1].y[i] - all[2].y[i], all[3].y[i]};
      Series* const series[] = {&loss.series[0], &critic.series[0], &critic.series[1]};
      for (int k = 0; k < 3; ++k) series[k]->x.push_back(step - before), series[k]->y.push_back(values[k]);
    }
    if (loss.series[0].x.empty()) break;
    charts.push_back(loss);
    charts.push_back(critic);
  }
  return charts;
}

/// Writes the pictures of the newest level of `shown` and the page. `iteration` > 0: that level is still in
/// training.
void publish(const singan::Model& shown, int64_t iteration, const RunFolder& run,
             const TrainOptions& options) {
  const int levels = shown.finished(), bits = int(shown.config.bits);
  const auto save = [&](const std::string& file, const Tensor& picture) {
    save_png(run / file, to_image(picture), bits);
    return file;
  };
  const auto level_file = [](int level, const char* what) {
    return "level_" + std::to_string(level) + "_" + what + ".png";
  };
  const std::string name = fs::path(options.image).filename().string();  // wherever the picture lies
  const bool done = levels == shown.pyramid.count() && iteration == 0;
  Page page("SinGAN of " + name);
  if (!done) page.refresh_every(int(kPageEvery.count()));

  singan::Model finished = shown;
  if (iteration > 0) finished.levels.pop_back();
  auto rows = describe(finished);
  rows.insert(rows.begin(), {{"picture", name}, {"preset", options.preset}});
  std::string state = " of level " + std::to_string(levels - 1);
  if (iteration > 0) {
    state += ", iteration " + std::to_string(iteration);
    rows.emplace_back("in training", "level " + std::to_string(levels - 1) + ", iteration " +
                                         std::to_string(iteration) + " of " +
                                         std::to_string(shown.config.iterations));
  }
  page.table(rows);
  std::vector<Page::Picture> compared = {
      {save("training.png", shown.image), "training picture, " + text_of(shown.pyramid.finest())}};
  if (levels > 0) {
    const Tensor made = singan::reconstruction(shown);
    compared.push_back({save(level_file(levels - 1, "reconstruction"), made), "reconstruction" + state});
  }
  page.pictures("Picture", compared);
  if (levels > 0) {
    std::vector<Page::Picture> samples;
    for (int i = 0; i < (iteration > 0 ? kPageSamplesInTraining : kPageSamples); ++i) {
      const Tensor made = sample(shown, {}, shown.config.seed, i);
      if (i == 0) save(level_file(levels - 1, "sample"), made);
      samples.push_back({save(numbered("sample", i), made), "sample " + std::to_string(i) + state});
    }
    page.pictures("Random samples", samples);
  }
  std::vector<Page::Picture> pictures;
  for (int i = 0; i < levels; ++i) {
    const std::string level = "level " + std::to_string(i), size = text_of(shown.size(i));
    pictures.push_back({level_file(i, "reconstruction"), level + ", " + size + ": reconstruction"});
    pictures.push_back({level_file(i, "sample"), level + ": sample"});
  }
  page.pictures("Level by level", pictures);
  page.charts("Curves", charts_of(run / "metrics.jsonl", shown), "iteration");
  page.write(run / "index.html");
}

void train(const TrainOptions& options, CLI::App& app) {
  use_device(options.common);
  if (options.common.out.empty() && !options.forecast) throw UsageError("--out is required");
  const bool goes_on = continues_run(options.common);
  if (app.count("--image") == 0 && !goes_on)
    throw UsageError("--image is required, unless --resume goes on with a run");
  if (options.method == "gpnn") set_gpnn_defaults(app);
  Tensor picture;
  const int64_t available = available_memory();
  if (!goes_on) {  // refuse bad pictures before the folder is made
    refuse_options_of_others(options, app);
    const Image image = load_picture(options);
    picture = to_tensor(image);
    if (options.method == "gpnn") {
      gpnn::make_model(gpnn_config(options), picture);
    } else {
      const singan::Config config = config_of(options);
      singan::check(config);
      const singan::Pyramid pyramid = singan::make_pyramid(image.height, image.width, config.pyramid);
      check_memory(config, {image.height, image.width}, image.channels, available);
      if (options.forecast) {
        std::printf("%s\n", forecast(config, pyramid, image.channels, 0, 0, available).c_str());
        return;
      }
    }
  }
  RunFolder run(options.common.out, options.common.resume, options.common.force,
                {"singan train",
                 {kModelFile, "training.png", "level_#_sample.png", "level_#_reconstruction.png",
                  "sample_#.png", "index.html"}});
  run.configure(app, {"save-every"}, {{"image"}});
  use_device(options.common);  // the stored precision, if it was not given
  if (options.method == "gpnn") {
    if (!picture) picture = to_tensor(load_picture(options));
    return prepare_gpnn(gpnn::make_model(gpnn_config(options), picture), run,
                        fs::path(options.image).filename().string(), options.common.quiet);
  }
  std::optional<singan::Trainer> trainer;
  if (run.resumed() && has_checkpoint(run.checkpoint()))
    trainer.emplace(load_newest(run.checkpoint()));
  else
    trainer.emplace(config_of(options), picture ? picture : to_tensor(load_picture(options)));
  run.rewind_metrics("step", double(step_of(*trainer)));
  const singan::Model& model = trainer->model();
  const singan::Config& config = model.config;
  if (!options.common.quiet && !trainer->finished())
    std::printf("%s\n", forecast(config, model.pyramid, model.channels(), model.finished(),
                                 trainer->iteration(), available)
                            .c_str());
  std::fflush(stdout);  // into a log, too, before the work

  const auto show = [&](int64_t iteration) { publish(trainer->preview(), iteration, run, options); };
  show(trainer->finished() ? 0 : trainer->iteration());
  auto saved = Clock::now(), page_due = saved + kPageEvery;
  {
    Progress progress(config.iterations * model.pyramid.count(), "train", options.common.quiet);
    progress.set(step_of(*trainer));
    const bool done = trainer->run([&](const singan::Progress& p) {
      const int64_t step = p.level * config.iterations + p.iteration;
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
      const auto now = Clock::now();
      if (p.level_done) {  // before the checkpoint: a resume from that one begins the next level
        singan::save_model(run / kModelFile, trainer->preview());
        show(0);
      } else if (now >= page_due) {
        show(p.iteration);
        page_due = Clock::now() + std::max<Clock::duration>(kPageEvery, kPageShare * (Clock::now() - now));
      }
      const bool asked = options.save_every && step % options.save_every == 0;
      if (p.level_done || asked || now - saved >= kSaveEvery) save_checkpoint_of(*trainer, run), saved = now;
      return !interrupted();
    });
    save_checkpoint_of(*trainer, run);
    if (!done) {
      show(trainer->iteration());
      throw Interrupted();
    }
  }
  std::printf("%s: %d levels up to %s; open %s\n", (run / kModelFile).c_str(), model.finished(),
              text_of(model.pyramid.finest()).c_str(), (run / "index.html").c_str());
}

}  // namespace

void declare_train(CLI::App& app) {
  auto o = std::make_shared<TrainOptions>();
  CLI::App* sub = app.add_subcommand("train", "Train on one picture");
  sub->add_option("--image", o->image, "Picture to train on (PNG, JPEG, BMP); --resume: that of the run");
  sub->add_option("--method", o->method, "singan; gpnn: nearest patches, no training")
      ->check(CLI::IsMember({"singan", "gpnn"}));
  sub->add_option("--channels", o->channels,
                  "What is learned of the picture: 1 grey, 3 colour, 4 colour and alpha; auto: what it shows")
      ->check(CLI::IsMember({"auto", "1", "3", "4"}));
  sub->add_option("--bits", o->bits,
                  "Bits a channel of the pictures that are made, here and later; auto: as in --image")
      ->check(CLI::IsMember({"auto", "8", "16"}));
  sub->add_option(
         "--preset", o->preset,
         "Iterations per level and critic steps each: quick 150 and 1, standard 600 and 1, full 2000 "
         "and 3; official: 2000 and 3 with all quirks of the official code")
      ->check(CLI::IsMember({"quick", "standard", "full", "official"}));
  sub->add_option("--iterations", o->iterations, "Iterations per level; 0: as --preset says")
      ->check(CLI::Range(int64_t{0}, int64_t{10'000'000}));
  sub->add_option("--critic-steps", o->critic_steps, "Critic steps an iteration; 0: as --preset says")
      ->check(CLI::Range(int64_t{0}, int64_t{100}));
  sub->add_option("--plateau", o->plateau,
                  "Iterations (50 or more; 200 is a good number for full): a level in which neither the "
                  "reconstruction "
                  "loss nor the critic's gap moves for so long goes on to its lower rate, then to the next "
                  "level; 0: each takes all its iterations")
      ->check(CLI::Range(int64_t{0}, int64_t{10'000'000}));
  sub->add_option("--save-every", o->save_every,
                  "Iterations between checkpoints, besides those after every level and every 30 seconds; 0: "
                  "none")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000'000}));
  sub->add_option("--min-size", o->pyramid.min_size, "Short side of the coarsest level, pixels; gpnn 14");
  sub->add_option("--max-size", o->pyramid.max_size, "Longest side of the finest level, pixels");
  sub->add_option("--scale-factor", o->pyramid.scale_factor, "Wanted ratio of neighbouring levels");
  add_gpnn_options(*sub, o->gpnn);
  sub->add_flag("--noise-padding", o->noise_padding,
                "Noise beyond the border too, so that in 'singan animate' the border moves like the middle");
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  add_run_options(*sub, o->common);
  sub->get_option("--out")->required(false)->description(
      "Folder for the results; only --forecast needs none");
  sub->add_flag("--forecast", o->forecast, "Only tell how long it will take and how much memory; no --out")
      ->excludes(sub->get_option("--resume"));
  sub->callback([o, sub] { train(*o, *sub); });
}

}  // namespace sga
