// singanimation expand: one face photograph in, a labelled set of expression images out.
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include "engine/device.h"
#include "models/singanimation/expand.h"
#include "tools/command.h"
#include "tools/expand_manifest.h"
#include "tools/face_photo.h"
#include "tools/page.h"
#include "tools/pretrained.h"
#include "tools/progress.h"
#include "tools/run_folder.h"

namespace sga {
namespace {

using ganimation::EditMode;
using singanimation::inject_level;

constexpr int64_t kSheetVariants = 16;  // sheet.png is one picture in memory, whatever --samples is

struct ExpandOptions {
  CommonOptions common;
  std::string image, model, presets, mode = "set";
  std::vector<std::string> expressions;
  std::string units;
  float strength = 1;
  int64_t samples = 8, size = 128, iterations = 0;
  std::string inject = "N-1", quality = "standard";
};

// "happiness/samples/happiness_012.png": sorted by name is sorted by number, and the name alone is unique in
// the run, as readers of label files match pictures without their folders.
std::string sample_file(const std::string& expression, int64_t index) {
  const std::string digits = std::to_string(index);
  return expression + "/samples/" + expression + "_" +
         std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits + ".png";
}

// The expressions asked for: presets by name, then the mixture of --au.
std::vector<Expression> requested(const ExpandOptions& options) {
  const std::vector<Expression> known =
      options.presets.empty() ? parse_presets(default_presets(), "presets.txt")
                              : parse_presets(read_text(options.presets, 1 << 20), options.presets);
  std::vector<Expression> result;
  for (const std::string& name : options.expressions) {
    for (const Expression& e : result)
      if (e.name == name) throw UsageError("--expressions names " + name + " twice");
    result.push_back(find_preset(known, name));
  }
  if (!options.units.empty()) {
    result.push_back(parse_action_units(options.units));
    result.back().name = "custom";
    for (size_t i = 0; i + 1 < result.size(); ++i)
      if (result[i].name == "custom")
        throw UsageError("--au is called custom, and so is one of --expressions; give one of them");
  }
  if (result.empty()) throw UsageError("nothing to do: name expressions with --expressions or --au");
  for (const Expression& e :
       result)  // an expression is a folder, and of the files beside it one has no ending
    if (e.name == kLockFile)
      throw UsageError("the expression " + e.name +
                       " cannot have a folder, as the tool keeps a file of that name; give it another name");
  return result;
}

// The whole of one run; each finished expression has a manifest.csv in its folder, written last.
class Expansion {
 public:
  /// Finds whatever can be wrong with the input, and writes nothing yet.
  explicit Expansion(const ExpandOptions& options)
      : options_(options),
        run_(options.common.out),
        level_(inject_level(options.inject)),
        expressions_(requested(options)),
        model_file_(options.model.empty() ? default_model() : fs::path(options.model)),
        model_(model_file_),
        checksum_(file_checksum(model_file_)),
        photo_(load_image(options.image)) {
    const int scales = singan::make_pyramid(options.size, options.size, training_config(0).pyramid).count();
    SGA_CHECK(level_ < scales, "--inject ", options.inject, " needs ", level_ + 1, " scales, and --size ",
              options.size, " has ", scales, "; give a larger --size");
    stop_if_interrupted();  // a large photograph takes seconds to read and to search
    FaceDetector detector;
    FacePhoto found = find_face(std::move(photo_), options.image, model_.card().crop_recipe, 0, detector);
    stop_if_interrupted();
    photo_ = std::move(found.photo);
    box_ = found.box;
    const bool add = options.mode == "add", relative = model_.config().units == ganimation::Units::relative;
    if (add || relative) {
      SGA_CHECK(model_.can_estimate(), "the face's own action units are needed, which ", model_file_.string(),
                " cannot estimate; use ", relative ? "another --model" : "--mode set");
      source_ = model_.estimate(to_tensor(crop_face(photo_, box_, model_.size()))).front();
    }
    for (const Expression& expression : expressions_)
      targets_.push_back(make_target(expression, add ? EditMode::add : EditMode::set, options.strength,
                                     source_.value_or(ActionUnits{}), model_.card().limits));
  }

  /// What a run before --force finished or began is not this run's. For a new run, while config.json does not
  /// make it one yet.
  void forget() const {
    for (size_t i = 0; i < expressions_.size(); ++i) {
      fs::remove(folder(i) / "manifest.csv");
      fs::remove(trained(i));
      forget_training(i);
    }
  }

  void run() {
    save_png(run_ / "crop.png", crop_face(photo_, box_, options_.size));
    for (size_t i = 0; i < expressions_.size(); ++i) {
      remove_unfinished(folder(i));
      remove_unfinished(folder(i) / "samples");
      if (!fs::exists(folder(i) / "manifest.csv")) expand(i);
      write_summary(i + 1);
    }
  }

 private:
  fs::path folder(size_t i) const { return run_ / expressions_[i].name; }
  fs::path unfinished(size_t i) const { return folder(i) / "training.safetensors"; }
  fs::path trained(size_t i) const { return folder(i) / "singan.safetensors"; }

  void forget_training(size_t i) const {
    for (const char* mark : {"", ".previous", ".damaged"})
      fs::remove(folder(i) / ("training" + std::string(mark) + ".safetensors"));
  }

  void expand(size_t i) {
    const std::string& name = expressions_[i].name;
    make_folder(folder(i));
    const ganimation::PhotoEdit edit = edit_photo(model_, photo_, box_, targets_[i], source_);
    save_png(folder(i) / "edited.png", crop_face(edit.photo, box_, options_.size));
    save_png(folder(i) / "attention.png", edit.face.paint.attention);
    save_png(folder(i) / "colour.png", edit.face.paint.colour);
    save_png(folder(i) / "photo.png", edit.photo);
    stop_if_interrupted();

    const Tensor picture = singanimation::training_picture(edit.photo, box_, options_.size);
    const singan::Model model = train(i, picture);
    make_folder(folder(i) / "samples");
    std::string manifest;
    for (int64_t k = 0; k < options_.samples; ++k) {
      stop_if_interrupted();
      const uint64_t seed = singanimation::sample_seed(options_.common.seed, int64_t(i), k);
      const Image sample = singanimation::regenerate(model, picture, level_, seed);
      const std::string file = sample_file(name, k);
      save_png(run_ / file, sample);
      manifest += manifest_row(
          {file, name, targets_[i].units, options_.inject, seed, checksum_, sample.width, sample.height});
    }
    write_file(folder(i) / "manifest.csv", manifest_header() + manifest);
  }

  singan::Config training_config(size_t i) const {
    singan::Config config = singanimation::face_config(options_.quality, options_.common.seed + i);
    if (options_.iterations) config.iterations = options_.iterations;
    if (i > 0) config.iterations = singanimation::warm_iterations(config.iterations);
    return config;
  }

  // The SinGAN of one edit, which starts from that of the first edit: singan.safetensors if it is there
  // (stopped among the samples), else goes on from training.safetensors.
  singan::Model train(size_t i, const Tensor& picture) {
    if (fs::exists(trained(i))) {
      forget_training(i);
      return singan::load_model(trained(i));
    }
    const singan::Config config = training_config(i);
    std::optional<singan::Model> first;
    if (i > 0) {
      SGA_CHECK(fs::exists(trained(0)), "singanimation: ", trained(0).string(), ", which training ",
                expressions_[i].name, " starts from, was removed; remove ",
                (folder(0) / "manifest.csv").string(), " too, and --resume makes that expression again");
      first = singan::load_model(trained(0));
    }
    const singan::Model* warm = first ? &*first : nullptr;
    std::optional<singan::Trainer> trainer;
    if (has_checkpoint(unfinished(i)))
      trainer.emplace(load_newest(unfinished(i)), warm);
    else
      trainer.emplace(config, picture, warm);
    const auto save = [&] {
      Checkpoint checkpoint;
      trainer->store(checkpoint);
      save_keeping_previous(unfinished(i), checkpoint);
    };
    const int64_t per_level = config.iterations;
    Progress progress(trainer->model().pyramid.count() * per_level, expressions_[i].name,
                      options_.common.quiet);
    int level = -1;
    const bool finished = trainer->run([&](const singan::Progress& p) {
      if (p.level != level) {
        if (level >= 0) save();
        level = p.level;
      }
      progress.set(p.level * per_level + p.iteration,
                   "scale " + std::to_string(p.level) + " of " + std::to_string(p.levels));
      return !interrupted();
    });
    if (!finished) {
      save();
      throw Interrupted();
    }
    save_model(trained(i), trainer->model());
    forget_training(i);
    return trainer->model();
  }

  // manifest.csv, openface.csv, sheet.png and index.html over the first `count` expressions.
  void write_summary(size_t count) const {
    std::string manifest = manifest_header(), openface = openface_header();
    Page page("SinGANimation: " + fs::path(options_.image).filename().string());
    if (count < expressions_.size()) page.refresh_every(10);
    page.paragraph(std::to_string(count) + " of " + std::to_string(expressions_.size()) + " expressions, " +
                   std::to_string(options_.samples) + " variants each, started at scale " + options_.inject +
                   ". Labels: manifest.csv, and openface.csv as OpenFace writes them.");
    page.pictures("Photograph", {{"crop.png", "the face that was found"}});
    const int64_t on_sheet = std::min(options_.samples, kSheetVariants);
    std::vector<Image> sheet;
    std::vector<std::string> labels;
    for (size_t i = 0; i < count; ++i) {
      const std::string& name = expressions_[i].name;
      sheet.push_back(load_image(folder(i) / "edited.png"));
      labels.push_back(name);
      const ActionUnits units = targets_[i].units;
      std::vector<Page::Picture> pictures = {{name + "/edited.png", "edited"},
                                             {name + "/attention.png", "attention (white keeps the photo)"},
                                             {name + "/colour.png", "colour"},
                                             {name + "/photo.png", name + " in the photograph"}};
      for (int64_t k = 0; k < options_.samples; ++k) {
        const std::string file = sample_file(name, k);
        const ManifestRow row{file,
                              name,
                              units,
                              options_.inject,
                              singanimation::sample_seed(options_.common.seed, int64_t(i), k),
                              checksum_,
                              options_.size,
                              options_.size};
        stop_if_interrupted();
        manifest += manifest_row(row);
        openface += openface_line(file, 1, units);
        pictures.push_back({file, "variant " + std::to_string(k)});
        if (k >= on_sheet) continue;
        sheet.push_back(load_image(run_ / file));
        labels.push_back(std::to_string(k));
      }
      page.pictures(name + " (" + to_text(expressions_[i]) + ")", pictures);
    }
    write_file(run_ / "manifest.csv", manifest);
    write_file(run_ / "openface.csv", openface);
    save_png(run_ / "sheet.png", contact_sheet(sheet, on_sheet + 1, labels));
    page.table({{"model", model_file_.filename().string() + " " + checksum_},
                {"quality", options_.quality},
                {"seed", std::to_string(options_.common.seed)},
                {"device", device_description()}});
    page.write(run_ / "index.html");
  }

  const ExpandOptions& options_;
  const fs::path run_;
  int level_;
  std::vector<Expression> expressions_;
  fs::path model_file_;
  ganimation::Model model_;
  std::string checksum_;
  Image photo_;
  FaceBox box_;
  std::optional<ActionUnits> source_;        // where something asks for it
  std::vector<ganimation::Target> targets_;  // one an expression
};

void run_expand(const ExpandOptions& options, CLI::App& app) {
  use_device(options.common);
  std::optional<RunFolder> run;
  std::optional<Expansion> expansion;
  const auto open_folder = [&] {
    run.emplace(options.common.out, options.common.resume, options.common.force);
    if (expansion) expansion->forget();
    run->configure(
        app, {},
        {{"image"},
         {"presets", [](const fs::path& p) { return p.empty() ? "" : file_checksum(p); }},
         {"model", [](const fs::path& p) { return file_checksum(p.empty() ? default_model() : p); }}});
  };
  const bool goes_on = continues_run(options.common);
  if (app.count("--image") == 0 && !goes_on)
    throw UsageError("--image is required, unless --resume goes on with a run");
  if (goes_on) open_folder();  // options that are not given come from there
  use_device(options.common);  // the stored precision, if it was not given
  expansion.emplace(options);
  if (!goes_on) open_folder();  // and bad input leaves no folder behind
  expansion->run();
  std::cout << "done: " << options.samples << " variants of each expression; open "
            << (*run / "index.html").string() << "\n";
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  return sga::run_tool(
      argc, argv,
      {"singanimation", "Turns one face photograph into a labelled set of expression images.", "--size"},
      [](CLI::App& app) {
        auto options = std::make_shared<sga::ExpandOptions>();
        CLI::App* expand =
            app.add_subcommand("expand", "Edit a face to N expressions and generate M variants of each");
        expand->add_option("--image", options->image,
                           "Photograph with a face (PNG, JPEG, BMP); --resume: that of the run");
        expand->add_option("--expressions", options->expressions, "Preset names, comma-separated")
            ->delimiter(',');
        expand->add_option("--au", options->units, "One more expression as action units, e.g. 12=0.8,6=0.5");
        expand->add_option("--presets", options->presets,
                           "Text file of expressions instead of the built-in ones");
        expand->add_option("--strength", options->strength, "Multiplies the expressions' values")
            ->check(CLI::Range(0.0, double(sga::ganimation::kMaxStrength)))
            ->capture_default_str();
        expand
            ->add_option("--mode", options->mode,
                         "set: unlisted action units become 0; add: they stay as they are")
            ->check(CLI::IsMember({"set", "add"}))
            ->capture_default_str();
        expand->add_option("--samples", options->samples, "Variants of each expression")
            ->check(CLI::Range(1, 100000))
            ->capture_default_str();
        expand->add_option("--size", options->size, "Side of the variants in pixels")
            ->check(CLI::Range(32, 1024))
            ->capture_default_str();
        expand->add_option("--inject", options->inject, "Scale at which the edit enters; N is the coarsest")
            ->check(CLI::IsMember({"N-1", "N-2"}))
            ->capture_default_str();
        expand->add_option("--quality", options->quality, "Length of the SinGAN trainings")
            ->check(CLI::IsMember({"quick", "standard", "full"}))
            ->capture_default_str();
        expand
            ->add_option(
                "--iterations", options->iterations,
                "For each scale, instead of what --quality says; 0: as --quality says. Expressions after "
                "the first start from its SinGAN and take a quarter, but at least 150")
            ->check(CLI::Range(0, 100000))
            ->capture_default_str();
        expand->add_option("--model", options->model,
                           "GANimation model; default: the one shipped with the tools");
        sga::add_compute_options(*expand, options->common);
        sga::add_seed_option(*expand, options->common);
        sga::add_run_options(*expand, options->common);
        expand->callback([options, expand] { sga::run_expand(*options, *expand); });
      });
}
