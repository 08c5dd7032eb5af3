// singan compare: models of one picture, by any method, side by side on one page.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>

#include "engine/device.h"
#include "engine/image.h"
#include "engine/memory.h"
#include "engine/ops.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"

namespace sga {
namespace {

struct CompareCommand {
  CommonOptions common;
  std::vector<std::string> runs;
  int64_t count = 4;
};

struct Compared {
  std::string run, method;
  AnyModel model;
  uintmax_t bytes;
  std::vector<Image> samples;
  std::vector<double> seconds;
};

std::string value_of(const std::vector<std::pair<std::string, std::string>>& rows, const std::string& key) {
  for (const auto& [name, value] : rows)
    if (name == key) return value;
  return "";
}

Compared open(const std::string& path) {
  AnyModel model = open_model(path);
  std::error_code error;
  const fs::path given = fs::path(path), file = fs::is_directory(given, error) ? given / kModelFile : given;
  const uintmax_t bytes = fs::file_size(file, error);
  const auto rows = std::visit([](const auto& m) { return describe(m); }, model);
  const fs::path folder = fs::absolute(file).lexically_normal().parent_path();
  const std::string name = file == given ? file.filename().string() : folder.filename().string();
  return {name, value_of(rows, "method"), std::move(model), error ? 0 : bytes, {}, {}};
}

const Tensor& image_of(const AnyModel& model) {
  return std::visit([](const auto& m) -> const Tensor& { return m.image; }, model);
}

// Of its samples: of a run that still trains, they are smaller than the picture.
singan::Size size_of(const AnyModel& model) {
  return std::visit([](const auto& m) { return m.size(std::max(0, m.finished() - 1)); }, model);
}

// Two trainings of one picture may have shrunk it differently: they are compared at the smaller size.
void check_same_picture(const Compared& a, const Compared& b) {
  const Tensor &x = image_of(a.model), &y = image_of(b.model);
  SGA_CHECK(x.dim(3) == y.dim(3), a.run, " was trained on ", x.dim(3), " channels and ", b.run, " on ",
            y.dim(3), "; compare runs with the same --channels");
  const singan::Size size{std::min(x.dim(1), y.dim(1)), std::min(x.dim(2), y.dim(2))};
  const double shape = double(x.dim(1)) * double(y.dim(2)) / (double(x.dim(2)) * double(y.dim(1)));
  NoGrad off;
  constexpr double kMostDifference = 0.1;  // RMS, of pixels from -1 to 1
  const bool same = std::abs(std::log(shape)) < 0.1 &&
                    std::sqrt(mse(singan::imresize_to(x, size, singan::ResizeStyle::smooth),
                                  singan::imresize_to(y, size, singan::ResizeStyle::smooth))
                                  .item()) < kMostDifference;
  SGA_CHECK(same, b.run, " was trained on another picture than ", a.run, "; compare runs of one picture");
}

// Of compare.png, a row for each model: refused before the work if there are too many.
void check_sheet(const std::vector<Compared>& all, int64_t count) {
  int64_t h = 0, w = 0;
  for (const Compared& c : all) {
    const singan::Size size = size_of(c.model);
    h = std::max(h, size.h), w = std::max(w, size.w);
  }
  sheet_cells(std::ssize(all) * count, h, w, count, true);
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(double(a.pixels[i]) - double(b.pixels[i]));
  return sum / double(a.pixels.size());
}

std::string text_of(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::vector<std::string> row_of(const Compared& c) {
  const Image picture =
      resize_image(to_image(image_of(c.model)), c.samples.front().height, c.samples.front().width);
  std::vector<double> seconds = c.seconds;
  std::nth_element(seconds.begin(), seconds.begin() + std::ptrdiff_t(seconds.size() / 2), seconds.end());
  double to_picture = 0, among = 0;
  for (size_t i = 0; i < c.samples.size(); ++i) {
    to_picture += mean_difference(c.samples[i], picture) / double(c.samples.size());
    if (i > 0) among += mean_difference(c.samples[i], c.samples[i - 1]) / double(c.samples.size() - 1);
  }
  return {c.run,
          c.method,
          sga::text_of(size_of(c.model)),
          text_of("%.3f s", seconds[seconds.size() / 2]),
          text_of("%.2f MB", double(c.bytes) * 1e-6),
          text_of("%.4f", to_picture),
          c.samples.size() > 1 ? text_of("%.4f", among) : "-"};
}

void compare(const CompareCommand& o, CLI::App& app) {
  use_device(o.common);
  if (o.runs.size() < 2)
    throw UsageError("compare needs two runs or more, got " + std::to_string(o.runs.size()) +
                     "; give the folders that 'singan train' wrote");
  std::vector<Compared> all;
  std::vector<fs::path> inputs;
  for (const std::string& path : o.runs) {
    all.push_back(open(path));
    inputs.push_back(model_file(path));
    check_same_picture(all.front(), all.back());
  }
  for (const Compared& c : all)
    if (const auto* grown = std::get_if<consingan::Model>(&c.model))
      check_memory(*grown, {}, available_memory());
  check_sheet(all, o.count);
  RunFolder run(o.common.out, false, o.common.force,
                {"singan compare", {"training.png", "run_#_sample_#.png", "compare.png", "index.html"}},
                inputs);
  run.configure(app);
  save_png(run / "training.png", to_image(image_of(all.front().model)), bits_of(all.front().model));
  {
    Progress progress(o.count * int64_t(all.size()), "compare", o.common.quiet);
    for (size_t i = 0; i < all.size(); ++i)
      for (int64_t k = 0; k < o.count; ++k) {
        if (interrupted())
          throw Interrupted("interrupted; " + std::to_string(i * size_t(o.count) + size_t(k)) +
                            " pictures are written");
        const auto start = std::chrono::steady_clock::now();
        all[i].samples.push_back(to_image(sample(all[i].model, {}, o.common.seed, k)));
        all[i].seconds.push_back(
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        const std::string stem = "run_" + std::to_string(i) + "_sample";
        save_png(run / numbered(stem.c_str(), k), all[i].samples.back(), bits_of(all[i].model));
        progress.advance();
      }
  }

  std::vector<Image> sheet;
  std::vector<std::string> labels;
  Page page("Models of one picture");
  std::vector<std::vector<std::string>> rows;
  for (const Compared& c : all) rows.push_back(row_of(c));
  page.table({"run", "method", "size", "time of a sample", "size of the model", "difference from the picture",
              "difference among samples"},
             rows);
  page.paragraph("Times are medians on " + std::string(device_description()) +
                 ". Differences are mean absolute ones of pixels from 0 to 1: 0 is a copy.");
  const Tensor& picture = image_of(all.front().model);
  page.pictures("Training picture", {{"training.png", sga::text_of({picture.dim(1), picture.dim(2)})}});
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string stem = "run_" + std::to_string(i) + "_sample";
    std::vector<Page::Picture> pictures;
    for (int64_t k = 0; k < o.count; ++k) {
      pictures.push_back({numbered(stem.c_str(), k), "sample " + std::to_string(k)});
      sheet.push_back(all[i].samples[size_t(k)]);
      labels.push_back(k == 0 ? all[i].method : "");
    }
    page.pictures(all[i].method + ": " + all[i].run, pictures);
  }
  save_png(run / "compare.png", contact_sheet(sheet, o.count, labels));
  page.write(run / "index.html");
  std::printf("%s: %zu models, %lld samples of each; open %s\n", run.path().c_str(), all.size(),
              static_cast<long long>(o.count), (run / "index.html").c_str());
}

}  // namespace

void declare_compare(CLI::App& app) {
  auto o = std::make_shared<CompareCommand>();
  CLI::App* sub = app.add_subcommand("compare", "Show models of one picture, by any method, on one page");
  sub->add_option("runs,--run", o->runs, "Folders of training runs, or their model.safetensors; two or more")
      ->required();
  sub->add_option("--count", o->count, "Samples of each model")->check(CLI::Range(int64_t{1}, int64_t{100}));
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  add_out_option(*sub, o->common);
  sub->callback([o, sub] { compare(*o, *sub); });
}

}  // namespace sga
