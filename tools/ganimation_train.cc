#include "tools/ganimation_train.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>

#include "models/ganimation/batches.h"
#include "models/ganimation/csv.h"
#include "models/ganimation/editing.h"
#include "tools/command.h"
#include "tools/event_file.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"

namespace sga {
namespace {

using namespace ganimation;
using Clock = std::chrono::steady_clock;

struct TrainOptions {
  CommonOptions common;
  std::string data, recipe = "official";
  // Empty: as the recipe says.
  std::optional<int64_t> conv_dim, critic_dim, blocks, batch, steps, epochs, critic_steps, shift;
  std::string band;
  std::optional<std::string> conditioning, units, upsample;
  std::optional<double> lr, critic_lr, au_weight, au_start, mask_weight, cycle_weight, identity_weight,
      smooth_weight, average, balance;
  double save_minutes = 5;
  int64_t log_every = 20;
};

constexpr double kPatience = 0.98;  // how slowly the attention gauge of the alarm follows
const std::vector<std::string> kShownPresets = {"happiness", "surprise", "sadness", "anger"};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// "0.5,0.9", or "off"
AttentionBand parse_band(const std::string& text) {
  if (text == "off") return {};
  AttentionBand band;
  const size_t comma = text.find(',');
  if (comma == std::string::npos || !parse_number(std::string_view(text).substr(0, comma), band.low) ||
      !parse_number(std::string_view(text).substr(comma + 1), band.high))
    throw UsageError("--attention-band must be two numbers, 0.5,0.9 for example, or off, got " + text);
  return band;
}

TrainingConfig training_config(const TrainOptions& o, const FaceSet& set, int64_t train_faces) {
  TrainingConfig c = recipe(o.recipe, set.size());
  if (o.conv_dim) c.generator.conv_dim = *o.conv_dim;
  if (o.critic_dim) c.discriminator.conv_dim = *o.critic_dim;
  if (o.blocks) c.generator.blocks = *o.blocks;
  if (o.conditioning)
    c.generator.conditioning = *o.conditioning == "film"    ? Conditioning::film
                               : *o.conditioning == "tiled" ? Conditioning::tiled
                                                            : Conditioning::bottleneck;
  if (o.units) c.generator.units = *o.units == "relative" ? Units::relative : Units::absolute;
  if (o.upsample) c.generator.upsample = *o.upsample == "resize" ? Upsample::resize : Upsample::transposed;
  if (o.batch) c.batch = *o.batch;
  if (o.critic_steps) c.critic_steps = *o.critic_steps;
  if (o.lr) c.lr_generator = *o.lr;
  if (o.lr || o.critic_lr) c.lr_critic = o.critic_lr ? *o.critic_lr : *o.lr;
  if (o.au_weight) c.weights.aus = *o.au_weight;
  if (o.au_start) c.weights.aus_start = *o.au_start;
  if (o.mask_weight) c.weights.mask = *o.mask_weight;
  if (o.cycle_weight) c.weights.cycle = *o.cycle_weight;
  if (o.identity_weight) c.weights.identity = *o.identity_weight;
  if (o.smooth_weight) c.weights.smooth = *o.smooth_weight;
  if (o.average) c.average = *o.average;
  if (o.balance) c.balance = *o.balance;
  if (o.shift) c.shift = *o.shift;
  if (!o.band.empty()) c.band = parse_band(o.band);
  c.seed = o.common.seed;

  if (o.epochs) {
    c.decay_epochs = std::max<int64_t>(1, *o.epochs / 3);
    c.constant_epochs = *o.epochs - c.decay_epochs;
  }
  c.epoch_iterations = std::max<int64_t>(1, train_faces / c.batch);
  if (o.steps) c.steps = *o.steps;  // the same schedule, stretched or squeezed
  return c;
}

/// Test faces spread over the set, those of one person once where persons are known.
std::vector<int64_t> spread(const FaceSet& set, const std::vector<int64_t>& faces, size_t count) {
  std::vector<int64_t> chosen;
  for (size_t i = 0; i < faces.size() && chosen.size() < count;
       i += std::max<size_t>(1, faces.size() / count)) {
    const int64_t person = set.record(faces[i]).person;
    const bool known = person >= 0 && std::any_of(chosen.begin(), chosen.end(), [&](int64_t other) {
                         return set.record(other).person == person;
                       });
    if (!known) chosen.push_back(faces[i]);
  }
  return chosen;
}

/// What the run writes besides weights: numbers and pictures of faces it does not train on.
class Watch {
 public:
  Watch(const FaceSet& set, const ActionUnits& limits) : limits_(limits) {
    std::vector<int64_t> test = set.indices(false);
    if (test.empty()) test = set.indices(true);
    shown_ = batch_of(set, spread(set, test, 8));
    measured_ = batch_of(set, spread(set, test, 256));
    for (const std::string& name : kShownPresets)
      presets_.push_back(find_preset(parse_presets(default_presets(), "presets"), name));
  }

  /// A row a face: itself, then for every preset the edit and its attention.
  Image sheet(const Generator& generator) const {
    NoGrad off;
    std::vector<GeneratorOutput> outputs;
    std::vector<Tensor> edits;
    for (const Expression& preset : presets_) {
      const std::vector<ActionUnits> targets(size_t(shown_.images.dim(0)),
                                             target_action_units(preset, EditMode::set, 1, {}, limits_));
      outputs.push_back(generator.repaint(shown_.images, ganimation::to_tensor(targets), shown_.source_aus));
      edits.push_back(composite(outputs.back(), shown_.images));
    }
    std::vector<Image> cells;
    std::vector<std::string> labels;
    for (int64_t i = 0; i < shown_.images.dim(0); ++i) {
      cells.push_back(to_image(shown_.images, i));
      labels.push_back("input");
      for (size_t p = 0; p < presets_.size(); ++p) {
        cells.push_back(to_image(edits[p], i));
        labels.push_back(presets_[p].name);
        cells.push_back(convert_channels(to_image(affine(outputs[p].attention, 2, -1), i), 3));
        labels.push_back("mask");
      }
    }
    return contact_sheet(cells, 1 + 2 * int64_t(presets_.size()), labels);
  }

  /// A row a face: itself with its label, the edit to a smile with what the discriminator reads off it, mask,
  /// colour, and the way back to the face's own units. Values of AU 6, 12 and 25.
  Image details(const Generator& generator, const Discriminator& d) const {
    NoGrad off;
    const int64_t n = std::min<int64_t>(6, shown_.images.dim(0));
    const Tensor x = slice(shown_.images, 0, 0, n), own = slice(shown_.source_aus, 0, 0, n);
    const std::vector<ActionUnits> targets(
        size_t(n), target_action_units(presets_.front(), EditMode::set, 1, {}, limits_));
    const GeneratorOutput there = generator.repaint(x, ganimation::to_tensor(targets), own);
    const Tensor edit = composite(there, x);
    const Tensor back = composite(generator.repaint(edit, own, ganimation::to_tensor(targets)), edit);
    const std::vector<ActionUnits> label = to_action_units(own),
                                   read = to_action_units(d.aus(d.features(edit))),
                                   again = to_action_units(d.aus(d.features(back)));
    const auto values = [](const char* what, const ActionUnits& units) {
      std::string text = what;
      for (const int unit : {6, 12, 25}) {
        char part[16];
        std::snprintf(part, sizeof part, " %.1f", double(units[size_t(index_of(unit))]));
        text += part;
      }
      return text;
    };
    std::vector<Image> cells;
    std::vector<std::string> labels;
    for (int64_t i = 0; i < n; ++i) {
      const auto k = size_t(i);
      cells.push_back(to_image(x, i)), labels.push_back(values("is", label[k]));
      cells.push_back(to_image(edit, i)), labels.push_back(values("edit", read[k]));
      cells.push_back(convert_channels(to_image(affine(there.attention, 2, -1), i), 3));
      labels.push_back("mask");
      cells.push_back(to_image(there.colour, i)), labels.push_back("colour");
      cells.push_back(to_image(back, i)), labels.push_back(values("back", again[k]));
    }
    // Twice the size: there must be room for the numbers.
    for (Image& cell : cells) cell = resize_image(cell, 2 * cell.height, 2 * cell.width);
    return contact_sheet(cells, 5, labels);
  }

  /// Mean squared error of the discriminator's action units on held-out faces, the share of the labels'
  /// variance it explains, and how much an edit to each preset moves its reading of the preset's units (1: as
  /// asked).
  std::vector<std::pair<std::string, double>> measure(const Generator& generator,
                                                      const Discriminator& d) const {
    NoGrad off;
    const Tensor read = d.aus(d.features(measured_.images));
    const double error = mse(read, measured_.source_aus).item();
    const int64_t n = read.dim(0);
    const Tensor average = affine(sum_to(measured_.source_aus, {1, kActionUnitCount}), 1 / double(n));
    const double variance = mse(expand(average, read.shape()), measured_.source_aus).item();
    std::vector<std::pair<std::string, double>> values{{"heldout_au_mse", error},
                                                       {"heldout_au_explained", 1 - error / variance}};
    const std::vector<ActionUnits> before = to_action_units(d.aus(d.features(shown_.images)));
    for (const Expression& preset : presets_) {
      const ActionUnits target = target_action_units(preset, EditMode::set, 1, {}, limits_);
      const GeneratorOutput out = generator.repaint(
          shown_.images, ganimation::to_tensor(std::vector<ActionUnits>(before.size(), target)),
          shown_.source_aus);
      const std::vector<ActionUnits> after =
          to_action_units(d.aus(d.features(composite(out, shown_.images))));
      double asked = 0, got = 0;
      for (size_t i = 0; i < before.size(); ++i)
        for (size_t au = 0; au < kActionUnitCount; ++au) {
          if (!preset.listed[au]) continue;
          asked += target[au] - before[i][au];
          got += after[i][au] - before[i][au];
        }
      values.push_back({"response_" + preset.name, got / asked});
    }
    return values;
  }

 private:
  ActionUnits limits_;
  Batch shown_, measured_;
  std::vector<Expression> presets_;
};

void print_recipe(const TrainingConfig& c, const FaceSet& set, size_t train_faces, const Trainer& trainer) {
  std::printf("data: %lld faces of %lld px, %zu to train on\n", static_cast<long long>(set.count()),
              static_cast<long long>(set.size()), train_faces);
  std::printf("generator: %.2f M parameters (conv-dim %lld, %lld blocks, %s%s); discriminator: %.2f M\n",
              double(trainer.generator().parameters().numel()) * 1e-6,
              static_cast<long long>(c.generator.conv_dim), static_cast<long long>(c.generator.blocks),
              name_of(c.generator.conditioning).c_str(),
              c.generator.units == Units::relative ? ", relative units" : "",
              double(trainer.discriminator().parameters().numel()) * 1e-6);
  std::printf(
      "loss weights: critic 1, action units %g x MSE, penalty %g, cycle %g x L1, mask %g x mean, smooth %g x "
      "sum, "
      "identity %g\n",
      c.weights.aus, c.weights.penalty, c.weights.cycle, c.weights.mask, c.weights.smooth,
      c.weights.identity);
  if (c.weights.aus_start != 0)
    std::printf("the action units' weight starts at %g and falls to %g in the first third\n",
                c.weights.aus_start, c.weights.aus);
  std::printf(
      "schedule: %lld iterations of batch %lld%s, generator every %lld, rate %g and %g, falling from "
      "iteration "
      "%lld\n",
      static_cast<long long>(c.iterations()), static_cast<long long>(c.batch),
      c.shuffle ? ", every face once an epoch" : "", static_cast<long long>(c.critic_steps), c.lr_generator,
      c.lr_critic, static_cast<long long>(c.epoch_begin(c.constant_epochs + 1)));
  std::fflush(stdout);
}

void write_page(const RunFolder& run, const TrainingConfig& c, int64_t iteration, bool done) {
  Page page("ganimation train");
  page.table({{"iterations", std::to_string(iteration) + " of " + std::to_string(c.iterations())},
              {"face size", std::to_string(c.generator.size) + " px"}});
  page.pictures("Held-out faces: edits and where they keep the photograph (white)", {{"faces.png", ""}});
  page.pictures("Towards a smile and back; AU 6, 12 and 25 as labelled, then as the discriminator reads them",
                {{"details.png", ""}});
  const fs::path metrics = run / "metrics.jsonl";
  page.curves("Generator", read_metrics(metrics, "step", {"g_fake", "g_aus", "g_cycle", "g_mask"}),
              "iteration");
  page.curves("Discriminator", read_metrics(metrics, "step", {"d_real", "d_fake", "d_aus", "d_penalty"}),
              "iteration");
  page.curves("Mean attention", read_metrics(metrics, "step", {"attention"}), "iteration");
  page.curves("Faces a second", read_metrics(metrics, "step", {"images_per_second"}), "iteration");
  page.curves("Share of the time spent waiting for batches", read_metrics(metrics, "step", {"data_share"}),
              "iteration");
  page.curves("Action units of held-out faces: share of variance explained",
              read_metrics(metrics, "step", {"heldout_au_explained"}), "iteration");
  if (!done) page.refresh_every(30);
  page.write(run / "index.html");
}

void train(TrainOptions& o, CLI::App& app) {
  use_device(o.common);
  std::optional<RunFolder> opened;
  const auto open_folder = [&] {
    opened.emplace(o.common.out, o.common.resume, o.common.force,
                   OwnFiles{"ganimation train",
                            {"model.safetensors", "faces.png", "details.png", "index.html",
                             "events.out.tfevents.#.sga"}});
    // A run may be prolonged, and its weights and rates adjusted, on the way.
    opened->configure(app,
                      {"save-minutes", "log-every", "precision", "steps", "epochs", "lr", "critic-lr",
                       "au-weight", "au-start", "mask-weight", "cycle-weight", "smooth-weight",
                       "identity-weight", "balance", "shift", "attention-band"},
                      {{"data", [](const fs::path& path) { return FaceSet(path).identity(); }}});
  };
  const bool goes_on = continues_run(o.common);
  if (app.count("--data") == 0 && !goes_on)
    throw UsageError("--data is required, unless --resume goes on with a run");
  if (goes_on) open_folder();  // options that are not given come from there
  use_device(o.common);        // the stored precision, if it was not given
  const FaceSet set(o.data);
  if (const std::string damage = set.damage(); !damage.empty())
    std::fprintf(stderr, "warning: %s: %s\n", o.data.c_str(), damage.c_str());
  const std::vector<int64_t> faces = set.indices(true);
  const TrainingConfig config = training_config(o, set, int64_t(faces.size()));
  Trainer trainer(config);
  const BatchSampler sampler(set, faces, config.balance, config.shift);
  ModelCard card;
  card.crop_recipe = to_text(set.recipe());
  card.limits = label_quantiles(set, faces, 0.99);
  const Watch watch(set, card.limits);
  if (!goes_on) open_folder();  // and bad input leaves no folder behind
  RunFolder& run = *opened;
  if (!o.common.quiet) print_recipe(config, set, faces.size(), trainer);
  double spent = 0;  // seconds, earlier runs included
  if (run.resumed() && has_checkpoint(run.checkpoint())) {
    const Checkpoint checkpoint = load_newest(run.checkpoint());
    trainer.load(checkpoint);
    if (const auto seconds = checkpoint.metadata.find("seconds"); seconds != checkpoint.metadata.end())
      std::from_chars(seconds->second.data(), seconds->second.data() + seconds->second.size(), spent);
    run.rewind_metrics("step", double(trainer.iteration()));
  }

  EventFile events(run.path(), trainer.iteration());
  const auto log = [&](const std::vector<std::pair<std::string, double>>& values) {
    run.metrics(values);
    events.scalars(trainer.iteration(), {values.begin() + 1, values.end()});  // without the step
  };
  const auto start = Clock::now();
  const auto save = [&] {
    Checkpoint checkpoint;
    trainer.store(checkpoint);
    checkpoint.metadata["seconds"] = std::to_string(int64_t(spent + seconds_since(start)));
    save_keeping_previous(run.checkpoint(), checkpoint);
    card.about = "recipe " + o.recipe + "; " + std::to_string(trainer.iteration()) + " iterations of batch " +
                 std::to_string(config.batch) + "; " + std::to_string(faces.size()) + " faces";
    save_checkpoint(run / "model.safetensors",
                    export_model(trainer.best_generator(), card, &trainer.discriminator()));
    const Image faces_now = watch.sheet(trainer.best_generator());
    save_png(run / "faces.png", faces_now);
    events.picture(trainer.iteration(), "faces", faces_now);
    const Image details = watch.details(trainer.best_generator(), trainer.discriminator());
    save_png(run / "details.png", details);
    events.picture(trainer.iteration(), "details", details);
    std::vector<std::pair<std::string, double>> values{{"step", double(trainer.iteration())}};
    for (const auto& value : watch.measure(trainer.best_generator(), trainer.discriminator()))
      values.push_back(value);
    log(values);
    write_page(run, config, trainer.iteration(), trainer.iteration() == config.iterations());
  };

  Progress progress(config.iterations(), "train", o.common.quiet);
  progress.set(trainer.iteration());
  auto saved = Clock::now();
  double gauge = 0.5;
  bool warned = false;
  BatchLoader loader(sampler, config.batch, config.seed, trainer.iteration(), config.shuffle);
  int64_t updates = trainer.generator_updates();
  // Of the last line of metrics: iteration, time, and the seconds that batches had been waited for.
  int64_t counted = trainer.iteration();
  auto since = Clock::now();
  double waited = 0;
  while (trainer.iteration() < config.iterations()) {
    trainer.step(loader.next());
    const int64_t i = trainer.iteration();
    const bool learned = trainer.generator_updates() > updates;  // else terms of the generator are missing
    updates = trainer.generator_updates();
    if (learned && updates % o.log_every == 0) {
      const Losses losses = trainer.losses();
      std::vector<std::pair<std::string, double>> values{{"step", double(i)}};
      for (const auto& term : losses.terms) values.push_back(term);
      values.push_back({"attention", losses.attention});
      values.push_back({"learning_rate", losses.learning_rate});
      values.push_back({"seconds", spent + seconds_since(start)});
      values.push_back(
          {"images_per_second", double(i - counted) * double(config.batch) / seconds_since(since)});
      values.push_back({"data_share", (loader.waited() - waited) / seconds_since(since)});
      counted = i, since = Clock::now(), waited = loader.waited();
      log(values);
      char note[64];
      std::snprintf(note, sizeof note, "attention %.2f cycle %.3f", losses.attention,
                    losses.terms.at("g_cycle"));
      progress.set(i, note);
      gauge = kPatience * gauge + (1 - kPatience) * losses.attention;
      const bool out = gauge > kAttentionCopies || gauge < kAttentionPaints;
      if (out && !warned)
        std::fprintf(stderr, "warning: mean attention stays at %.3f: the model %s; %s --mask-weight\n", gauge,
                     gauge > 0.5 ? "copies its input" : "repaints everything",
                     gauge > 0.5 ? "raise" : "lower");
      warned = out;
    } else {
      progress.set(i);
    }
    if (interrupted()) {
      save();
      throw Interrupted();
    }
    if (seconds_since(saved) > 60 * o.save_minutes) {
      save();
      saved = Clock::now();
    }
  }
  save();
}

/// CLI::PositiveNumber and its like let NaN through.
void refuse_nan(CLI::App& app) {
  const auto is_number = [](const std::string& text) {
    double value = 0;
    const bool nan = CLI::detail::lexical_cast(text, value) && std::isnan(value);
    return nan ? "must be a number, got " + text : std::string();
  };
  for (CLI::Option* option : app.get_options())
    if (option->get_type_name().starts_with("FLOAT")) option->check(is_number, "");
}

}  // namespace

void declare_ganimation_train(CLI::App& app) {
  auto o = std::make_shared<TrainOptions>();
  CLI::App* train_app = app.add_subcommand("train", "Train on a packed data set of faces (facedata prepare)");
  train_app->add_option("--data", o->data,
                        "Packed data set (.sgd), its face size is the model's; --resume: that of the run");
  train_app
      ->add_option(
          "--recipe", o->recipe,
          "official, paper, replicate or thesis; small for 64 px and hours instead of days; improved: "
          "small with what was found to help")
      ->check(CLI::IsMember({"official", "paper", "replicate", "thesis", "small", "improved"}))
      ->capture_default_str();
  train_app->add_option("--conv-dim", o->conv_dim,
                        "Channels of the generator's stem (official 64, small 32)");
  train_app->add_option("--critic-dim", o->critic_dim,
                        "Channels of the discriminator's first layer (official 64, small 32)");
  train_app->add_option("--blocks", o->blocks, "Residual blocks (official 6, small 4)");
  train_app->add_option("--batch", o->batch, "Faces an iteration (official 25, small 16)")
      ->check(CLI::PositiveNumber);
  train_app->add_option("--epochs", o->epochs, "Passes over the data, the last third with falling rate (30)")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}));
  train_app
      ->add_option("--steps", o->steps,
                   "Iterations in all, exactly; the schedule of --epochs is stretched or squeezed to them")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}));
  train_app->add_option("--critic-steps", o->critic_steps,
                        "Iterations a generator update (official 5, small 2)");
  train_app->add_option("--conditioning", o->conditioning, "tiled (official), bottleneck or film (small)")
      ->check(CLI::IsMember({"tiled", "film", "bottleneck"}));
  train_app
      ->add_option("--units", o->units,
                   "What the generator is told: the action units asked for (absolute, official) or their "
                   "difference to the face's own (relative, improved)")
      ->check(CLI::IsMember({"absolute", "relative"}));
  train_app->add_option("--upsample", o->upsample, "transposed or resize")
      ->check(CLI::IsMember({"transposed", "resize"}));
  train_app->add_option("--lr", o->lr, "Learning rate (official 1e-4, small 2e-4)")
      ->check(CLI::PositiveNumber);
  train_app->add_option("--critic-lr", o->critic_lr, "Learning rate of the discriminator (as --lr)")
      ->check(CLI::PositiveNumber);
  train_app
      ->add_option("--au-weight", o->au_weight,
                   "Weight of the action units' mean squared error (official 160, small 50, improved 80)")
      ->check(CLI::NonNegativeNumber);
  train_app
      ->add_option("--mask-weight", o->mask_weight, "Weight of the mean attention; higher paints more (0.1)")
      ->check(CLI::NonNegativeNumber);
  train_app
      ->add_option(
          "--au-start", o->au_start,
          "What the weight of the action units starts at, falling to --au-weight in the first third of "
          "the iterations; 0: it is --au-weight all along (0; improved 160)")
      ->check(CLI::NonNegativeNumber);
  train_app->add_option("--cycle-weight", o->cycle_weight, "Weight of there and back (10)")
      ->check(CLI::NonNegativeNumber);
  train_app
      ->add_option("--smooth-weight", o->smooth_weight, "Weight of the attention's total variation (1e-5)")
      ->check(CLI::NonNegativeNumber);
  train_app
      ->add_option("--identity-weight", o->identity_weight,
                   "Weight of leaving a face with its own AUs alone (0)")
      ->check(CLI::NonNegativeNumber);
  train_app
      ->add_option("--average", o->average,
                   "Decay of averaged generator weights, 0 for none (official 0, small 0.999)")
      ->check(CLI::Range(0.0, 0.99999));
  train_app
      ->add_option("--balance", o->balance, "Share of faces drawn for a random AU (official 0, small 0.5)")
      ->check(CLI::Range(0.0, 1.0));
  train_app
      ->add_option("--shift", o->shift,
                   "Pixels a face is moved by at most (0; improved: a twentieth of the side)")
      ->check(CLI::Range(int64_t{0}, int64_t{256}));
  train_app->add_option(
      "--attention-band", o->band,
      "Mean attention in the middle of a face that costs nothing, LOW,HIGH, or off (improved 0.3,0.85)");
  train_app->add_option("--save-minutes", o->save_minutes, "Minutes between checkpoints and contact sheets")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  train_app->add_option("--log-every", o->log_every, "Generator updates between two lines of metrics.jsonl")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  refuse_nan(*train_app);
  add_compute_options(*train_app, o->common);
  add_seed_option(*train_app, o->common);
  add_run_options(*train_app, o->common);
  train_app->callback([o, train_app] { train(*o, *train_app); });
}

}  // namespace sga
