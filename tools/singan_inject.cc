// singan paint, harmonize, edit: a picture enters a trained model at a start scale, whose levels from there
// on redraw it with the patches they know.
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include "engine/image.h"
#include "models/singan/palette.h"
#include "tools/mask.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"

namespace sga {
namespace {

constexpr int64_t kSheetPictures = 8;      // of one start scale on sheet.png, whatever --count is
constexpr double kMostlyDifferent = 0.75;  // share of the pixels beyond which a reference is another picture
constexpr double kOtherPicture = 0.12;     // mean difference outside the mask, of a range of 1

enum class Task { paint, harmonize, edit };
const char* name_of(Task task) {
  return task == Task::paint ? "paint" : task == Task::harmonize ? "harmonize" : "edit";
}

struct InjectCommand {
  Task task;
  CommonOptions common;
  std::string model, reference, mask;
  int start_scale = 0;  // 0: all of them
  int64_t count = 1;
  int64_t threshold = 128, dilate = 0;
  double feather = 5;
  bool quantize = false;
  int64_t colours = 5;
};

// The reference and what belongs to it. The images have the size of what the model draws.
struct Inputs {
  Tensor reference;  // of the training image's size
  Image fitted, training, mask;
  int first = 1, last = 1;  // start scales
};

std::string percent(double share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.1f%%", 100 * share);
  return text;
}

Image read_reference(const InjectCommand& o, int64_t channels, singan::Size size) {
  const Image image = decode_image(read_file(o.reference), o.reference);
  if (image.channels != channels)
    std::printf("%s has %lld channels, the model %lld: it is converted\n", o.reference.c_str(),
                static_cast<long long>(image.channels), static_cast<long long>(channels));
  const double stretch = double(image.width * size.h) / double(image.height * size.w);
  if (std::abs(std::log(stretch)) > 0.02)
    std::printf("%s is %s and is stretched to the training image's %s\n", o.reference.c_str(),
                text_of({image.height, image.width}).c_str(), text_of(size).c_str());
  return convert_channels(image, channels);
}

// 0 or 1, not dilated yet.
Image hard_mask(const InjectCommand& o, const Image& reference, const Inputs& in) {
  if (o.mask.empty()) {
    const Difference found = difference(in.fitted, in.training);
    const double part = share(found.mask);
    SGA_CHECK(part > 0, o.reference, " does not differ from the training image of ", o.model,
              "; give a reference that was changed, or the place to change with --mask");
    SGA_CHECK(part < kMostlyDifferent, o.reference, " differs from the training image in ", percent(part),
              " of the pixels, so it is no edit of it; give the model of the picture it was made from, or a "
              "--mask");
    std::printf(
        "no --mask: taken from where the reference differs from the training image by more than %.2f "
        "of the range, %s of the pixels\n",
        double(found.threshold), percent(part).c_str());
    return found.mask;
  }
  const Image given = load_image(o.mask, 1);
  if (given.height != reference.height || given.width != reference.width)
    fail("the mask ", o.mask, " is ", text_of({given.height, given.width}), " and the reference ",
         o.reference, " is ", text_of({reference.height, reference.width}),
         "; give a mask of the reference's size");
  const Image mask =
      threshold(resize_image(given, in.fitted.height, in.fitted.width), (float(o.threshold) - 0.5f) / 255);
  const double part = share(mask);
  SGA_CHECK(part > 0, "the mask ", o.mask, " is empty, as no pixel reaches the threshold ", o.threshold,
            "; make what may change white, or give a lower --threshold");
  SGA_CHECK(part < 1, "the mask ", o.mask, " is full, as every pixel reaches the threshold ", o.threshold,
            "; make what may change white and the rest black, or use 'singan paint'");
  const double apart = difference_outside(in.fitted, in.training, mask);
  SGA_CHECK(apart < kOtherPicture, o.reference, " differs from the training image of ", o.model,
            " outside the mask too, by ", percent(apart),
            " of the range; give the model of the picture it "
            "was made from");
  return mask;
}

Inputs prepare(const InjectCommand& o, const AnyModel& any) {
  return std::visit(
      [&](const auto& model) {
        Inputs in;
        SGA_CHECK(!o.quantize || std::holds_alternative<singan::Model>(any),
                  "--quantize trains a level of a SinGAN again, and ", o.model,
                  " is of another method; leave --quantize out");
        const int most = model.finished() - 1;
        SGA_CHECK(most >= 1, o.model, " has ", model.finished(),
                  " finished levels and a picture enters at the second or later; train it further");
        SGA_CHECK(o.start_scale <= most, "--start-scale ", o.start_scale, " is outside the model ", o.model,
                  ", where a picture can enter at 1 to ", most);
        SGA_CHECK(o.count == 1 || !std::holds_alternative<gpnn::Model>(any), "--count ", o.count,
                  " would be so many copies, as ", o.model,
                  " is a GPNN and puts no noise into a picture that is given; leave --count out");
        in.first = o.start_scale ? o.start_scale : 1;
        in.last = o.start_scale ? o.start_scale : most;
        const Tensor& image = model.image;
        const singan::Size size{image.dim(1), image.dim(2)}, drawn = model.size(most);
        const Image reference = read_reference(o, image.dim(3), size);
        const auto* gan = std::get_if<singan::Model>(&any);
        in.reference = singan::imresize_to(to_tensor(reference), size,
                                           gan ? gan->config.resize : singan::ResizeStyle::smooth);
        const auto fit = [&](const Image& picture) { return resize_image(picture, drawn.h, drawn.w); };
        in.fitted = fit(reference);
        in.training = fit(to_image(image));
        if (o.task == Task::paint) return in;
        const Image mask = dilate(hard_mask(o, reference, in), o.dilate);
        SGA_CHECK(share(mask) < 1, "the mask covers the whole ", text_of(drawn),
                  " pixels once it is dilated by ", o.dilate, "; give a smaller --dilate");
        in.mask = feather(mask, o.feather);
        return in;
      },
      any);
}

std::string picture_name(int scale, int64_t k, const char* ending) {
  return numbered(("start_" + std::to_string(scale)).c_str(), k, ending);
}

// sheet.png: the inputs, then each start scale's pictures side by side.
class Sheet {
 public:
  explicit Sheet(int64_t group) : group_(group) {}
  void add(Image image, std::string label) {
    images_.push_back(std::move(image));
    labels_.push_back(std::move(label));
  }
  // What follows begins with a group of its own.
  void end_group() {
    while (int64_t(images_.size()) % group_ != 0) add({1, 1, 1, {1}}, "");
  }
  Image draw() const { return contact_sheet(images_, group_ * std::max<int64_t>(1, 8 / group_), labels_); }

 private:
  int64_t group_;
  std::vector<Image> images_;
  std::vector<std::string> labels_;
};

void draw(const InjectCommand& o, const AnyModel& model, const Inputs& in, const RunFolder& run) {
  const bool masked = o.task != Task::paint, both = o.task == Task::edit;
  const std::string title = name_of(o.task);
  Page page("SinGAN: " + title);
  page.table({{"model", o.model},
              {"reference", o.reference},
              {"start scales", std::to_string(in.first) + " to " + std::to_string(in.last)},
              {"seed", std::to_string(o.common.seed)}});
  page.paragraph("A low start scale changes the reference much, a high one little.");
  std::vector<Page::Picture> inputs = {{"training.png", "training image"}, {"reference.png", "reference"}};
  Sheet sheet(std::min(o.count, kSheetPictures) * (both ? 2 : 1));
  sheet.add(in.training, "training");
  sheet.add(in.fitted, "reference");
  save_png(run / "training.png", in.training);
  save_png(run / "reference.png", in.fitted);
  if (masked) {
    save_png(run / "mask.png", in.mask);
    sheet.add(in.mask, "mask");
    inputs.push_back({"mask.png", "mask"});
  }
  sheet.end_group();
  page.pictures("Inputs", inputs);

  int64_t drawn = 0;
  std::optional<Progress> progress;
  for (int scale = in.first; scale <= in.last; ++scale) {
    std::optional<AnyModel> quantized;
    std::vector<Page::Picture> pictures;
    const std::string where = "start " + std::to_string(scale);
    if (o.quantize) {
      quantized = quantized_level(std::get<singan::Model>(model), scale, o.colours, run, o.common.quiet);
      pictures.push_back({numbered("colours", scale), "training image in few colours"});
    } else if (!progress) {
      progress.emplace((in.last - in.first + 1) * o.count, title, o.common.quiet);
    }
    for (int64_t k = 0; k < o.count; ++k) {
      if (interrupted()) throw Interrupted("interrupted; " + std::to_string(drawn) + " pictures are drawn");
      Rng rng = Rng(o.common.seed).fork(uint64_t(k));
      const Image out =
          to_image(std::visit([&](const auto& m) { return inject(m, in.reference, scale, rng); },
                              quantized ? *quantized : model));
      const auto keep = [&](const Image& picture, const char* ending, const char* note) {
        const std::string file = picture_name(scale, k, ending);
        save_png(run / file, picture);
        pictures.push_back({file, where + ", " + std::to_string(k) + note});
        if (k < kSheetPictures) sheet.add(picture, where + note);
      };
      if (!masked || both) keep(out, "", "");
      if (masked) keep(composite(in.mask, out, in.training), both ? "_masked" : "", both ? " masked" : "");
      ++drawn;
      if (progress) progress->advance();
    }
    page.pictures("Start scale " + std::to_string(scale), pictures);
  }
  save_png(run / "sheet.png", sheet.draw());
  page.pictures("All", {{"sheet.png", "all start scales"}});
  page.write(run / "index.html");
}

void run_inject(InjectCommand& o, CLI::App& app) {
  use_device(o.common);
  const AnyModel model = open_model(o.model);
  std::optional<RunFolder> run;
  const auto open_folder = [&] {
    run.emplace(o.common.out, o.common.resume, o.common.force,
                OwnFiles{std::string("singan ") + name_of(o.task),
                         {"start_#_#.png", "start_#_#_masked.png", "colours_#.png", "training.png",
                          "reference.png", "mask.png", "sheet.png", "index.html", "quantized_#.safetensors",
                          "quantized_#.previous.safetensors", "quantized_#.damaged.safetensors"}},
                std::vector<fs::path>{model_file(o.model), o.reference, o.mask});
    run->configure(app, {"reference", "seed"},
                   {{"model", [](const fs::path& p) { return file_checksum(model_file(p)); }}});
  };
  if (continues_run(o.common)) open_folder();  // options that are not given come from there
  use_device(o.common);                        // the stored precision, if it was not given
  const Inputs inputs = prepare(o, model);
  if (!run) open_folder();  // and bad input leaves no folder behind
  draw(o, model, inputs, *run);
  std::printf("%s: start scales %d to %d; open %s\n", run->path().c_str(), inputs.first, inputs.last,
              (*run / "index.html").c_str());
}

void declare(CLI::App& app, Task task, const char* about, int64_t radius) {
  auto o = std::make_shared<InjectCommand>();
  o->task = task;
  o->dilate = radius;
  CLI::App* sub = app.add_subcommand(name_of(task), about);
  sub->add_option("--model", o->model, "Folder of a training run, or its model.safetensors")->required();
  sub->add_option("--reference", o->reference,
                  task == Task::paint ? "Painting, of any size" : "Changed training image, of any size")
      ->required();
  sub->add_option("--start-scale", o->start_scale,
                  "Level at which the reference enters, 1 to the finest; 0: every one of them")
      ->check(CLI::Range(0, 1000));
  sub->add_option("--count", o->count, "Pictures for each start scale")
      ->check(CLI::Range(int64_t{1}, int64_t{10'000}));
  if (task == Task::paint) {
    CLI::Option* quantize = sub->add_flag(
        "--quantize", o->quantize, "Train each start scale's level again on pictures in few colours, first");
    sub->add_option("--colours", o->colours, "Number of colours of --quantize")
        ->check(CLI::Range(int64_t{2}, singan::kMaxColours))
        ->needs(quantize);
  } else {
    sub->add_option("--mask", o->mask,
                    "Picture of the reference's size, white where the result may change; without: where the "
                    "reference differs from the training image");
    sub->add_option("--threshold", o->threshold, "Level from which on the mask is white")
        ->check(CLI::Range(int64_t{1}, int64_t{255}));
    sub->add_option("--dilate", o->dilate, "Radius by which the mask grows, pixels of the result")
        ->check(CLI::Range(int64_t{0}, int64_t{10'000}));
    sub->add_option("--feather", o->feather,
                    "Standard deviation of the mask's soft edge, pixels of the result")
        ->check(CLI::Range(0.0, 1000.0));
  }
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  task == Task::paint ? add_run_options(*sub, o->common) : add_out_option(*sub, o->common);
  sub->callback([o, sub] { run_inject(*o, *sub); });
}

}  // namespace

void declare_paint(CLI::App& app) {
  declare(app, Task::paint, "Turn a painting of few colours into a picture like the training image", 0);
}
void declare_harmonize(CLI::App& app) {
  declare(app, Task::harmonize, "Give an object pasted into the training image its style", 7);
}
void declare_edit(CLI::App& app) {
  declare(app, Task::edit, "Make the seams of a cut, moved or copied part of the training image disappear",
          20);
}

}  // namespace sga
