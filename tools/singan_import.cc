// singan import: a training of the official code as a model of ours.
#include <cmath>
#include <cstdio>
#include <memory>

#include "engine/image.h"
#include "engine/ops.h"
#include "models/singan/import.h"
#include "tools/page.h"
#include "tools/run_folder.h"
#include "tools/singan.h"

namespace sga {
namespace {

struct ImportCommand {
  CommonOptions common;
  std::string from;
};

struct Difference {
  int64_t largest = 0;
  double mean = 0;
};

/// Of 8-bit pictures in levels. The official code truncates to 8 bits (matplotlib), so `ours` is truncated.
Difference difference(const Image& ours, const Image& theirs) {
  Difference d;
  for (size_t i = 0; i < ours.pixels.size(); ++i) {
    const int64_t levels =
        std::abs(int64_t(ours.pixels[i] * 255) - int64_t(std::lround(theirs.pixels[i] * 255)));
    d.largest = std::max(d.largest, levels);
    d.mean += double(levels) / double(ours.pixels.size());
  }
  return d;
}

/// What the folder shows as the reconstruction of a level, against what the imported weights give.
std::string compared(const singan::Model& model, int level, const fs::path& folder) {
  const fs::path path = folder / std::to_string(level) / "G(z_opt).png";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return "none";
  const Image ours = to_image(singan::training_reconstruction(model, level));
  Image theirs;
  try {
    theirs = load_image(path);
  } catch (const Error&) {  // the weights do not need it
    return "cannot be read";
  }
  if (theirs.height != ours.height || theirs.width != ours.width) return "of another size";
  const Difference d = difference(ours, theirs);
  char text[64];
  std::snprintf(text, sizeof text, "differs by at most %lld, mean %.5f", static_cast<long long>(d.largest),
                d.mean);
  return text;
}

std::string widths_text(const singan::Generator& generator) {
  const auto& of = generator.net.options().width.of;
  std::string text;
  for (const int64_t width : of) text += (text.empty() ? "" : ", ") + std::to_string(width);
  return of == singan::Widths(of[0]).of ? std::to_string(of[0]) : text;
}

std::string fixed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", value);
  return text;
}

/// The noise of a level as training measures it when the level begins: it depends on every level below.
double measured_noise(const singan::Model& model, int level) {
  const Tensor prior = singan::reconstruction_prior(model, level);
  return model.config.noise_weight * std::sqrt(mse(model.reals[size_t(level)], prior).item());
}

void run_import(const ImportCommand& o, CLI::App& app) {
  use_device(o.common);
  const fs::path folder = singan::official_folder(o.from);
  const singan::Model model = singan::import_official(folder);
  const Tensor reconstruction = singan::reconstruction(model);
  SGA_CHECK(
      !has_nonfinite(reconstruction), folder.string(),
      ": its generators give numbers that are not finite; the training failed or the files are damaged");
  std::vector<std::vector<std::string>> rows;
  for (int i = 0; i < model.finished(); ++i) {
    stop_if_interrupted();
    rows.push_back({std::to_string(i), text_of(model.size(i)), widths_text(model.levels[size_t(i)].generator),
                    fixed(model.levels[size_t(i)].noise_amp), i ? fixed(measured_noise(model, i)) : "",
                    compared(model, i, folder)});
  }

  RunFolder run(o.common.out, false, o.common.force,
                {"singan import", {kModelFile, "training.png", "reconstruction.png", "index.html"}});
  run.configure(app);
  singan::save_model(run / kModelFile, model);
  save_png(run / "training.png", to_image(model.image));
  save_png(run / "reconstruction.png", to_image(reconstruction));
  Page page("SinGAN import");
  page.table({{"from", folder.string()}});
  page.table(describe(model));
  page.heading("Levels");
  page.paragraph(
      "Noise as stored, and as measured with the imported levels below, which should be the same. The last "
      "column compares what the imported generator gives in training mode with the G(z_opt).png of its "
      "level, "
      "in levels of 255.");
  page.table({"level", "size", "channels", "noise", "measured", "G(z_opt).png"}, rows);
  page.pictures("Pictures", {{"training.png", "training picture"}, {"reconstruction.png", "reconstruction"}});
  page.write(run / "index.html");
  for (const std::vector<std::string>& row : rows)
    std::printf("level %s, %s: noise %s%s%s; G(z_opt).png: %s\n", row[0].c_str(), row[1].c_str(),
                row[3].c_str(), row[4].empty() ? "" : ", measured ", row[4].c_str(), row[5].c_str());
  std::printf("%s: %d of %d levels\n", (run / kModelFile).c_str(), model.finished(), model.pyramid.count());
}

}  // namespace

void declare_import(CLI::App& app) {
  auto o = std::make_shared<ImportCommand>();
  CLI::App* sub = app.add_subcommand("import", "Turn a training of the official code into a model");
  sub->add_option("--from", o->from,
                  "Folder of the training, TrainedModels/NAME or the folder scale_factor=... in it")
      ->required();
  add_compute_options(*sub, o->common);
  add_out_option(*sub, o->common);
  sub->callback([o, sub] { run_import(*o, *sub); });
}

}  // namespace sga
