// ganimation interpolate: from a face to an expression in even steps (thesis, figure 5.5).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "models/ganimation/au_sequence.h"
#include "tools/clip.h"
#include "tools/expressions.h"
#include "tools/face_run.h"
#include "tools/ganimation_edit.h"
#include "tools/page.h"
#include "tools/sheet.h"

namespace sga {
namespace {

using namespace ganimation;

constexpr int64_t kCell = 160;  // pixels of a face on the strip

struct InterpolateOptions {
  FaceRunOptions run;
  ClipOptions clip;
  std::string presets, target;
  int64_t steps = 7, frames = 25;
};

/// A photograph or table by its ending, action units by their =, else a preset.
Expression wanted(const InterpolateOptions& o, FaceRun& run) {
  const fs::path file(o.target);
  if (has_picture_name(file) || file.extension() == ".csv" || file.extension() == ".gz") {
    Expression expression;
    expression.values = run.shown_by(file);
    expression.listed.fill(true);
    return expression;
  }
  return o.target.find('=') != std::string::npos ? parse_action_units(o.target)
                                                 : find_preset(presets_of(o.presets), o.target);
}

float share_of(int64_t i, int64_t count) { return float(i) / float(count - 1); }

void write(const InterpolateOptions& o, const ClipOptions& clip, const Model& model, const FacePhoto& photo,
           const ActionUnits& source, const Target& goal, const fs::path& folder) {
  const Image crop = crop_face(photo.photo, photo.box, model.size());
  const auto edited = [&](float share) {
    return edit_face(model, crop, between(source, goal, share), source);
  };

  const FaceView view = view_of(photo.photo, photo.box, kCell);
  std::vector<std::vector<Image>> rows(2);
  std::vector<std::string> columns;
  for (int64_t i = 0; i < o.steps; ++i) {
    stop_if_interrupted();
    const FaceEdit edit = edited(share_of(i, o.steps));
    rows[0].push_back(paste_face(view.picture, view.box, edit.crop, edit.paint));
    rows[1].push_back(resize_image(edit.paint.attention, kCell, kCell));
    columns.push_back(fixed(share_of(i, o.steps), 2));
  }

  const ClipSize size = clip_size(photo.photo, clip);
  const Image whole = size.scale < 1 ? resize_image(photo.photo, size.height, size.width) : photo.photo;
  const FaceBox box = scaled(photo.box, size.scale);
  std::vector<Image> frames;
  MotionMeter meter;
  for (int64_t i = 0; i < o.frames; ++i) {
    stop_if_interrupted();
    const FaceEdit edit = edited(share_of(i, o.frames));
    meter.add(paste_face(view.picture, view.box, edit.crop, edit.paint));
    frames.push_back(paste_face(whole, box, edit.crop, edit.paint));
  }
  ClipWriter writer(folder / "clip", {frames.front(), frames[frames.size() / 2], frames.back()}, clip);
  for (const Image& frame : frames) writer.add(frame);
  for (size_t i = frames.size() - 1; i-- > 1;)
    writer.add(frames[i]);  // and back, to begin anew without a jump
  writer.finish();

  const Motion motion = meter.result();
  const double unevenness = motion.mean_step > 0 ? motion.largest_step / motion.mean_step : 1;
  save_png(folder / "strip.png", labelled_sheet(rows, {"face", "attention"}, columns));
  Page page("ganimation interpolate: " + fs::path(photo.name).filename().string());
  page.picture({"strip.png", "from the photograph to " + o.target});
  show_clip(page, "clip", "forth and back", clip);
  page.heading("Smoothness, over " + std::to_string(o.frames) + " frames");
  page.table({{"mean step, in levels of 255", fixed(motion.mean_step, 3)},
              {"largest step / mean step (1: even)", fixed(unevenness, 2)},
              {"sum of the steps / distance of the ends (1: straight)", fixed(motion.detour, 2)}});
  page.write(folder / "index.html");
  if (!o.run.common.quiet)
    std::printf("%s: %lld frames, mean step %.3f of 255, largest / mean %.2f, detour %.2f\n",
                photo.name.c_str(), static_cast<long long>(o.frames), motion.mean_step, unevenness,
                motion.detour);
}

void interpolate(const InterpolateOptions& o, CLI::App& app) {
  FaceRun run(o.run);
  const Expression expression = wanted(o, run);
  const ClipOptions clip = writable(o.clip, app);
  run.each(
      app,
      [&](FacePhoto& photo) -> FaceRun::Job {
        const ActionUnits source = run.source(photo);
        const Target goal = make_target(expression, EditMode::set, 1, source, run.model().card().limits);
        return [&, source, goal](const fs::path& folder) {
          write(o, clip, run.model(), photo, source, goal, folder);
        };
      },
      "strip.png");
}

}  // namespace

void declare_ganimation_interpolate(CLI::App& app) {
  auto o = std::make_shared<InterpolateOptions>();
  CLI::App* sub =
      app.add_subcommand("interpolate", "From a face to an expression: a strip, a GIF and an MP4");
  sub->add_option(
         "--target", o->target,
         "Where to: the name of a preset, action units (12=0.8,6=0.5), a photograph whose expression is "
         "taken, or an OpenFace CSV")
      ->required();
  sub->add_option("--presets", o->presets, "File of presets; empty: those shipped");
  sub->add_option("--steps", o->steps, "Faces on the strip; the first is the photograph, the last the target")
      ->check(CLI::Range(int64_t{2}, int64_t{100}))
      ->capture_default_str();
  sub->add_option("--frames", o->frames, "Frames of the clip, one way; it comes back the same way")
      ->check(CLI::Range(int64_t{2}, int64_t{1000}))
      ->capture_default_str();
  add_clip_options(*sub, o->clip, "Frames a second");
  add_face_run_options(*sub, o->run);
  sub->callback([o, sub] { interpolate(*o, *sub); });
}

}  // namespace sga
