// ganimation emotions: all expressions of a face, put back into the photograph (thesis, figure 5.6).
#include <algorithm>
#include <cmath>
#include <memory>

#include "tools/expressions.h"
#include "tools/face_run.h"
#include "tools/ganimation_edit.h"
#include "tools/page.h"
#include "tools/png_writer.h"
#include "tools/sheet.h"

namespace sga {
namespace {

using namespace ganimation;

constexpr int64_t kCell = 192;  // pixels of a photograph or face on the sheet
constexpr const char* kSheetFile = "sheet.png";

struct EmotionsOptions {
  FaceRunOptions run;
  std::string presets, mode = "set";
  std::vector<std::string> names;
  float strength = 1;
};

std::vector<Expression> chosen(const EmotionsOptions& o) {
  std::vector<Expression> result =
      o.names.empty() ? presets_of(o.presets) : requested(ExpressionOptions{o.presets, o.names, ""});
  for (const Expression& expression : result)
    if (expression.name + ".png" == kSheetFile)
      throw UsageError(
          "the expression sheet cannot be written to sheet.png, which holds the sheet; give it "
          "another name");
  return result;
}

Image small(const Image& photo) {
  const double scale = double(kCell) / double(std::max(photo.height, photo.width));
  const auto side = [scale](int64_t n) { return std::max<int64_t>(1, std::llround(double(n) * scale)); };
  return scale < 1 ? resize_image(photo, side(photo.height), side(photo.width)) : photo;
}

void write(const Model& model, FacePhoto& photo, const std::vector<Expression>& expressions,
           const std::vector<Target>& targets, const std::optional<ActionUnits>& source,
           const fs::path& folder) {
  std::vector<std::vector<Image>> rows(3);
  std::vector<std::string> columns{"photo"};
  const FaceView view = view_of(photo.photo, photo.box, kCell);
  rows[0].push_back(small(photo.photo));
  rows[1].push_back(view.picture);
  rows[2].emplace_back();  // a photograph has no mask
  Page page("ganimation emotions: " + fs::path(photo.name).filename().string());
  page.picture({kSheetFile, "photographs, faces, attention (white keeps)"});
  for (size_t i = 0; i < targets.size(); ++i) {
    stop_if_interrupted();
    const bool last = i + 1 == targets.size();
    const PhotoEdit edit =
        edit_photo(model, last ? std::move(photo.photo) : photo.photo, photo.box, targets[i], source);
    const std::string& name = expressions[i].name;
    write_png(folder / (name + ".png"), edit.photo);
    rows[0].push_back(small(edit.photo));
    rows[1].push_back(paste_face(view.picture, view.box, edit.face.crop, edit.face.paint));
    rows[2].push_back(resize_image(edit.face.paint.attention, kCell, kCell));
    columns.push_back(name);
    page.pictures("", {{name + ".png", name + " (" + to_text(expressions[i]) + ")"}});
  }
  save_png(folder / kSheetFile, labelled_sheet(rows, {"photo", "face", "attention"}, columns));
  page.write(folder / "index.html");
}

void emotions(const EmotionsOptions& o, CLI::App& app) {
  const std::vector<Expression> expressions = chosen(o);
  FaceRun run(o.run);
  const bool add = o.mode == "add";
  run.each(
      app,
      [&](FacePhoto& photo) -> FaceRun::Job {
        const std::optional<ActionUnits> source = run.source_if(add, photo);
        std::vector<Target> targets;
        for (const Expression& expression : expressions)
          targets.push_back(make_target(expression, add ? EditMode::add : EditMode::set, o.strength,
                                        source.value_or(ActionUnits{}), run.model().card().limits));
        return [&, targets, source](const fs::path& folder) {
          write(run.model(), photo, expressions, targets, source, folder);
        };
      },
      kSheetFile);
}

}  // namespace

void declare_ganimation_emotions(CLI::App& app) {
  auto o = std::make_shared<EmotionsOptions>();
  CLI::App* sub =
      app.add_subcommand("emotions", "All presets of a face in its photograph, and one sheet of them");
  sub->add_option("--preset", o->names, "Expressions by name, comma-separated; empty: all")->delimiter(',');
  sub->add_option("--presets", o->presets, "File of presets; empty: those shipped");
  sub->add_option("--mode", o->mode, "set: exactly these units; add: on top of the face's own")
      ->check(CLI::IsMember({"set", "add"}))
      ->capture_default_str();
  sub->add_option("--strength", o->strength, "Factor on all action units")
      ->check(CLI::Range(0.0, double(kMaxStrength)))
      ->capture_default_str();
  add_face_run_options(*sub, o->run);
  sub->callback([o, sub] { emotions(*o, *sub); });
}

}  // namespace sga
