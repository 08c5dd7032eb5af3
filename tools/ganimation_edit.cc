// ganimation edit: the expression of a face in a photograph.
#include "tools/ganimation_edit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "tools/expressions.h"
#include "tools/face_run.h"
#include "tools/page.h"
#include "tools/png_writer.h"

namespace sga {
namespace {

using namespace ganimation;

constexpr const char *kCropFile = "crop.png", *kSheetFile = "sheet.png";
constexpr const char* kEndings[] = {".png", "_crop.png", "_attention.png",
                                    "_colour.png"};  // one an expression

struct EditOptions {
  FaceRunOptions run;
  ExpressionOptions wanted;
  std::string mode = "set", from;
  float strength = 1;
};

/// What the words on the command line ask for; of --mode transfer nothing, as it has to be read off a face
/// first.
std::vector<Expression> checked_request(EditOptions& o, const CLI::App& app) {
  if (!o.from.empty() && app.count("--mode") == 0) o.mode = "transfer";
  const bool transfer = o.mode == "transfer",
             expressions = !o.wanted.names.empty() || !o.wanted.units.empty();
  if (transfer == o.from.empty())
    throw UsageError("--mode transfer and --from, the photograph or table to take it from, go together");
  if (transfer && expressions)
    throw UsageError("--mode transfer takes the expression from --from; leave out --preset and --au");
  if (o.mode == "preset" && (o.wanted.names.empty() || !o.wanted.units.empty()))
    throw UsageError("--mode preset needs --preset, and --au goes with --mode set or add");
  if (transfer) return {};
  std::vector<Expression> result = requested(o.wanted);
  if (result.empty())
    throw UsageError(
        "nothing to do: name an expression with --preset, action units with --au, or another face with "
        "--from");
  std::map<std::string, std::string> owners = {{kCropFile, "the cut face"},
                                               {kSheetFile, "the contact sheet"}};
  for (const Expression& expression : result)
    for (const char* ending : kEndings)
      if (const auto [owner, free] = owners.emplace(expression.name + ending, expression.name); !free)
        throw UsageError("the expression " + expression.name + " cannot be written to " + owner->first +
                         ", which holds " + owner->second + "; give it another name");
  return result;
}

struct NamedTarget {
  std::string name, text;
  Target target;
};

/// What a face shows, to a thousandth: estimates are no surer.
Expression expression_of(const ActionUnits& units) {
  Expression expression;
  expression.name = "transfer";
  for (size_t i = 0; i < units.size(); ++i) expression.values[i] = std::round(units[i] * 1000) / 1000;
  expression.listed.fill(true);
  return expression;
}

/// Files of every expression, and a page of them.
void write(const Model& model, FacePhoto& photo, const std::vector<NamedTarget>& targets,
           const std::optional<ActionUnits>& source, const fs::path& folder) {
  Page page("ganimation edit: " + fs::path(photo.name).filename().string());
  std::vector<Image> sheet{crop_face(photo.photo, photo.box, model.size())};
  std::vector<std::string> labels{"photo"};
  save_png(folder / kCropFile, sheet.front());
  page.pictures("The face found", {{kCropFile, ""}});
  for (size_t i = 0; i < targets.size(); ++i) {
    stop_if_interrupted();
    const auto& [name, text, target] = targets[i];
    const bool last = i + 1 == targets.size();
    const PhotoEdit edit =
        edit_photo(model, last ? std::move(photo.photo) : photo.photo, photo.box, target, source);
    write_png(folder / (name + ".png"), edit.photo);
    save_png(folder / (name + "_crop.png"), edit.face.edited);
    save_png(folder / (name + "_attention.png"), edit.face.paint.attention);
    save_png(folder / (name + "_colour.png"), edit.face.paint.colour);
    page.pictures(name + " (" + text + ")", {{name + "_crop.png", "edited"},
                                             {name + "_attention.png", "attention (white keeps)"},
                                             {name + "_colour.png", "colour"}});
    page.pictures("", {{name + ".png", name + " in the photograph"}});
    sheet.push_back(edit.face.edited);
    labels.push_back(name);
  }
  save_png(folder / kSheetFile, contact_sheet(sheet, int64_t(sheet.size()), labels));
  page.write(folder / "index.html");
}

void edit(EditOptions& o, CLI::App& app) {
  const std::vector<Expression> expressions = checked_request(o, app);
  FaceRun run(o.run);
  const ActionUnits& limits = run.model().card().limits;
  std::optional<Expression> shown;
  if (!o.from.empty()) shown = expression_of(run.shown_by(o.from));
  run.each(
      app,
      [&](FacePhoto& photo) -> FaceRun::Job {
        const std::optional<ActionUnits> source =
            run.source_if(o.mode == "add" || (shown && o.strength != 1), photo);
        std::vector<NamedTarget> targets;
        const EditMode mode = o.mode == "add" ? EditMode::add : EditMode::set;
        for (const Expression& expression : expressions)
          targets.push_back(
              {expression.name, to_text(expression),
               make_target(expression, mode, o.strength, source.value_or(ActionUnits{}), limits)});
        if (shown) {
          const Target whole = make_target(*shown, EditMode::set, 1, {}, limits);
          targets.push_back({shown->name, to_text(*shown),
                             source ? within(between(*source, whole, o.strength), *source, limits) : whole});
        }
        return [&, source, targets](const fs::path& folder) {
          write(run.model(), photo, targets, source, folder);
        };
      },
      kSheetFile);
}

}  // namespace

void declare_ganimation_edit(CLI::App& app) {
  auto o = std::make_shared<EditOptions>();
  CLI::App* edit_app = app.add_subcommand("edit", "Change the expression of a face in a photograph");
  add_expression_options(*edit_app, o->wanted);
  edit_app->add_option("--from", o->from,
                       "Photograph whose expression is to be taken over, or an OpenFace CSV of it");
  edit_app
      ->add_option("--mode", o->mode,
                   "set: exactly these units; add: on top of the face's own; preset: as set, presets alone; "
                   "transfer: those of --from")
      ->check(CLI::IsMember({"set", "add", "preset", "transfer"}))
      ->capture_default_str();
  edit_app
      ->add_option("--strength", o->strength,
                   "Factor on all action units; of a transfer the share of the way there")
      ->check(CLI::Range(0.0, double(kMaxStrength)))
      ->capture_default_str();
  add_face_run_options(*edit_app, o->run);
  edit_app->callback([o, edit_app] { edit(*o, *edit_app); });
}

}  // namespace sga
