#include "tools/singan_training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>

#include "engine/image.h"
#include "engine/memory.h"
#include "models/consingan/forecast.h"
#include "models/consingan/training.h"
#include "models/singan/forecast.h"
#include "models/singan/training.h"
#include "tools/page.h"
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

Image load_picture(const TrainOptions& o) {
  return load_image(o.image, o.channels == "auto" ? 0 : singan::parse_int(o.channels, "--channels"));
}

int64_t bits_of(const TrainOptions& o) {
  if (o.bits != "auto") return o.bits == "16" ? 16 : 8;
  return image_info(read_file(o.image, int64_t{1} << 30), o.image).bits == 16 ? 16 : 8;
}

// What the trained methods have. Their presets are called alike, but for "official".
template <class Config>
void set_common(Config& config, const TrainOptions& o) {
  if (o.preset != "official") set_quality(config, o.preset);
  if (o.iterations) config.iterations = o.iterations;
  if (o.critic_steps) config.critic_updates = o.critic_steps;
  config.bits = bits_of(o);
  config.seed = o.common.seed;
}

singan::Config singan_config(const TrainOptions& o) {
  const bool official = o.preset == "official";
  singan::Config config = singan::preset(official ? "official" : "default");
  config.pyramid = o.pyramid;
  config.pyramid.official = official;
  config.plateau = o.plateau;
  config.crop = o.crop;
  config.noise_padding = o.noise_padding;
  set_common(config, o);
  return config;
}

consingan::Config consingan_config(const TrainOptions& o) {
  consingan::Config config = o.consingan;
  config.min_size = o.pyramid.min_size;
  config.max_size = o.pyramid.max_size;
  set_common(config, o);
  return config;
}

gpnn::Config gpnn_config(const TrainOptions& o) {
  gpnn::Config config = o.gpnn;
  config.pyramid = o.pyramid;
  config.bits = bits_of(o);
  config.seed = o.common.seed;
  return config;
}

// The model to start from, or none.
std::optional<singan::Model> load_warm(const TrainOptions& o) {
  if (o.warm_start.empty()) return std::nullopt;
  const AnyModel model = open_model(o.warm_start);
  const auto* singan = std::get_if<singan::Model>(&model);
  SGA_CHECK(singan, "--warm-start: ", o.warm_start,
            " is a model of another method; give one of singan train --method singan");
  return *singan;
}

// ---- what it leaves

/// Reconstruction loss and critic of each level in a diagram of their own: they live on different scales.
template <class Model>
std::vector<Page::Chart> charts_of(const fs::path& metrics, const Model& model) {
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

/// Writes the pictures of the newest level and the page. `iteration` > 0: that level is still in
/// training.
template <class Trainer>
void publish(const Trainer& trainer, int64_t iteration, const RunFolder& run, const TrainOptions& options) {
  const auto shown = trainer.preview();
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
  Page page((options.method == "consingan" ? "ConSinGAN of " : "SinGAN of ") + name);
  if (!done) page.refresh_every(int(kPageEvery.count()));

  auto rows = describe(iteration > 0 ? trainer.model() : shown);
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
    const Tensor made = reconstruction(shown);
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

// That the process needs for what is left of a training, about.
int64_t bytes_of(const auto& trainer) {
  if (trainer.finished()) return 0;
  const auto& model = trainer.model();
  if constexpr (std::is_same_v<decltype(model), const singan::Model&>)
    return process_bytes(singan::peak_bytes(model.config, model.pyramid, model.channels()));
  else
    return process_bytes(consingan::peak_bytes(model.config, model.pyramid));
}

template <class Trainer>
class TrainingOf : public Training {
 public:
  TrainingOf(std::unique_ptr<RunFolder> run, TrainOptions options, std::unique_ptr<Trainer> trainer,
             bool beside)
      : run_(std::move(run)), options_(std::move(options)), trainer_(std::move(trainer)) {
    if (beside) trainer_->run_beside_others();
    run_->rewind_metrics("step", double(step()));
    if (!options_.common.quiet && !trainer_->finished())
      std::printf("%s\n", forecast(config(), model().pyramid, model().channels(), model().finished(),
                                   trainer_->iteration(), available_memory())
                              .c_str());
    std::fflush(stdout);  // into a log, too, before the work
    show(trainer_->finished() ? 0 : trainer_->iteration());
    saved_ = Clock::now();
    page_due_ = saved_ + kPageEvery;
  }

  bool finished() const override { return trainer_->finished(); }
  int64_t step() const override {
    return model().finished() * config().iterations + (finished() ? 0 : trainer_->iteration());
  }
  int64_t steps() const override { return config().iterations * model().pyramid.count(); }
  int64_t bytes() const override { return bytes_of(*trainer_); }
  std::string note() const override { return note_; }

  void advance() override {
    trainer_->advance([&](const singan::Progress& p) {
      on_iteration(p);
      return true;
    });
  }

  void close() override {
    save();
    if (!finished()) show(trainer_->iteration());
  }

  std::string summary() const override {
    return (*run_ / kModelFile).string() + ": " + std::to_string(model().finished()) + " levels up to " +
           text_of(model().pyramid.finest()) + "; open " + (*run_ / "index.html").string();
  }

 private:
  const auto& model() const { return trainer_->model(); }
  const auto& config() const { return model().config; }
  void show(int64_t iteration) { publish(*trainer_, iteration, *run_, options_); }
  void save() {
    Checkpoint checkpoint;
    trainer_->store(checkpoint);
    save_keeping_previous(run_->checkpoint(), checkpoint);
  }

  void on_iteration(const singan::Progress& p) {
    const int64_t at = p.level * config().iterations + p.iteration;
    if (p.measured)
      run_->metrics({{"step", double(at)},
                     {"level", double(p.level)},
                     {"d_real", p.losses.d_real},
                     {"d_fake", p.losses.d_fake},
                     {"penalty", p.losses.penalty},
                     {"g_adv", p.losses.g_adv},
                     {"g_rec", p.losses.g_rec}});
    char note[64];
    std::snprintf(note, sizeof note, "level %d/%d  rec %.4f", p.level + 1, p.levels, p.losses.g_rec);
    note_ = note;
    const auto now = Clock::now();
    if (p.level_done) {  // before the checkpoint: a resume from that one begins the next level
      save_model(*run_ / kModelFile, trainer_->preview());
      show(0);
    } else if (now >= page_due_) {
      show(p.iteration);
      page_due_ = Clock::now() + std::max<Clock::duration>(kPageEvery, kPageShare * (Clock::now() - now));
    }
    const bool asked = options_.save_every && at % options_.save_every == 0;
    if (p.level_done || asked || now - saved_ >= kSaveEvery) save(), saved_ = now;
  }

  std::unique_ptr<RunFolder> run_;
  TrainOptions options_;
  std::unique_ptr<Trainer> trainer_;
  std::string note_;
  Clock::time_point saved_, page_due_;
};

template <class Trainer, class... More>
std::unique_ptr<Trainer> make_trainer(const RunFolder& run, const TrainOptions& options, const auto& config,
                                      const Tensor& picture, const More&... more) {
  if (run.resumed() && has_checkpoint(run.checkpoint()))
    return std::make_unique<Trainer>(load_newest(run.checkpoint()), more...);
  return std::make_unique<Trainer>(config, picture ? picture : to_tensor(load_picture(options)), more...);
}

}  // namespace

void refuse_options_of_others(const TrainOptions& o, const CLI::App& app) {
  // A run that goes on keeps its method.
  const std::string stored = continues_run(o.common) ? stored_option(o.common.out, "method") : "";
  const std::string& method = stored.empty() ? o.method : stored;
  const auto refuse = [&](const std::vector<std::string>& methods, const std::vector<const char*>& names) {
    if (std::find(methods.begin(), methods.end(), method) != methods.end()) return;
    for (const char* name : names)
      if (const CLI::Option* option = app.get_option_no_throw(name); option && option->count())
        throw UsageError(std::string(name) + " is an option of --method " + methods.front() + ", not of " +
                         method + "; leave it out");
  };
  refuse({"singan"}, {"--plateau", "--noise-padding", "--crop", "--warm-start"});
  refuse({"singan", "gpnn"}, {"--scale-factor"});
  refuse({"singan", "consingan"},
         {"--preset", "--iterations", "--critic-steps", "--save-every", "--together", "--forecast"});
  refuse({"consingan"}, {"--stages", "--lr-scale"});
  refuse({"gpnn"}, {"--noise", "--completeness"});
  if (method != "singan" && o.preset == "official")
    throw UsageError("--preset official is SinGAN's; choose quick, standard or full for --method " + method);
}

InputFile warm_start_file() {
  return {"warm-start", [](const fs::path& p) { return p.empty() ? "" : file_checksum(model_file(p)); }};
}

std::unique_ptr<Training> open_training(TrainOptions& options, CLI::App& app, int64_t available,
                                        bool beside) {
  use_device(options.common);
  if (options.common.out.empty() && !options.forecast) throw UsageError("--out is required");
  const bool goes_on = continues_run(options.common);
  if (app.count("--image") == 0 && !goes_on)
    throw UsageError("--image is required, unless --resume goes on with a run");
  if (options.method == "gpnn") set_gpnn_defaults(app);
  refuse_options_of_others(options, app);
  Tensor picture;
  if (!goes_on) {  // refuse bad pictures before the folder is made
    const Image image = load_picture(options);
    picture = to_tensor(image);
    std::string told;  // by --forecast
    if (options.method == "gpnn") {
      gpnn::make_model(gpnn_config(options), picture);
    } else if (options.method == "consingan") {
      const consingan::Config config = consingan_config(options);
      consingan::check(config);
      const singan::Pyramid pyramid = consingan::make_pyramid(image.height, image.width, config);
      check_memory(config, {image.height, image.width}, available);
      if (options.forecast) told = forecast(config, pyramid, image.channels, 0, 0, available);
    } else {
      const singan::Config config = singan_config(options);
      singan::check(config);
      const singan::Pyramid pyramid = singan::make_pyramid(image.height, image.width, config.pyramid);
      check_memory(config, {image.height, image.width}, image.channels, available);
      if (options.forecast) told = forecast(config, pyramid, image.channels, 0, 0, available);
      if (const auto warm = load_warm(options)) singan::Trainer(config, picture, &*warm);  // do they fit?
    }
    if (options.forecast) {
      std::printf("%s\n", told.c_str());
      return nullptr;
    }
  }
  auto run =
      std::make_unique<RunFolder>(options.common.out, options.common.resume, options.common.force,
                                  OwnFiles{"singan train",
                                           {kModelFile, "training.png", "level_#_sample.png",
                                            "level_#_reconstruction.png", "sample_#.png", "index.html"}},
                                  std::vector<fs::path>{options.image, model_file(options.warm_start)});
  run->configure(app, {"save-every"}, {{"image"}, warm_start_file()});
  use_device(options.common);  // the stored precision, if it was not given
  if (options.method == "gpnn") {
    if (run->resumed() && is_prepared(*run)) {
      std::printf("%s: there already; open %s\n", (*run / kModelFile).c_str(), (*run / "index.html").c_str());
      return nullptr;
    }
    if (!picture) picture = to_tensor(load_picture(options));
    prepare_gpnn(gpnn::make_model(gpnn_config(options), picture), *run,
                 fs::path(options.image).filename().string(), options.common.quiet);
    return nullptr;
  }
  const auto training = [&](auto trainer) -> std::unique_ptr<Training> {
    check_memory_to_go_on(bytes_of(*trainer), available);
    using Trainer = std::decay_t<decltype(*trainer)>;
    return std::make_unique<TrainingOf<Trainer>>(std::move(run), options, std::move(trainer), beside);
  };
  if (options.method == "consingan")
    return training(make_trainer<consingan::Trainer>(*run, options, consingan_config(options), picture));
  const auto warm = load_warm(options);
  return training(
      make_trainer<singan::Trainer>(*run, options, singan_config(options), picture, warm ? &*warm : nullptr));
}

void add_training_options(CLI::App& sub, TrainOptions& o) {
  sub.add_option("--image", o.image, "Picture to train on (PNG, JPEG, BMP); --resume: that of the run");
  sub.add_option(
         "--method", o.method,
         "singan; consingan: one generator that grows by a stage a level and passes features on; gpnn: "
         "nearest patches, no training")
      ->check(CLI::IsMember({"singan", "consingan", "gpnn"}));
  sub.add_option("--channels", o.channels,
                 "What is learned of the picture: 1 grey, 3 colour, 4 colour and alpha; auto: what it shows")
      ->check(CLI::IsMember({"auto", "1", "3", "4"}));
  sub.add_option("--bits", o.bits,
                 "Bits a channel of the pictures that are made, here and later; auto: as in --image")
      ->check(CLI::IsMember({"auto", "8", "16"}));
  sub.add_option(
         "--preset", o.preset,
         "Iterations per level and critic steps each: quick 150 and 1, standard 600 and 1, full 2000 "
         "and 3 (consingan: 400 and 1, 800 and 1, 2000 and 3); official: 2000 and 3 with all quirks of "
         "SinGAN's official code")
      ->check(CLI::IsMember({"quick", "standard", "full", "official"}));
  sub.add_option("--iterations", o.iterations, "Iterations per level; 0: as --preset says")
      ->check(CLI::Range(int64_t{0}, int64_t{10'000'000}));
  sub.add_option("--critic-steps", o.critic_steps, "Critic steps an iteration; 0: as --preset says")
      ->check(CLI::Range(int64_t{0}, int64_t{100}));
  sub.add_option("--plateau", o.plateau,
                 "Iterations (50 or more; 200 is a good number for full): a level in which neither the "
                 "reconstruction "
                 "loss nor the critic's gap moves for so long goes on to its lower rate, then to the next "
                 "level; 0: each takes all its iterations")
      ->check(CLI::Range(int64_t{0}, int64_t{10'000'000}));
  sub.add_option("--save-every", o.save_every,
                 "Iterations between checkpoints, besides those after every level and every 30 seconds; 0: "
                 "none")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000'000}));
  sub.add_option("--min-size", o.pyramid.min_size, "Short side of the coarsest level, pixels; gpnn 14");
  sub.add_option("--max-size", o.pyramid.max_size, "Longest side of the finest level, pixels");
  sub.add_option("--scale-factor", o.pyramid.scale_factor, "Wanted ratio of neighbouring levels");
  sub.add_flag("--noise-padding", o.noise_padding,
               "Noise beyond the border too, so that in 'singan animate' the border moves like the middle");
  sub.add_option(
         "--crop", o.crop,
         "Longest side of what an iteration sees of a level, 32 or more: larger levels are trained on "
         "windows at random places, which takes the memory of a picture of that size; 0: whole levels")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}));
  sub.add_option("--warm-start", o.warm_start,
                 "Trained model whose weights the training starts from: a folder of a run or its "
                 "model.safetensors, of a similar picture");
  sub.add_option("--stages", o.consingan.stages,
                 "consingan: levels of the pyramid; more keep the layout of the picture better")
      ->check(CLI::Range(int64_t{2}, int64_t{16}));
  sub.add_option("--lr-scale", o.consingan.lr_scale,
                 "consingan: rate of a stage as a part of that of the next; more follows the picture more "
                 "closely and varies it less")
      ->check(CLI::Range(0.0, 1.0));
  add_gpnn_options(sub, o.gpnn);
  add_seed_option(sub, o.common);
  add_compute_options(sub, o.common);
  add_run_options(sub, o.common);
  sub.get_option("--out")->required(false)->description("Folder for the results; only --forecast needs none");
  sub.add_flag("--forecast", o.forecast, "Only tell how long it will take and how much memory; no --out")
      ->excludes(sub.get_option("--resume"));
}

}  // namespace sga
