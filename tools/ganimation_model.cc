// ganimation info, ganimation export: model files.
#include <cstdio>
#include <memory>

#include "models/ganimation/editing.h"
#include "tools/command.h"
#include "tools/ganimation_edit.h"
#include "tools/pretrained.h"

namespace sga {
namespace {

using namespace ganimation;

void info(const std::string& file) {
  const Model model(file.empty() ? default_model() : fs::path(file));
  const GeneratorConfig& c = model.config();
  std::printf("GANimation generator for faces of %lld px, %.2f M parameters\n",
              static_cast<long long>(c.size), double(model.parameters()) * 1e-6);
  std::printf("  conv-dim %lld, %lld residual blocks, %s conditioning on %s units, %s upsampling\n",
              static_cast<long long>(c.conv_dim), static_cast<long long>(c.blocks),
              name_of(c.conditioning).c_str(), c.units == Units::relative ? "relative" : "absolute",
              c.upsample == Upsample::resize ? "resize" : "transposed");
  std::printf("  reads action units off a face: %s\n", model.can_estimate() ? "yes" : "no");
  std::printf("crop: %s\n%s\n", model.card().crop_recipe.c_str(), model.card().about.c_str());
  std::printf("largest useful action units (99th percentile of the training faces):\n ");
  for (int i = 0; i < kActionUnitCount; ++i)
    std::printf(" %d=%.2f", kActionUnitNumbers[size_t(i)], double(model.card().limits[size_t(i)]));
  std::printf("\n");
}

struct ExportOptions {
  std::string model, out, about;
  bool without_estimator = false, force = false;
};

void export_half(const ExportOptions& o) {
  Checkpoint checkpoint = load_checkpoint(o.model);
  const Model checked(checkpoint, o.model);  // refuses what is no model of ours
  if (fs::exists(o.out) && !o.force) fail(o.out, " exists; choose another --out or give --force");
  if (!o.about.empty()) checkpoint.metadata["about"] = read_text(o.about, 1 << 16);
  if (o.without_estimator) {
    std::erase_if(checkpoint.tensors,
                  [](const auto& entry) { return entry.first.starts_with("estimator."); });
    std::erase_if(checkpoint.metadata,
                  [](const auto& entry) { return entry.first.starts_with("estimator."); });
  }
  save_checkpoint(o.out, checkpoint, Storage::f16);
}

}  // namespace

void declare_ganimation_info(CLI::App& app) {
  auto file = std::make_shared<std::string>();
  CLI::App* info_app = app.add_subcommand("info", "Describe a model file");
  info_app->add_option("model,--model", *file, "Model file; empty: the one shipped");
  info_app->callback([file] { info(*file); });
}

void declare_ganimation_export(CLI::App& app) {
  auto o = std::make_shared<ExportOptions>();
  CLI::App* export_app = app.add_subcommand("export", "Write a model in half precision, for shipping");
  export_app->add_option("--model", o->model, "model.safetensors of a training run")->required();
  export_app->add_option("--about", o->about, "Text file to store as the model's description");
  export_app->add_flag("--without-estimator", o->without_estimator,
                       "Leave out what reads action units off a face");
  export_app->add_option("--out", o->out, "File to write")->required();
  export_app->add_flag("--force", o->force, "Replace the file");
  export_app->callback([o] { export_half(*o); });
}

}  // namespace sga
