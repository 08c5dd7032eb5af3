// singan animate: moving pictures of a trained model, as GIF and MP4.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>

#include "engine/image.h"
#include "models/singan/animation.h"
#include "tools/gif.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"
#include "tools/video.h"

namespace sga {
namespace {

constexpr int64_t kExamples = 8;  // frames that the palette is made for and the strip shows

struct AnimateCommand {
  CommonOptions common;
  std::string model;
  std::vector<int> start_levels;
  std::vector<double> betas = {0.8, 0.9};
  std::vector<std::string> formats = {"gif", "mp4"};
  singan::AnimationOptions walk;
  double fps = 10;
};

// Every value once, in the order given.
template <class T>
std::vector<T> distinct(const std::vector<T>& values) {
  std::vector<T> once;
  for (const T& value : values)
    if (std::find(once.begin(), once.end(), value) == once.end()) once.push_back(value);
  return once;
}

// "0.85", always with a point, never with an exponent, and no minus zero.
std::string decimal(double value) {
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value + 0.0, std::chars_format::fixed).ptr;
  const std::string text(buffer, end);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

struct Clip {
  singan::AnimationOptions walk;
  std::string name;  // of its files, without ending
};

std::vector<Clip> clips_of(const AnimateCommand& o, const singan::Model& model) {
  std::vector<int> starts = o.start_levels;
  if (starts.empty())
    for (int n = 0; n < std::min(3, model.finished()); ++n) starts.push_back(n);
  if (starts.empty()) starts.push_back(0);  // and the check below says what is wrong
  std::vector<Clip> clips;
  for (int start : distinct(starts)) {
    for (double beta : distinct(o.betas)) {
      Clip clip{o.walk, "start" + std::to_string(start) + "_beta" + decimal(beta)};
      clip.walk.start_level = start, clip.walk.beta = beta, clip.walk.seed = o.common.seed;
      check(model, clip.walk);
      clips.push_back(clip);
    }
  }
  return clips;
}

Image picture(const singan::Animation& animation) { return convert_channels(to_image(animation.frame()), 3); }

// Evenly spread frames, the first among them.
std::vector<int64_t> example_frames(int64_t frames) {
  const int64_t count = std::min(kExamples, frames);
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < count; ++i) numbers.push_back(i * frames / count);
  return numbers;
}

struct Output {
  bool gif, mp4;
};

// The files of a clip: NAME.gif, NAME.mp4 and NAME.png, a strip of frames. `stop` throws if it is time to.
void write_clip(const Clip& clip, const singan::Model& model, double fps, Output output, const RunFolder& run,
                Progress& progress, const std::function<void()>& stop) {
  // The examples first: all frames share a palette, and a step of the walk costs little beside a picture.
  const std::vector<int64_t> numbers = example_frames(clip.walk.frames);
  const auto example_of = [&](int64_t t) {
    return std::find(numbers.begin(), numbers.end(), t) - numbers.begin();
  };
  const auto count = std::ssize(numbers);
  std::vector<Image> examples;
  std::vector<std::string> labels;
  singan::Animation preview(model, clip.walk);
  for (int64_t t = 0; t <= numbers.back(); ++t) {
    preview.step();
    if (example_of(t) == count) continue;
    stop();
    examples.push_back(picture(preview));
    labels.push_back(std::to_string(t));
  }
  const int64_t height = examples[0].height, width = examples[0].width;
  std::optional<Quantiser> quantiser;
  std::optional<GifWriter> gif;
  std::optional<VideoWriter> video;
  if (output.gif) {
    quantiser.emplace(examples, 255);
    gif.emplace(height, width, quantiser->palette(), fps);
  }
  if (output.mp4) video.emplace(run / (clip.name + ".mp4"), height, width, fps);
  singan::Animation animation(model, clip.walk);
  for (int64_t t = 0; t < clip.walk.frames; ++t) {
    stop();
    animation.step();
    const auto example = example_of(t);
    const Image frame = example < count ? examples[size_t(example)] : picture(animation);
    if (gif) gif->add((*quantiser)(frame));
    if (video) video->add(frame);
    progress.advance();
  }
  if (gif) write_file(run / (clip.name + ".gif"), gif->finish());
  if (video) video->finish();
  save_png(run / (clip.name + ".png"), contact_sheet(examples, kExamples, labels));
}

void write_page(const AnimateCommand& o, const std::vector<Clip>& clips, Output output,
                const RunFolder& run) {
  Page page("SinGAN animations");
  page.table(
      {{"model", o.model},
       {"frames", std::to_string(o.walk.frames) + ", " + decimal(o.fps) + " a second"},
       {"alpha", decimal(o.walk.alpha)},
       {"loop", o.walk.loop ? "the last frame leads to the first" : "jumps from the last frame to the first"},
       {"seed", std::to_string(o.common.seed)}});
  std::vector<Page::Picture> moving, strips;
  for (const Clip& clip : clips) {
    std::string caption =
        "start scale " + std::to_string(clip.walk.start_level) + ", beta " + decimal(clip.walk.beta);
    if (output.mp4) caption += "; " + clip.name + ".mp4";
    moving.push_back({clip.name + ".gif", caption});
    strips.push_back({clip.name + ".png", caption});
  }
  if (output.gif) page.pictures("Animations", moving);
  page.heading("Frames");
  for (const Page::Picture& strip : strips) page.picture(strip);
  page.write(run / "index.html");
}

void run_animate(const AnimateCommand& o, CLI::App& app) {
  use_device(o.common);
  const AnyModel any = open_model(o.model);
  const auto* model = std::get_if<singan::Model>(&any);
  SGA_CHECK(
      model, "animate: ", o.model,
      " is of a method whose reconstruction starts from the picture itself, not from noise that can walk; "
      "train with --method singan");
  const std::vector<Clip> clips = clips_of(o, *model);
  const auto asked = [&](const char* format) {
    return std::find(o.formats.begin(), o.formats.end(), format) != o.formats.end();
  };
  const Output output{asked("gif"), asked("mp4") && can_write_video()};
  if (asked("mp4") && !output.mp4) {
    SGA_CHECK(app.count("--format") == 0,
              "animate: MP4 needs OpenCV and this build is without; configure with -DSGA_OPENCV=ON, or give "
              "--format gif");
    std::printf("no MP4: this build is without OpenCV\n");
  }
  RunFolder run(
      o.common.out, false, o.common.force,
      {"singan animate", {"start#_beta#.#.gif", "start#_beta#.#.mp4", "start#_beta#.#.png", "index.html"}},
      {model_file(o.model)});
  run.configure(app);
  if (!model->config.noise_padding)
    std::printf("trained without --noise-padding: the border of the picture moves less than its middle\n");
  {
    Progress progress(int64_t(clips.size()) * o.walk.frames, "animate", o.common.quiet);
    for (size_t done = 0; done < clips.size(); ++done)
      write_clip(clips[done], *model, o.fps, output, run, progress, [&] {
        if (interrupted())
          throw Interrupted("interrupted; " + std::to_string(done) + " animations are written");
      });
  }
  write_page(o, clips, output, run);
  std::printf("%s: %zu animations of %lld frames; open %s\n", run.path().c_str(), clips.size(),
              static_cast<long long>(o.walk.frames), (run / "index.html").c_str());
}

}  // namespace

void declare_animate(CLI::App& app) {
  auto o = std::make_shared<AnimateCommand>();
  CLI::App* sub = app.add_subcommand("animate", "Let the picture of a trained model move");
  sub->add_option("--model", o->model, "Folder of a training run, or its model.safetensors")->required();
  sub->add_option("--start-scale", o->start_levels,
                  "Levels below it stand still, 0 is the coarsest; several, comma-separated, make several "
                  "animations; default: 0,1,2 where the model has them")
      ->delimiter(',');
  sub->add_option("--beta", o->betas,
                  "How much a movement goes on in its direction, 0 to below 1; several, comma-separated")
      ->delimiter(',');
  sub->add_option("--alpha", o->walk.alpha,
                  "How much every frame is drawn back to the training picture, 0 to 1");
  sub->add_option("--frames", o->walk.frames, "Frames of an animation")
      ->check(CLI::Range(int64_t{1}, int64_t{10'000}));
  sub->add_option("--fps", o->fps, "Frames a second")->check(CLI::Range(0.1, kMaxGifRate));
  sub->add_flag("--loop", o->walk.loop, "Close the movement: the last frame leads to the first");
  sub->add_option("--scale-h", o->walk.scale_h, "Factor of the width");
  sub->add_option("--scale-v", o->walk.scale_v, "Factor of the height");
  sub->add_option("--format", o->formats, "Files to write, comma-separated: gif, mp4")
      ->delimiter(',')
      ->check(CLI::IsMember({"gif", "mp4"}));
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  add_out_option(*sub, o->common);
  sub->callback([o, sub] { run_animate(*o, *sub); });
}

}  // namespace sga
