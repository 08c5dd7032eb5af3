#include "tools/singan_train_gpnn.h"

#include <cstdio>

#include "engine/image.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/singan.h"

namespace sga {

void add_gpnn_options(CLI::App& train, gpnn::Config& config) {
  train.add_option("--noise", config.noise,
                   "gpnn: standard deviation of the noise a sample begins with, of pixels from 0 to 1; more "
                   "varies the layout more");
  train.add_option(
      "--completeness", config.alpha,
      "gpnn: in samples of another shape than the picture's, how unimportant it is that every part of "
      "the picture occurs; inf: not at all");
}

void set_gpnn_defaults(CLI::App& train) {
  if (train.count("--min-size") == 0)
    train.get_option("--min-size")->default_val(gpnn::Config{}.pyramid.min_size);
}

bool is_prepared(const RunFolder& run) {
  std::error_code ignored;
  return fs::exists(run / kModelFile, ignored) && fs::exists(run / "index.html", ignored);
}

void prepare_gpnn(const gpnn::Model& model, const RunFolder& run, const std::string& picture, bool quiet) {
  constexpr int kSamples = 6;
  gpnn::save_model(run / kModelFile, model);
  save_png(run / "training.png", to_image(model.image), bits_of(model));
  std::vector<Page::Picture> samples;
  {
    Progress progress(kSamples, "sample", quiet);
    for (int i = 0; i < kSamples; ++i) {
      const std::string file = numbered("sample", i);
      save_png(run / file, to_image(sample(model, {}, model.config.seed, i)), bits_of(model));
      samples.push_back({file, "sample " + std::to_string(i)});
      progress.advance();
      if (interrupted()) throw Interrupted();
    }
  }
  Page page("GPNN of " + picture);
  auto rows = describe(model);
  rows.insert(rows.begin(), {"picture", picture});
  page.table(rows);
  page.pictures("Training picture", {{"training.png", text_of(model.pyramid.finest())}});
  page.pictures("Random samples", samples);
  page.write(run / "index.html");
  std::printf("%s: %d levels up to %s; open %s\n", (run / kModelFile).c_str(), model.finished(),
              text_of(model.pyramid.finest()).c_str(), (run / "index.html").c_str());
}

}  // namespace sga
