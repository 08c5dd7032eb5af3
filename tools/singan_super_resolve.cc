// singan super-resolve: a picture enlarged by the patches of a model, or of itself.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include "engine/image.h"
#include "engine/memory.h"
#include "engine/ops.h"
#include "models/singan/forecast.h"
#include "models/singan/super_resolution.h"
#include "models/singan/training.h"
#include "tools/page.h"
#include "tools/png_writer.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"

namespace sga {
namespace {

constexpr const char* kResult = "super_resolved.png";
constexpr const char* kBicubic = "bicubic.png";
constexpr const char* kScores = "scores.json";

struct SuperResolve {
  CommonOptions common;
  std::string image, model, original, preset = "standard", tile = "auto", back_projection = "auto";
  int64_t iterations = 0, critic_steps = 0, min_size = 18, max_size = 0;
  double factor = 4;
  bool deterministic = false;
};

singan::Config config_of(const SuperResolve& o) {
  const bool official = o.preset == "official";
  singan::Config config = singan::super_resolution_preset(official ? "official" : "default", o.factor);
  if (!official) singan::set_quality(config, o.preset);
  if (o.iterations) config.iterations = o.iterations;
  if (o.critic_steps) config.critic_updates = o.critic_steps;
  config.pyramid.min_size = o.min_size;
  if (o.max_size) config.pyramid.max_size = o.max_size;
  config.bits = image_info(read_file(o.image), o.image).bits == 16 ? 16 : 8;
  config.seed = o.common.seed;
  return config;
}

bool back_projects(const SuperResolve& o, const singan::Model& model) {
  return o.back_projection == "on" ||
         (o.back_projection == "auto" && model.config.resize != singan::ResizeStyle::official);
}

// ---- how close a picture is to the original

struct Score {
  double rmse = 0;    ///< over all channels and pixels, in levels of 0 to 255
  double psnr = 0;    ///< of that, dB
  double psnr_y = 0;  ///< of the luma Y of BT.601, without a border of ceil(factor) pixels; as papers give it
};

double psnr_of(double mean_square) { return 10 * std::log10(255 * 255 / mean_square); }

// Squared errors of 8-bit pixels, row by row.
class Comparison {
 public:
  Comparison(const Image& original, int64_t border) : original_(original), border_(border) {}

  void add(const Image& strip, int64_t top) {
    const auto level = [](float v) { return double(std::lround(v * 255)); };
    for (int64_t y = 0; y < strip.height; ++y)
      for (int64_t x = 0; x < strip.width; ++x) {
        double difference[4] = {};
        for (int64_t c = 0; c < strip.channels; ++c) {
          difference[c] = level(strip.at(y, x)[c]) - level(original_.at(top + y, x)[c]);
          all_ += difference[c] * difference[c];
          ++values_;
        }
        const int64_t row = top + y;
        if (row < border_ || x < border_ || row >= original_.height - border_ || x >= strip.width - border_)
          continue;
        const double luma =
            strip.channels < 3
                ? difference[0]
                : (65.481 * difference[0] + 128.553 * difference[1] + 24.966 * difference[2]) / 255;
        luma_ += luma * luma;
        ++pixels_;
      }
  }
  Score score() const {
    const double mean = all_ / double(values_);
    return {std::sqrt(mean), psnr_of(mean), psnr_of(luma_ / double(std::max<int64_t>(pixels_, 1)))};
  }

 private:
  const Image& original_;
  int64_t border_, values_ = 0, pixels_ = 0;
  double all_ = 0, luma_ = 0;
};

// The original at the size of the result. Up to a factor's worth of rows and columns more is what shrinking
// cut off; they are at the bottom and the right.
Image load_original(const SuperResolve& o, singan::Size size, int64_t channels) {
  Image image = load_image(o.original, channels);
  const auto fits = [&](int64_t original, int64_t result) {
    return original >= result && double(original - result) < o.factor;
  };
  SGA_CHECK(fits(image.height, size.h) && fits(image.width, size.w), "--original: ", o.original, " is ",
            image.width, "x", image.height, " pixels, the result ", size.w, "x", size.h,
            "; give the picture that was shrunk by this factor");
  Image cut{size.h, size.w, channels, {}};
  for (int64_t y = 0; y < size.h; ++y)
    cut.pixels.insert(cut.pixels.end(), image.at(y, 0), image.at(y, 0) + size.w * channels);
  return cut;
}

singan::Size result_size(const SuperResolve& o, const Tensor& picture) {
  return {std::lround(double(picture.dim(1)) * o.factor), std::lround(double(picture.dim(2)) * o.factor)};
}

void check_original(const SuperResolve& o, const Tensor& picture) {
  if (!o.original.empty()) load_original(o, result_size(o, picture), picture.dim(3));
}

std::string fixed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

// ---- training

singan::Model train(const SuperResolve& o, const Tensor& picture, RunFolder& run) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds kSaveEvery{30};
  std::optional<singan::Trainer> trainer;
  if (run.resumed() && has_checkpoint(run.checkpoint()))
    trainer.emplace(load_newest(run.checkpoint()));
  else
    trainer.emplace(config_of(o), picture);
  const singan::Model& model = trainer->model();
  const int64_t iterations = model.config.iterations;
  const auto step = [&] {
    return model.finished() * iterations + (trainer->finished() ? 0 : trainer->iteration());
  };
  if (!trainer->finished())
    check_memory_to_go_on(process_bytes(singan::peak_bytes(model.config, model.pyramid, model.channels())),
                          available_memory());
  const auto save = [&] {
    Checkpoint checkpoint;
    trainer->store(checkpoint);
    save_keeping_previous(run.checkpoint(), checkpoint);
  };
  if (!trainer->finished() && !o.common.quiet)
    std::printf("%s\n", forecast(model.config, model.pyramid, model.channels(), model.finished(),
                                 trainer->iteration(), available_memory())
                            .c_str());
  std::fflush(stdout);
  run.rewind_metrics("step", double(step()));
  {
    Progress progress(iterations * model.pyramid.count(), "train", o.common.quiet);
    progress.set(step());
    auto saved = Clock::now();
    const bool done = trainer->run([&](const singan::Progress& p) {
      const int64_t now = p.level * iterations + p.iteration;
      if (p.measured)
        run.metrics({{"step", double(now)}, {"level", double(p.level)}, {"g_rec", p.losses.g_rec}});
      progress.set(now, "level " + std::to_string(p.level + 1) + "/" + std::to_string(p.levels));
      if (interrupted()) return false;
      if (Clock::now() - saved >= kSaveEvery) save(), saved = Clock::now();
      return true;
    });
    save();
    if (!done) throw Interrupted();
  }
  singan::save_model(run / kModelFile, model);
  save_png(run / "training.png", to_image(model.image), int(model.config.bits));
  return model;
}

// ---- the result

void save_bicubic(const fs::path& path, const Tensor& picture, singan::Size size, int bits,
                  const std::function<void(const Image&, int64_t)>& on_strip) {
  constexpr int64_t kRows = 256;
  const singan::Size from{picture.dim(1), picture.dim(2)};
  const auto [rows, columns] =
      singan::resize_taps(from, size, double(size.h) / double(from.h), double(size.w) / double(from.w),
                          singan::ResizeStyle::smooth);
  PngWriter writer(path, size.h, size.w, picture.dim(3), bits);
  for (int64_t top = 0; top < size.h; top += kRows) {
    const Taps::Range out{top, std::min(top + kRows, size.h)}, in = rows.inputs_of(out);
    const Image strip =
        to_image(singan::imresize_by(crop(picture, in.begin, 0, in.size(), from.w), rows.part(in, out),
                                     columns, singan::ResizeStyle::smooth));
    writer.write(strip);
    on_strip(strip, top);
  }
  writer.commit();
}

void enlarge(const SuperResolve& o, const singan::Model& model, const Tensor& picture, const RunFolder& run) {
  Rng rng(o.common.seed);
  const singan::SuperResolution result =
      super_resolution(model, picture, o.factor, !o.deterministic, back_projects(o, model), rng);
  const std::optional<Image> original =
      o.original.empty() ? std::nullopt : std::optional(load_original(o, result.size, picture.dim(3)));
  std::optional<Comparison> ours, bicubic;
  if (original) {
    const auto border = int64_t(std::ceil(o.factor));
    ours.emplace(*original, border), bicubic.emplace(*original, border);
  }
  const auto into = [](std::optional<Comparison>& comparison) {
    return [&comparison](const Image& strip, int64_t top) {
      if (comparison) comparison->add(strip, top);
    };
  };
  const int64_t tile = tile_side(o.tile, result.climb.size());
  const int bits = int(model.config.bits);
  {
    Progress progress(tile_count(result.size, tile), "enlarge", o.common.quiet);
    save_tiles(
        run / kResult, result.climb, result.size, tile, bits,
        [&] {
          progress.advance();
          if (interrupted()) throw Interrupted("interrupted while enlarging; run the same command again");
        },
        into(ours));
  }
  save_bicubic(run / kBicubic, picture, result.size, bits, into(bicubic));

  const singan::Size from{picture.dim(1), picture.dim(2)};
  Page page("SinGAN super-resolution");
  auto rows = describe(model);
  rows.insert(rows.begin(), {{"enlarged", text_of(from) + " to " + text_of(result.size)},
                             {"factor", singan::to_text(o.factor)},
                             {"noise", o.deterministic ? "none" : "fresh at every step"},
                             {"back-projection", back_projects(o, model) ? "after every step" : "none"}});
  page.table(rows);
  if (original) {
    const std::pair<const char*, Score> scores[] = {{"bicubic", bicubic->score()}, {"SinGAN", ours->score()}};
    std::vector<std::vector<std::string>> table;
    std::string json = "{";
    for (const auto& [name, s] : scores) {
      table.push_back({name, fixed(s.rmse), fixed(s.psnr), fixed(s.psnr_y)});
      const auto number = [](double v) { return std::isfinite(v) ? singan::to_text(v) : "null"; };
      json += std::string(json == "{" ? "" : ", ") + "\"" + name + "\": {\"rmse\": " + number(s.rmse) +
              ", \"psnr\": " + number(s.psnr) + ", \"psnr_y\": " + number(s.psnr_y) + "}";
      std::printf("%-8s RMSE %s  PSNR %s dB  of luma %s dB\n", name, fixed(s.rmse).c_str(),
                  fixed(s.psnr).c_str(), fixed(s.psnr_y).c_str());
    }
    write_file(run / kScores, json + "}\n");
    page.table({"against the original", "RMSE, 0 to 255", "PSNR, dB", "PSNR of luma, dB"}, table);
  }
  page.pictures("Enlarged", {{kResult, "SinGAN"}, {kBicubic, "bicubic"}});
  page.write(run / "index.html");
  std::printf("%s: %s from %s\n", (run / kResult).c_str(), text_of(result.size).c_str(),
              text_of(from).c_str());
}

const OwnFiles kOwnFiles = {"singan super-resolve",
                            {kModelFile, "training.png", kResult, kBicubic, kScores, "index.html"}};

std::vector<fs::path> inputs_of(const SuperResolve& o) { return {o.image, model_file(o.model), o.original}; }

void with_model(const SuperResolve& o, CLI::App& app) {
  for (const char* name :
       {"--preset", "--iterations", "--critic-steps", "--min-size", "--max-size", "--resume"})
    if (app.count(name))
      throw UsageError(std::string(name) +
                       " is for training, which --model does without; leave one of them out");
  const AnyModel any = open_model(o.model);
  const auto* model = std::get_if<singan::Model>(&any);
  SGA_CHECK(model, "super-resolve: ", o.model,
            " is of a method without super-resolution; train with --method singan");
  const Tensor picture = o.image.empty() ? model->image : to_tensor(load_image(o.image, model->image.dim(3)));
  if (o.image.empty() && model->pyramid.scale1 < 1)
    std::fprintf(stderr,
                 "the model holds the picture shrunk to %s; give the full one with --image to enlarge that\n",
                 text_of(model->pyramid.finest()).c_str());
  Rng rng;
  const singan::SuperResolution first = super_resolution(*model, picture, o.factor, false, false, rng);
  if (!o.original.empty()) load_original(o, first.size, picture.dim(3));
  RunFolder run(o.common.out, false, o.common.force, kOwnFiles, inputs_of(o));
  run.configure(app);
  enlarge(o, *model, picture, run);
}

// An --original given to a run that goes on, before anything of the run is changed.
void check_new_original(SuperResolve o) {
  if (o.image.empty()) o.image = stored_option(o.common.out, "image");
  if (o.original.empty() || !fs::exists(o.image)) return;  // RunFolder says that it is gone
  o.factor = singan::parse_double(stored_option(o.common.out, "factor"), "the factor of the run");
  check_original(o, to_tensor(load_image(o.image, 0)));
}

void with_training(SuperResolve& o, CLI::App& app) {
  const bool goes_on = continues_run(o.common);
  if (goes_on) check_new_original(o);
  if (o.image.empty() && !goes_on)
    throw UsageError("super-resolve needs --image to train on, or --model, or --resume to go on with a run");
  Tensor picture;
  if (!goes_on) {  // refuse bad requests before the folder is made
    const singan::Config config = config_of(o);
    picture = to_tensor(load_image(o.image, 0));
    singan::check(config);
    singan::make_pyramid(picture.dim(1), picture.dim(2), config.pyramid);
    singan::check_picture_size(result_size(o, picture));
    check_original(o, picture);
    check_memory(config, {picture.dim(1), picture.dim(2)}, picture.dim(3), available_memory());
  }
  RunFolder run(o.common.out, o.common.resume, o.common.force, kOwnFiles, inputs_of(o));
  run.configure(app, {"original", "tile", "deterministic", "back-projection"}, {{"image"}});
  use_device(o.common);  // the stored precision, if it was not given
  if (!picture) picture = to_tensor(load_image(o.image, 0));
  check_original(o, picture);  // the one that the run was started with may be gone
  enlarge(o, train(o, picture, run), picture, run);
}

}  // namespace

void declare_super_resolve(CLI::App& app) {
  auto o = std::make_shared<SuperResolve>();
  CLI::App* sub =
      app.add_subcommand("super-resolve", "Enlarge a picture, with a model or straight from the picture");
  sub->add_option(
      "--image", o->image,
      "Picture to enlarge, and to train on unless --model is given; with --model alone: its own picture");
  sub->add_option("--model", o->model,
                  "Folder of a training run, or its model.safetensors; without it: train first");
  sub->add_option("--factor", o->factor, "Enlargement of width and height, 1 to 16, fractions too");
  sub->add_flag("--deterministic", o->deterministic, "No noise: the same picture whatever the seed");
  sub->add_option(
         "--back-projection", o->back_projection,
         "After every step put right what the result, shrunk, shows otherwise than the picture; auto: "
         "unless the model was trained as the official code does")
      ->check(CLI::IsMember({"auto", "on", "off"}));
  sub->add_option("--original", o->original,
                  "The picture as it was before it was shrunk: tells RMSE and PSNR");
  sub->add_option(
         "--tile", o->tile,
         "Make the result in tiles, which show the same in less memory: auto (above 512x512 pixels), off, "
         "or the side of a tile in pixels")
      ->check(check_tile, "");
  sub->add_option(
         "--preset", o->preset,
         "Training, iterations per level and critic steps each: quick 150 and 1, standard 600 and 1, full "
         "2000 and 3; official: 2000 and 3 with all quirks of the official code")
      ->check(CLI::IsMember({"quick", "standard", "full", "official"}));
  sub->add_option("--iterations", o->iterations, "Iterations per level; 0: as --preset says")
      ->check(CLI::Range(int64_t{0}, int64_t{10'000'000}));
  sub->add_option("--critic-steps", o->critic_steps, "Critic steps an iteration; 0: as --preset says")
      ->check(CLI::Range(int64_t{0}, int64_t{100}));
  sub->add_option("--min-size", o->min_size, "Short side of the coarsest level, pixels");
  sub->add_option(
      "--max-size", o->max_size,
      "Longest side of the finest level, pixels; 0: that of the picture. What is enlarged stays the full "
      "picture");
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  add_run_options(*sub, o->common);
  sub->callback([o, sub] {
    use_device(o->common);
    if (o->model.empty())
      with_training(*o, *sub);
    else
      with_model(*o, *sub);
  });
}

}  // namespace sga
