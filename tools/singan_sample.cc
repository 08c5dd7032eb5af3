// singan sample: pictures from a trained model, with control of where and how much they vary.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "engine/image.h"
#include "engine/memory.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"

namespace sga {
namespace {

struct SampleCommand {
  CommonOptions common;
  std::string model, mask, tile = "auto", norm = "auto";
  int64_t count = 8, steps = 9;
  std::vector<int> fixed;             // levels
  std::vector<int64_t> interpolated;  // two numbers of samples
  double gain = 1;
  singan::SampleOptions sampling;

  int64_t pictures() const { return interpolated.empty() ? count : steps; }
};

// White where noise may change the picture.
Tensor load_mask(const std::string& path, Dtype dtype) {
  const Image mask = load_image(path, 1);
  const auto [low, high] = std::minmax_element(mask.pixels.begin(), mask.pixels.end());
  SGA_CHECK(*high > 0, "--noise-mask: ", path,
            " is black everywhere, so no noise could act; paint white where the "
            "picture may change");
  SGA_CHECK(*low < 1, "--noise-mask: ", path,
            " is white everywhere, which is no mask; leave --noise-mask out or paint "
            "black where the picture must stay");
  return from_host(Shape{1, mask.height, mask.width, 1}, mask.pixels, dtype);
}

// Draws the pictures of one command: sample i of a seed, whatever else is drawn, or a way between two.
class Sampler {
 public:
  Sampler(const singan::Model& model, const SampleCommand& o) : model_(model), options_(o) {
    noise_.gain = o.gain;
    if (!o.mask.empty()) noise_.mask = load_mask(o.mask, model.dtype());
    for (const int level : o.fixed)
      if (level < o.sampling.start_level || level >= model.finished())
        throw UsageError("--fix-noise: level " + std::to_string(level) +
                         " gets no noise; with --start-scale " + std::to_string(o.sampling.start_level) +
                         " this model has noise at levels " + std::to_string(o.sampling.start_level) +
                         " to " + std::to_string(model.finished() - 1));
  }

  singan::Climb operator()(int64_t index) const {
    const SampleCommand& o = options_;
    singan::NoiseField field = field_of(index);
    if (!o.interpolated.empty())
      field = singan::between(field_of(o.interpolated[0]), field_of(o.interpolated[1]),
                              double(index) / double(o.steps - 1));
    if (!o.fixed.empty()) field = singan::fix_levels(field, field_of(0), o.fixed);
    return singan::sample_climb(model_, o.sampling, field, noise_);
  }

 private:
  singan::NoiseField field_of(int64_t index) const {
    Rng rng = Rng(options_.common.seed).fork(uint64_t(index));
    return singan::draw_field(rng, model_.dtype());
  }

  const singan::Model& model_;
  const SampleCommand& options_;
  singan::NoiseOptions noise_;
};

void check_command(const SampleCommand& o) {
  if (o.interpolated.empty()) return;
  const auto& between = o.interpolated;
  if (between.size() != 2 || between[0] == between[1] || std::min(between[0], between[1]) < 0)
    throw UsageError("--interpolate needs the numbers of two different samples, as in --interpolate 0,3");
}

Page page_of(const SampleCommand& o) {
  Page page("SinGAN samples");
  std::vector<std::pair<std::string, std::string>> rows = {
      {"model", o.model},
      {"start scale", std::to_string(o.sampling.start_level)},
      {"seed", std::to_string(o.common.seed)}};
  if (!o.fixed.empty()) {
    std::string levels;
    for (const int level : o.fixed) levels += (levels.empty() ? "" : ", ") + std::to_string(level);
    rows.push_back({"noise of sample 0 at scales", levels});
  }
  if (!o.interpolated.empty())
    rows.push_back(
        {"between samples", std::to_string(o.interpolated[0]) + " and " + std::to_string(o.interpolated[1])});
  if (!o.mask.empty()) rows.push_back({"noise mask", fs::path(o.mask).filename().string()});
  if (o.sampling.norm)
    rows.push_back({"normalised with statistics of",
                    *o.sampling.norm == singan::FrozenNorm::running ? "the training" : "each picture"});
  if (o.gain != 1) rows.push_back({"noise gain", singan::to_text(o.gain)});
  page.table(rows);
  return page;
}

const char* stem_of(const SampleCommand& o) { return o.interpolated.empty() ? "sample" : "interpolation"; }

void finish(const RunFolder& run, const SampleCommand& o) {
  std::vector<Page::Picture> pictures;
  for (int64_t i = 0; i < o.pictures(); ++i) pictures.push_back({numbered(stem_of(o), i), std::to_string(i)});
  Page page = page_of(o);
  if (!o.interpolated.empty()) page.pictures("On the way", {{"interpolation.png", ""}});
  page.pictures("Samples", pictures);
  page.write(run / "index.html");
  std::printf("%s: %lld samples\n", run.path().c_str(), static_cast<long long>(o.pictures()));
}

// All pictures on the way in one row, or in several below one another if that is longer than a picture may
// be. They are read one at a time and kept as small as the sheet has them.
void save_interpolation(const RunFolder& run, const SampleCommand& o, singan::Size size) {
  constexpr int64_t kInARow = 10;  // at least, however small that makes them
  const int64_t columns = std::min(o.steps, std::max(kInARow, (kMaxSide - kSheetGap) / (size.w + kSheetGap)));
  const SheetCells cells = sheet_cells(o.steps, size.h, size.w, columns, true);
  std::vector<Image> pictures;
  std::vector<std::string> labels;
  for (int64_t i = 0; i < o.steps; ++i) {
    pictures.push_back(cells.fitted(load_image(run / numbered(stem_of(o), i), 3)));
    labels.push_back(std::to_string(i));
  }
  save_png(run / "interpolation.png", contact_sheet(pictures, columns, labels));
}

void draw(const singan::Model& model, SampleCommand o, CLI::App& app) {
  const Sampler sampler(model, o);
  const singan::Size size = sampler(0).size();
  int64_t tile = tile_side(o.tile, size);
  if (o.norm == "instance") {
    o.sampling.norm = singan::FrozenNorm::instance;
    if (o.tile != "auto" && tile_count(size, tile) > 1)
      throw UsageError(
          "--norm instance takes the statistics of the whole picture, which tiles do not have; "
          "leave --tile out");
    tile = std::max(size.h, size.w);
  } else if (o.norm == "running" || tile_count(size, tile) > 1) {
    o.sampling.norm = singan::FrozenNorm::running;
  }
  const int64_t tiles = tile_count(size, tile);
  const singan::Climb first = sampler(0);  // bad requests fail before the folder is made
  RunFolder run(o.common.out, false, o.common.force,
                {"singan sample", {"sample_#.png", "interpolation_#.png", "interpolation.png", "index.html"}},
                {model_file(o.model), o.mask});
  run.configure(app);
  {
    Progress progress(o.pictures() * tiles, "sample", o.common.quiet);
    for (int64_t i = 0; i < o.pictures(); ++i)
      save_tiles(run / numbered(stem_of(o), i), i == 0 ? first : sampler(i), size, tile,
                 int(model.config.bits), [&] {
                   progress.advance();
                   if (interrupted())
                     throw Interrupted("interrupted; " + std::to_string(i) + " pictures are written");
                 });
  }
  if (!o.interpolated.empty()) save_interpolation(run, o, size);
  finish(run, o);
}

// Methods that only promise random_sample.
void draw(const AnyModel& model, const SampleCommand& o, CLI::App& app) {
  for (const char* name :
       {"--fix-noise", "--interpolate", "--noise-mask", "--noise-gain", "--tile", "--norm"})
    SGA_CHECK(app.count(name) == 0, name,
              " works with models of singan train --method singan alone; leave it out");
  if (const auto* grown = std::get_if<consingan::Model>(&model))
    check_memory(*grown, o.sampling, available_memory());
  const Tensor first = sample(model, o.sampling, o.common.seed, 0);
  RunFolder run(o.common.out, false, o.common.force, {"singan sample", {"sample_#.png", "index.html"}},
                {model_file(o.model)});
  run.configure(app);
  {
    Progress progress(o.count, "sample", o.common.quiet);
    for (int64_t i = 0; i < o.count; ++i) {
      if (interrupted()) throw Interrupted("interrupted; " + std::to_string(i) + " pictures are written");
      save_png(run / numbered("sample", i),
               to_image(i == 0 ? first : sample(model, o.sampling, o.common.seed, i)), bits_of(model));
      progress.advance();
    }
  }
  finish(run, o);
}

void run_sample(const SampleCommand& o, CLI::App& app) {
  check_command(o);
  use_device(o.common);
  const AnyModel model = open_model(o.model);
  if (const auto* pyramid = std::get_if<singan::Model>(&model))
    draw(*pyramid, o, app);
  else
    draw(model, o, app);
}

}  // namespace

void declare_sample(CLI::App& app) {
  auto o = std::make_shared<SampleCommand>();
  CLI::App* sub = app.add_subcommand("sample", "Draw random samples from a trained model");
  sub->add_option("--model", o->model, "Folder of a training run, or its model.safetensors")->required();
  auto* count = sub->add_option("--count", o->count, "Number of pictures")
                    ->check(CLI::Range(int64_t{1}, int64_t{100'000}));
  sub->add_option("--start-scale", o->sampling.start_level,
                  "First level with fresh noise, 0 is the coarsest; levels below it reconstruct the picture");
  sub->add_option("--scale-h", o->sampling.scale_h, "Factor of the width, 0.1 to 100");
  sub->add_option("--scale-v", o->sampling.scale_v, "Factor of the height, 0.1 to 100");
  sub->add_option("--fix-noise", o->fixed,
                  "Levels whose noise is that of sample 0 in every sample, as in 0,1,2; the others vary")
      ->delimiter(',');
  auto* interpolate =
      sub->add_option("--interpolate", o->interpolated,
                      "Two samples by number, as in 0,3: pictures on the way between their noise")
          ->delimiter(',')
          ->excludes(count);
  sub->add_option("--steps", o->steps, "Number of pictures of --interpolate, both ends included")
      ->check(CLI::Range(int64_t{2}, int64_t{1'000}))
      ->needs(interpolate);
  sub->add_option(
      "--noise-mask", o->mask,
      "Picture of the samples' size: noise acts where it is white, where it is black the samples stay "
      "the reconstruction");
  sub->add_option("--noise-gain", o->gain, "Factor of the noise, 0 to 100; above 1 the samples vary more");
  sub->add_option(
         "--tile", o->tile,
         "Make pictures in tiles, which show the same in less memory: auto (above 512x512 pixels), off, "
         "or the side of a tile in pixels")
      ->check(check_tile, "");
  sub->add_option(
         "--norm", o->norm,
         "Statistics to normalise with: instance, those of each picture as in training (closer to the "
         "training picture's patches); running, means of the training; auto: instance, but running in "
         "tiles, with a mask, and for models of --preset official")
      ->check(CLI::IsMember({"auto", "instance", "running"}));
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  add_out_option(*sub, o->common);
  sub->callback([o, sub] { run_sample(*o, *sub); });
}

}  // namespace sga
