#include "tools/ganimation_edit.h"

#include <cstdio>
#include <map>
#include <memory>

#include "models/ganimation/photo_edit.h"
#include "tools/command.h"
#include "tools/face_detector.h"
#include "tools/page.h"
#include "tools/pretrained.h"
#include "tools/run_folder.h"

namespace sga {
namespace {

using namespace ganimation;

constexpr const char *kCropFile = "crop.png", *kSheetFile = "sheet.png";
constexpr const char* kEndings[] = {".png", "_crop.png", "_attention.png",
                                    "_colour.png"};  // one an expression

struct EditOptions {
  CommonOptions common;
  std::string image, model, presets, mode = "set", units;
  std::vector<std::string> names;
  float strength = 1;
};

std::vector<Expression> requested(const EditOptions& o) {
  const std::vector<Expression> known = o.presets.empty()
                                            ? parse_presets(default_presets(), "presets.txt")
                                            : parse_presets(read_text(o.presets, 1 << 20), o.presets);
  std::vector<Expression> result;
  for (const std::string& name : o.names) result.push_back(find_preset(known, name));
  if (!o.units.empty()) {
    result.push_back(parse_action_units(o.units));
    result.back().name = "custom";
  }
  for (size_t i = 0; i < result.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (result[i].name == result[k].name)
        throw UsageError("the expression " + result[i].name + " is asked for twice");
  if (result.empty())
    throw UsageError("nothing to do: name an expression with --preset or action units with --au");
  std::map<std::string, std::string> owners = {{kCropFile, "the cut face"},
                                               {kSheetFile, "the contact sheet"}};
  for (const Expression& expression : result)
    for (const char* ending : kEndings)
      if (const auto [owner, free] = owners.emplace(expression.name + ending, expression.name); !free)
        throw UsageError("the expression " + expression.name + " cannot be written to " + owner->first +
                         ", which holds " + owner->second + "; give it another name");
  return result;
}

void edit(EditOptions& o, CLI::App& app) {
  const std::vector<Expression> expressions = requested(o);
  use_device(o.common);
  const Model model(o.model.empty() ? default_model() : fs::path(o.model));
  const Image photo = load_image(o.image);
  SGA_CHECK(std::min(photo.height, photo.width) >= 25, o.image, " is ", photo.width, "x", photo.height,
            " pixels, a face needs at least 25 on each side; give a larger picture");
  const std::vector<FaceRectangle> faces = FaceDetector().detect(photo);
  SGA_CHECK(!faces.empty(), "no face was found in ", o.image,
            "; give a photograph with one upright, frontal face");
  const FaceBox box = box_from_detection(faces.front(), parse_crop_recipe(model.card().crop_recipe));
  const EditMode mode = o.mode == "add" ? EditMode::add : EditMode::set;
  ActionUnits source{};
  if (mode == EditMode::add) {
    SGA_CHECK(
        model.can_estimate(),
        "--mode add needs the face's own action units, which this model cannot estimate; use --mode set");
    source = model.estimate(to_tensor(crop_face(photo, box, model.size()))).front();
  }
  std::vector<ActionUnits> targets;
  for (const Expression& expression : expressions)
    targets.push_back(target_action_units(expression, mode, o.strength, source, model.card().limits));

  // Everything that can be refused has been: only now is anything written.
  RunFolder run(o.common.out, false, o.common.force);
  run.configure(app);
  Page page("ganimation edit: " + fs::path(o.image).filename().string());
  std::vector<Image> sheet{crop_face(photo, box, model.size())};
  std::vector<std::string> labels{"photo"};
  save_png(run / kCropFile, sheet.front());
  page.pictures("The face found", {{kCropFile, ""}});
  for (size_t i = 0; i < expressions.size(); ++i) {
    const Expression& expression = expressions[i];
    const PhotoEdit result = edit_photo(model, photo, box, targets[i]);
    const std::string& name = expression.name;
    save_png(run / (name + ".png"), result.photo);
    save_png(run / (name + "_crop.png"), result.edited);
    save_png(run / (name + "_attention.png"), result.attention);
    save_png(run / (name + "_colour.png"), result.colour);
    page.pictures(name + " (" + to_text(expression) + ")",
                  {{name + "_crop.png", "edited"},
                   {name + "_attention.png", "attention (white keeps)"},
                   {name + "_colour.png", "colour"}});
    page.pictures("", {{name + ".png", name + " in the photograph"}});
    sheet.push_back(result.edited);
    labels.push_back(name);
  }
  save_png(run / kSheetFile, contact_sheet(sheet, int64_t(sheet.size()), labels));
  page.write(run / "index.html");
  if (!o.common.quiet) std::printf("%s\n", (run / "index.html").c_str());
}

void info(const std::string& file) {
  const Model model(file.empty() ? default_model() : fs::path(file));
  const GeneratorConfig& c = model.config();
  std::printf("GANimation generator for faces of %lld px, %.2f M parameters\n",
              static_cast<long long>(c.size), double(model.parameters()) * 1e-6);
  std::printf("  conv-dim %lld, %lld residual blocks, %s conditioning, %s upsampling\n",
              static_cast<long long>(c.conv_dim), static_cast<long long>(c.blocks),
              c.conditioning == Conditioning::film ? "film" : "tiled",
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

void declare_ganimation_edit(CLI::App& app) {
  auto o = std::make_shared<EditOptions>();
  CLI::App* edit_app =
      app.add_subcommand("edit", "Change the expression of the largest face in a photograph");
  edit_app->add_option("--image", o->image, "Photograph (PNG, JPEG, BMP)")->required();
  edit_app->add_option("--model", o->model, "Model file; empty: the one shipped");
  edit_app->add_option("--preset", o->names, "Expressions by name, e.g. happiness,surprise")->delimiter(',');
  edit_app->add_option("--au", o->units, "Action units, e.g. 12=0.8,6=0.5");
  edit_app->add_option("--presets", o->presets, "File of presets; empty: those shipped");
  edit_app->add_option("--mode", o->mode, "set: exactly these units; add: on top of the face's own")
      ->check(CLI::IsMember({"set", "add"}))
      ->capture_default_str();
  edit_app->add_option("--strength", o->strength, "Factor on all action units")
      ->check(CLI::Range(0.0, double(kMaxStrength)))
      ->capture_default_str();
  add_compute_options(*edit_app, o->common);
  add_out_option(*edit_app, o->common);
  edit_app->callback([o, edit_app] { edit(*o, *edit_app); });
}

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
