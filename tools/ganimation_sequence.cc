// ganimation sequence: a photograph that moves as somebody's face in a video did.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "models/ganimation/au_sequence.h"
#include "tools/clip.h"
#include "tools/face_labels.h"
#include "tools/face_run.h"
#include "tools/ganimation_edit.h"
#include "tools/gzip.h"
#include "tools/page.h"
#include "tools/progress.h"

namespace sga {
namespace {

using namespace ganimation;

constexpr int64_t kCell = 160;     // pixels of a face on the sheet of frames and for the numbers
constexpr int64_t kExamples = 10;  // frames on the sheet and for the GIF's palette
constexpr size_t kCurves = 6;      // action units on the page: those that move most

struct SequenceOptions {
  FaceRunOptions run;
  ClipOptions clip;
  std::string table, mode = "set";
  float strength = 1;
  double smooth = 1;
  int64_t from = -1, to = -1;
};

/// The frames asked for, smoothed, with their numbers in the video.
struct Movement {
  std::vector<ActionUnits> frames;
  std::vector<int64_t> numbers;
  double rate = 25;
  int64_t missing = 0, people = 1;
};

Movement read_movement(const SequenceOptions& o, const CLI::App& app) {
  const fs::path file(o.table);
  const std::string name = file.filename().string();
  const FaceTable table = read_face_table({file});
  const AuSequence all = make_au_sequence(table, name);
  const double rate = table.has_frame ? frame_rate(gunzip_if_needed(read_file(file), name), name) : 0;
  const int64_t last = all.first + int64_t(all.frames.size()) - 1;
  const int64_t from = o.from < 0 ? all.first : o.from, to = o.to < 0 ? last : o.to;
  SGA_CHECK(from != to, "--from ", from, " --to ", to, " is one frame, and a sequence needs 2");
  SGA_CHECK(from >= all.first && to <= last && from < to, "--from ", from, " --to ", to,
            " are not frames of ", name, ", which holds ", all.first, " to ", last);
  Movement movement{{}, {}, app.count("--fps") > 0 ? o.clip.fps : rate, all.missing, all.people};
  if (movement.rate <= 0) movement.rate = o.clip.fps;
  int64_t every = 1;  // a GIF shows at most kMaxGifRate frames a second
  if (movement.rate > kMaxGifRate) every = static_cast<int64_t>(std::ceil(movement.rate / kMaxGifRate));
  movement.rate = std::max(0.1, movement.rate / double(every));
  const std::vector<ActionUnits> even = smoothed(all.frames, o.smooth);
  for (int64_t t = from; t <= to; t += every) {
    movement.frames.push_back(even[size_t(t - all.first)]);
    movement.numbers.push_back(t);
  }
  return movement;
}

/// What is asked of the model at each frame.
///   set  strength * y_t
///   add  source + strength * (y_t - y_0): the first frame is the photograph
std::vector<Target> targets_of(const SequenceOptions& o, const Movement& movement,
                               const std::optional<ActionUnits>& source, const ActionUnits& limits) {
  std::vector<Target> targets;
  for (const ActionUnits& units : movement.frames) {
    Target target;
    for (size_t k = 0; k < units.size(); ++k)
      target.units[k] = o.mode == "add" ? source.value()[k] + o.strength * (units[k] - movement.frames[0][k])
                                        : o.strength * units[k];
    targets.push_back(within(target, source.value_or(ActionUnits{}), limits));
  }
  return targets;
}

std::vector<Series> curves_of(const Movement& movement, const std::vector<Target>& targets) {
  std::vector<Series> all;
  std::vector<double> reach;
  for (size_t k = 0; k < kActionUnitCount; ++k) {
    Series series{"AU" + std::to_string(kActionUnitNumbers[k]), {}, {}};
    for (size_t t = 0; t < targets.size(); ++t) {
      series.x.push_back(double(movement.numbers[t]));
      series.y.push_back(double(targets[t].units[k]));
    }
    const auto [low, high] = std::minmax_element(series.y.begin(), series.y.end());
    reach.push_back(*high - *low);
    all.push_back(std::move(series));
  }
  std::vector<size_t> order(all.size());
  for (size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return reach[a] > reach[b]; });
  std::vector<Series> result;
  for (size_t k = 0; k < kCurves; ++k) result.push_back(all[order[k]]);
  return result;
}

void write(const SequenceOptions& o, const ClipOptions& clip, const Model& model, const FacePhoto& photo,
           const Movement& movement, const std::vector<Target>& targets,
           const std::optional<ActionUnits>& source, const fs::path& folder) {
  const Image crop = crop_face(photo.photo, photo.box, model.size());
  const FaceView view = view_of(photo.photo, photo.box, kCell);
  const ClipSize size = clip_size(photo.photo, clip);
  const Image whole = size.scale < 1 ? resize_image(photo.photo, size.height, size.width) : photo.photo;
  const FaceBox box = scaled(photo.box, size.scale);
  const auto count = int64_t(targets.size()), examples = std::min(kExamples, count);
  std::vector<Image> sheet, palette;
  std::vector<std::string> labels;
  for (int64_t i = 0; i < examples; ++i) {
    stop_if_interrupted();
    const auto t = size_t(i * count / examples);
    const FaceEdit edit = edit_face(model, crop, targets[t], source);
    sheet.push_back(paste_face(view.picture, view.box, edit.crop, edit.paint));
    palette.push_back(paste_face(whole, box, edit.crop, edit.paint));
    labels.push_back("frame " + std::to_string(movement.numbers[t]));
  }
  ClipWriter writer(folder / "sequence", palette, clip);
  palette.clear();
  MotionMeter meter;
  {
    Progress progress(count, "frames", o.run.common.quiet || !o.run.images.empty());
    for (const Target& target : targets) {
      stop_if_interrupted();
      const FaceEdit edit = edit_face(model, crop, target, source);
      meter.add(paste_face(view.picture, view.box, edit.crop, edit.paint));
      writer.add(paste_face(whole, box, edit.crop, edit.paint));
      progress.advance();
    }
  }
  writer.finish();
  save_png(folder / "sheet.png", contact_sheet(sheet, kExamples / 2, labels));

  const Motion motion = meter.result();
  const double relative = motion.mean_step > 0 ? motion.flicker / motion.mean_step : 0;
  Page page("ganimation sequence: " + fs::path(photo.name).filename().string());
  show_clip(page, "sequence", fixed(clip.fps, 2) + " frames a second", clip);
  page.picture({"sheet.png", "frames"});
  page.table({{"movement", o.table},
              {"frames",
               std::to_string(count) + ", " + std::to_string(movement.missing) + " of the table filled in"},
              {"smoothing", fixed(o.smooth, 2) + " frames"},
              {"mean step, in levels of 255", fixed(motion.mean_step, 3)},
              {"flicker: mean change of the step, in levels of 255", fixed(motion.flicker, 3)},
              {"flicker / mean step (0: even motion, 1.7: noise)", fixed(relative, 2)}});
  page.curves("Action units asked for", curves_of(movement, targets), "frame");
  page.write(folder / "index.html");
  if (!o.run.common.quiet)
    std::printf("%s: %lld frames, mean step %.3f of 255, flicker %.3f of 255, flicker / mean step %.2f\n",
                photo.name.c_str(), static_cast<long long>(count), motion.mean_step, motion.flicker,
                relative);
}

void sequence(const SequenceOptions& o, CLI::App& app) {
  FaceRun run(o.run);
  const Movement movement = read_movement(o, app);
  ClipOptions clip = writable(o.clip, app);
  clip.fps = movement.rate;
  if (movement.people > 1)
    warn(o.table + " holds " + std::to_string(movement.people) +
         " faces; the one in most frames is followed");
  run.each(
      app,
      [&](FacePhoto& photo) -> FaceRun::Job {
        const std::optional<ActionUnits> source = run.source_if(o.mode == "add", photo);
        const std::vector<Target> targets = targets_of(o, movement, source, run.model().card().limits);
        return [&, targets, source](const fs::path& folder) {
          write(o, clip, run.model(), photo, movement, targets, source, folder);
        };
      },
      "sheet.png");
}

}  // namespace

void declare_ganimation_sequence(CLI::App& app) {
  auto o = std::make_shared<SequenceOptions>();
  CLI::App* sub = app.add_subcommand("sequence", "Let a photograph move by the action units of a video");
  sub->add_option(
         "--aus", o->table,
         "Table of a video: the CSV of OpenFace's FeatureExtraction, or lines of a picture and 17 numbers")
      ->required();
  sub->add_option("--mode", o->mode,
                  "set: the video's units; add: their change since the first frame, on top of the face's own")
      ->check(CLI::IsMember({"set", "add"}))
      ->capture_default_str();
  sub->add_option("--strength", o->strength, "Factor on all action units")
      ->check(CLI::Range(0.0, double(kMaxStrength)))
      ->capture_default_str();
  sub->add_option("--smooth", o->smooth,
                  "Standard deviation in frames of the filter along time; 0: as OpenFace says")
      ->check(CLI::Range(0.0, 1000.0))
      ->capture_default_str();
  sub->add_option("--from", o->from, "First frame, as the table numbers them; default: its first")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  sub->add_option("--to", o->to, "Last frame; default: its last")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  add_clip_options(*sub, o->clip, "Frames a second; not given: as the table's timestamps say");
  add_face_run_options(*sub, o->run);
  sub->callback([o, sub] { sequence(*o, *sub); });
}

}  // namespace sga
