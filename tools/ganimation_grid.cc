// ganimation grid: one action unit a row, one level a column (thesis, figure 5.4).
#include <algorithm>
#include <cmath>
#include <memory>

#include "tools/face_run.h"
#include "tools/ganimation_edit.h"
#include "tools/page.h"
#include "tools/sheet.h"

namespace sga {
namespace {

using namespace ganimation;

constexpr int64_t kCell = 160;     // pixels of a face on the sheet
constexpr size_t kMaxCells = 100;  // a row or column of it

struct GridOptions {
  FaceRunOptions run;
  std::vector<int> units = {1, 2, 4, 5, 45, 10, 12, 15, 25};
  std::vector<float> levels = {0, 0.33f, 0.66f, 1};
  std::string mode = "add";
  bool within_limits = false;
};

struct Row {
  int index = 0;  // of the AU in ActionUnits
  std::vector<Target> targets;
};

/// Mean absolute difference in levels of 255.
double change(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(double(a.pixels[i]) - double(b.pixels[i]));
  return 255 * sum / double(a.pixels.size());
}

void write(const GridOptions& o, const Model& model, const FacePhoto& photo, const std::vector<Row>& rows,
           const std::optional<ActionUnits>& source, const fs::path& folder) {
  const Image crop = crop_face(photo.photo, photo.box, model.size());
  const FaceView view = view_of(photo.photo, photo.box, kCell);
  std::vector<std::string> names, columns, header = {"action unit"};
  std::vector<std::vector<Image>> faces, masks;
  std::vector<std::vector<std::string>> numbers;
  for (float level : o.levels) {
    columns.push_back(fixed(level, 2));
    header.push_back("level " + columns.back());
  }
  for (const Row& row : rows) {
    const std::string unit = "AU" + std::to_string(kActionUnitNumbers[size_t(row.index)]);
    names.push_back(unit + " " + action_unit_name(row.index));
    std::vector<Image>&face_row = faces.emplace_back(), &mask_row = masks.emplace_back();
    std::vector<std::string>& number_row = numbers.emplace_back(1, names.back());
    for (const Target& target : row.targets) {
      stop_if_interrupted();
      const FaceEdit edit = edit_face(model, crop, target, source);
      face_row.push_back(paste_face(view.picture, view.box, edit.crop, edit.paint));
      mask_row.push_back(resize_image(edit.paint.attention, kCell, kCell));
      number_row.push_back(fixed(change(face_row.back(), view.picture), 2));
    }
  }
  save_png(folder / "crop.png", crop);
  save_png(folder / "sheet.png", labelled_sheet(faces, names, columns));
  save_png(folder / "attention.png", labelled_sheet(masks, names, columns));
  Page page("ganimation grid: " + fs::path(photo.name).filename().string());
  page.paragraph(o.mode == "add"
                     ? "One action unit at a time, added to the face's own; at level 0 the photograph."
                     : "One action unit at a time, all others at rest.");
  page.picture({"sheet.png", "faces"});
  page.picture({"attention.png", "attention: white keeps the photograph"});
  page.heading("Mean change of the face, in levels of 255");
  page.table(header, numbers);
  page.write(folder / "index.html");
}

void grid(const GridOptions& o, CLI::App& app) {
  if (o.units.empty() || o.levels.empty()) throw UsageError("nothing to do: name --aus and --levels");
  if (o.units.size() > kMaxCells || o.levels.size() > kMaxCells)
    throw UsageError("a sheet has at most " + std::to_string(kMaxCells) +
                     " rows and columns; name fewer --aus and --levels");
  std::vector<Expression> expressions;  // in rows
  for (int unit : o.units)
    for (float level : o.levels) {
      Expression& expression = expressions.emplace_back();
      SGA_CHECK(std::isfinite(level) && level >= 0 && level <= kMaxActionUnit,
                "--levels: a level must be in [0, ", kMaxActionUnit, "], got ", level);
      expression.values[size_t(index_of(unit))] = level;
      expression.listed[size_t(index_of(unit))] = true;
    }
  FaceRun run(o.run);
  const bool add = o.mode == "add";
  ActionUnits limits = run.model().card().limits;
  if (!o.within_limits) limits.fill(kMaxActionUnit);
  run.each(
      app,
      [&](FacePhoto& photo) -> FaceRun::Job {
        const std::optional<ActionUnits> source = run.source_if(add, photo);
        std::vector<Row> rows;
        for (size_t i = 0; i < expressions.size(); ++i) {
          if (i % o.levels.size() == 0) rows.push_back({index_of(o.units[i / o.levels.size()]), {}});
          rows.back().targets.push_back(make_target(expressions[i], add ? EditMode::add : EditMode::set, 1,
                                                    source.value_or(ActionUnits{}), limits));
        }
        return
            [&, rows, source](const fs::path& folder) { write(o, run.model(), photo, rows, source, folder); };
      },
      "sheet.png");
}

}  // namespace

void declare_ganimation_grid(CLI::App& app) {
  auto o = std::make_shared<GridOptions>();
  CLI::App* sub = app.add_subcommand("grid", "Every action unit by itself at growing levels, as one sheet");
  sub->add_option("--aus", o->units, "Action units, comma-separated, one a row")
      ->delimiter(',')
      ->default_str("1,2,4,5,45,10,12,15,25");
  sub->add_option("--levels", o->levels, "Levels, comma-separated, one a column; 1 is intensity 5")
      ->delimiter(',')
      ->default_str("0,0.33,0.66,1");
  sub->add_option("--mode", o->mode, "add: on top of the face's own; set: all others at rest")
      ->check(CLI::IsMember({"set", "add"}))
      ->capture_default_str();
  sub->add_flag("--within-limits", o->within_limits,
                "Ask for no more than the 99th percentile of each unit in the training faces");
  add_face_run_options(*sub, o->run);
  sub->callback([o, sub] { grid(*o, *sub); });
}

}  // namespace sga
